"""The typed request of a bundle: decode JSON rows by the contract into columns, or say what is wrong."""

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from serve.words import LONGEST, RECORDS, folded, spellings

Columns = dict[str, list[Any]]


class BadRequest(Exception):
    """A request that breaks the contract: HTTP status, one sentence, field and row where they are known."""

    def __init__(self, status: int, sentence: str, field: str | None = None, row: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.field, self.row = status, field, row


class Rows:
    """Decoders made from the contract of a bundle's inputs."""

    def __init__(self, inputs: Sequence[dict[str, Any]], max_rows: int) -> None:
        self.names = [spec["name"] for spec in inputs]
        self.max_rows = max_rows
        # Column names need not be Python names: attributes are numbered, the wire keeps the columns' names
        self._attributes = [f"column_{place}" for place in range(len(inputs))]
        fields = [(attribute, _type_of(spec)) for attribute, spec in zip(self._attributes, inputs, strict=True)]
        rename = dict(zip(self._attributes, self.names, strict=True))
        self.row_type: type[Any] = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, rename=rename, gc=False)
        self._folded = {
            attribute: (spec["name"], spellings(spec["values"]))
            for attribute, spec in zip(self._attributes, inputs, strict=True)
            if spec.get("fold") and spec["unseen"] == "reject"
        }
        self._one = msgspec.json.Decoder(self.row_type)
        self._many = msgspec.json.Decoder(list[self.row_type])  # type: ignore[name-defined]
        self._top = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def decode(self, body: bytes) -> tuple[Columns, bool]:
        """Decode a body into columns; the flag tells whether it held many rows.

        Raises BadRequest with 400 for what is no JSON, 422 for what breaks the contract.
        """
        many = False
        try:
            top = self._top.decode(body)
            many = RECORDS in top
            if not many:
                return self._columns([self._one.decode(body)], False), False
            extra = [name for name in top if name != RECORDS]
            if extra:
                raise BadRequest(422, f"unknown field {extra[0]!r} beside {RECORDS!r}", extra[0])
            rows = self._many.decode(top[RECORDS])
        except msgspec.ValidationError as error:
            raise self._located(str(error), many) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(400, f"the body is no JSON: {error}") from None
        if not rows:
            raise BadRequest(422, f"{RECORDS!r} holds no row")
        if len(rows) > self.max_rows:
            raise BadRequest(422, f"{RECORDS!r} holds {len(rows)} rows, at most {self.max_rows} are taken")
        return self._columns(rows, True), True

    def _columns(self, rows: list[Any], many: bool) -> Columns:
        for attribute, (name, declared) in self._folded.items():
            for place, row in enumerate(rows):
                text = getattr(row, attribute)
                if text is not None and folded(text) not in declared:
                    where = f"row {place}: " if many else ""
                    raise BadRequest(422, f"{where}{name}: Invalid enum value", name, place if many else None)
        pairs = zip(self.names, self._attributes, strict=True)
        return {name: [getattr(row, attribute) for row in rows] for name, attribute in pairs}

    def _located(self, message: str, many: bool) -> BadRequest:
        """Turn msgspec's message and path into a sentence with the field's name and the row's number."""
        sentence, _, path = message.partition(" - at `")
        row = re.match(r"\$\[(\d+)\]", path)
        number = int(row.group(1)) if row else None
        rest = path[row.end() if row else 1 :].rstrip("`")
        field = rest.removeprefix(".") or None
        if field is None:
            named = re.search(r"field `(.*)`", sentence)
            field = named.group(1) if named else None
        where = f"row {number}: " if many and number is not None else ""
        what = f"{field}: " if field and f"`{field}`" not in sentence else ""
        return BadRequest(422, f"{where}{what}{sentence}", field, number if many else None)


def _type_of(spec: dict[str, Any]) -> Any:
    kind: Any
    if spec["type"] == "number":
        if spec["integer"]:
            # 39.0 is a whole number too: a client's column with a gap in it holds such
            bounds = msgspec.Meta(ge=math.ceil(spec["low"]), le=math.floor(spec["high"]), multiple_of=1)
            kind = Annotated[float, bounds]
        else:
            kind = Annotated[float, msgspec.Meta(ge=spec["low"], le=spec["high"])]
    elif spec.get("fold"):
        said = f"one of {', '.join(spec['values'])}, in whatever case" if spec["unseen"] == "reject" else "any text"
        kind = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST, description=said)]
    elif spec["unseen"] == "other":
        kind = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
    else:
        kind = Literal[tuple(spec["values"])]
    return kind | None if spec["missing"] else kind
