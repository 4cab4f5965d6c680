"""POST /feedback: the true outcome of a prediction, told later, as often as one likes.

    {"id": "7f3a…", "outcome": ">50K"}    or    {"records": [{"id": "7f3a…:2", "outcome": "<=50K"}, …]}

The id is the X-Request-Id of the prediction, with the row's place where it is not the first. Whether it was logged is
not asked: the two are joined by whoever reads the log. Nothing is overwritten either: of several outcomes for one id
the last holds, and all are kept.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Literal

import msgspec

from serve.refusal import BadRequest
from serve.remembered.ids import ID, whole
from serve.wire.protocol import detail, parsed
from serve.words import RECORDS

Tell = Callable[[list[str], list[Any]], "Future[str]"]
Told = tuple[list[str], list[Any]]
InTurn = Callable[[Callable[[bytes], Told], bytes], Awaitable[Told]]  # see serve/wire/turns.py
INLINE_BYTES = 16_000  # about 200 records, a millisecond; a larger body is worked on in a thread, others go on
NO_LOG = BadRequest(
    404, "this service keeps no prediction log; PREDICTION_LOG or PREDICTION_SPOOL would name its place"
)
RETRY = (b"retry-after", b"5")
DROPPED = BadRequest(503, "the log cannot take feedback now; send the same again later")


class Feedback:
    """Reads feedback by the contract's target, and hands it to the log."""

    def __init__(self, target: dict[str, Any], max_rows: int, tell: Tell | None) -> None:
        self._tell, self._max_rows = tell, max_rows
        kind: Any = float if target["kind"] == "quantity" else Literal[tuple(target["labels"])]
        self._type: Any = msgspec.defstruct("Feedback", [("id", str), ("outcome", kind)], forbid_unknown_fields=True)

    async def answer(self, body: bytes, in_turn: InTurn) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
        """Take feedback; return status, content and headers. It is on the disk when the status is 200."""
        if self._tell is None:
            return *detail(NO_LOG), ()
        try:
            read = self.decode(body) if len(body) <= INLINE_BYTES else await in_turn(self.decode, body)
        except BadRequest as error:
            return *detail(error), ()
        dropped = await asyncio.wrap_future(self._tell(*read))
        if dropped:
            return *detail(DROPPED), (RETRY,)
        return 200, b'{"accepted":%d}' % len(read[0]), ()

    def decode(self, body: bytes) -> Told:
        """Read a body into ids and outcomes. Raises BadRequest."""
        value = parsed(body)
        if RECORDS not in value:
            told = [self._record(value, None)]
        else:
            rows = value[RECORDS]
            if len(value) > 1 or not isinstance(rows, list) or not rows:
                raise BadRequest(422, f"{RECORDS!r} must be a list of at least one record, and stand alone", RECORDS)
            if len(rows) > self._max_rows:
                raise BadRequest(
                    422, f"{RECORDS!r} holds {len(rows)} records, at most {self._max_rows} are taken", RECORDS
                )
            told = [self._record(row, place) for place, row in enumerate(rows)]
        return [each for each, _ in told], [outcome for _, outcome in told]

    def _record(self, value: Any, place: int | None) -> tuple[str, Any]:
        where = f"row {place}: " if place is not None else ""
        try:
            record = msgspec.convert(value, self._type)
        except msgspec.ValidationError as error:
            sentence, _, path = str(error).partition(" - at `$.")
            field = path.rstrip("`") or None
            what = f"{field}: " if field else ""
            raise BadRequest(422, f"{where}{what}{sentence}"[:300], field, place) from None
        name = whole(record.id)
        if name is None:
            raise BadRequest(422, f"{where}id: not the X-Request-Id of a prediction, with or without :ROW", "id", place)
        if isinstance(record.outcome, float) and not math.isfinite(record.outcome):
            raise BadRequest(422, f"{where}outcome: not a finite number", "outcome", place)
        return name, record.outcome


def described_feedback(target: dict[str, Any], max_rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Describe the route for OpenAPI: the schemas that it needs, and its operation."""
    quantity = target["kind"] == "quantity"
    outcome = {"type": "number", "description": target["unit"]} if quantity else {"enum": target["labels"]}
    name = {"type": "string", "pattern": f"^{ID.pattern}$", "description": "X-Request-Id of the prediction, then :ROW"}
    record = {
        "type": "object",
        "properties": {"id": name, "outcome": outcome},
        "required": ["id", "outcome"],
        "additionalProperties": False,
    }
    one = {"$ref": "#/components/schemas/Feedback"}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": max_rows}
    records = {"type": "object", "properties": {RECORDS: many}, "required": [RECORDS], "additionalProperties": False}
    said = {
        "400": "The body is no JSON",
        "404": "This service keeps no prediction log",
        "413": "The body is too large",
        "422": "A record breaks the contract; the field is named",
        "503": "The log cannot take it now; Retry-After tells when to ask again",
    }
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    accepted = {"type": "object", "properties": {"accepted": {"type": "integer"}}, "required": ["accepted"]}
    answers: dict[str, Any] = {
        "200": {"description": "Kept, and on the disk", "content": {"application/json": {"schema": accepted}}}
    }
    answers |= {status: {"description": text, "content": refusal} for status, text in said.items()}
    example = {"id": "3f0c9a5e71b2d846", "outcome": 1.0 if quantity else target["labels"][-1]}
    content = {"schema": {"anyOf": [one, {"$ref": "#/components/schemas/FeedbackRecords"}]}, "example": example}
    operation = {
        "summary": "Tell the true outcome of a prediction, later",
        "operationId": "feedback",
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": answers,
    }
    return {"Feedback": record, "FeedbackRecords": records}, operation
