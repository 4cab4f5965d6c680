"""Without a credential, a service on loopback is open to this machine, and a browser on it shows pages of strangers.

Such a page may send requests here, or, by a name of its own that it points to 127.0.0.1, read the answers. The headers
Host and Origin, which a browser sets and a page cannot, tell both.
"""

from serve.guard.address import is_loopback


def is_foreign(headers: dict[bytes, bytes]) -> bool:
    """Tell whether a request was made by a page that did not come from here."""
    host = headers.get(b"host", b"localhost").decode("latin-1").lower()
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    if not is_loopback(name):
        return True
    origin = headers.get(b"origin")
    return origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host
