"""The credential of a request, as its headers show it."""

from collections.abc import Mapping, Sequence

from serve.guard.refused import Header, unknown


def credential_of(headers: Mapping[bytes, bytes], pairs: Sequence[Header]) -> tuple[bytes, bool]:
    """Take the one credential out of the headers; the flag tells whether it came as a bearer token.

    Raises Refused with 401 when there is none, or more than one.
    """
    authorization, key = headers.get(b"authorization"), headers.get(b"x-api-key")
    if authorization is None and key is None:
        raise unknown("a credential is missing: send Authorization: Bearer, or X-API-Key")
    if sum(name in (b"authorization", b"x-api-key") for name, _ in pairs) > 1:
        raise unknown("several credentials were sent; send one")
    if authorization is None:
        return key or b"", False
    kind, _, credential = authorization.partition(b" ")
    if kind.lower() != b"bearer":
        raise unknown("Authorization has another scheme than Bearer")
    return credential.strip(), True
