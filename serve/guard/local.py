"""Without a credential, a service on loopback is open to this machine, and a browser on it shows pages of strangers.

Such a page may send requests here, or, by a name of its own that it points to 127.0.0.1, read the answers. The headers
Host and Origin, which a browser sets and a page cannot, tell both.
"""

from collections.abc import Mapping

from serve.guard.address import is_loopback

USUAL = (b"127.0.0.1", b"localhost")  # seen without parsing an address


def is_foreign(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request was made by a page that did not come from here."""
    host = headers.get(b"host", b"localhost").lower()
    name = host[1 : host.find(b"]")] if host.startswith(b"[") else host.partition(b":")[0]
    if name not in USUAL and not is_loopback(name.decode("latin-1")):
        return True
    origin = headers.get(b"origin")
    return origin is not None and origin.lower().partition(b"://")[2] != host
