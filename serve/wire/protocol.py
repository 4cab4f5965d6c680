"""What a protocol is: how a body becomes rows, how predictions become a body, and how a refusal is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from serve.refusal import BadRequest, no_json
from serve.rows import Values
from serve.wire.scored import Scored

_encode = msgspec.json.encode
JSON, TEXT = b"application/json", b"text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """A decoded request: one row's `values`, or columns of `count` rows; `how` is what the answer must know."""

    values: Values
    one: bool
    count: int
    how: Any = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way to ask for predictions: `decode(body, content type)`, `answer(scored, start, asked)`, `refuse(error)`."""

    name: str
    decode: Callable[[bytes, bytes], Asked]
    answer: Callable[[Scored, int, Asked], bytes]
    refuse: Callable[[BadRequest], tuple[int, bytes]]
    typed: bool = False  # whether the content type decides how a body is read


def many(columns: Values, how: Any = None) -> Asked:
    """Wrap columns."""
    return Asked(columns, False, len(columns[0]), how)


def parsed(body: bytes) -> dict[str, Any]:
    """Parse a body that must be a JSON object without a repeated name.

    Names are looked at first, so that no second tree is made while the one that is returned is there. Raises
    BadRequest.
    """
    from serve.unique import refuse_repeated

    try:
        refuse_repeated(body)
    except BadRequest:
        _decoded(body)  # what is no JSON is told before a repeated name, and in this decoder's words
        raise
    value = _decoded(body)
    if not isinstance(value, dict):
        raise BadRequest(422, "the body is no JSON object")
    return value


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise no_json(body, error) from None


def only(value: Mapping[str, Any], allowed: set[str]) -> None:
    """Raise BadRequest for a name that is not allowed at the top of a body."""
    extra = [name for name in value if name not in allowed]
    if extra:
        raise BadRequest(422, f"unknown field {extra[0][:100]!r}", extra[0][:100])


def detail(error: BadRequest) -> tuple[int, bytes]:
    """Write a refusal as this service's own routes do."""
    return error.status, _encode({"detail": str(error), "field": error.field, "row": error.row})


def plain(error: BadRequest) -> tuple[int, bytes]:
    """Write a refusal as {"error": sentence}; a broken contract is the caller's bad request, 400, as in V2."""
    return 400 if error.status == 422 else error.status, _encode({"error": str(error)})
