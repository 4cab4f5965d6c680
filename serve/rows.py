"""The typed request of a bundle: decode JSON rows by the contract into columns, or say what is wrong.

A row is decoded by msgspec into a struct without a Python object per name, and structs become columns by one zip. What
does not decode is looked at again, slowly, to say which field of which row it is.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from serve.refusal import BadRequest, no_json
from serve.typed import row_type, type_of
from serve.unique import refuse_repeated
from serve.words import COLUMNS, RECORDS, folded, spellings

__all__ = ["BadRequest", "Columns", "Rows", "Values"]

COLON = ord(":")
Columns = dict[str, list[Any]]
Values = Sequence[Sequence[Any]]  # one sequence a column, in the order of the inputs


class Rows:
    """Decoders made from the contract of a bundle's inputs."""

    def __init__(self, inputs: Sequence[dict[str, Any]], max_rows: int) -> None:
        self.names = [spec["name"] for spec in inputs]
        self.max_rows = max_rows
        self.row_type = row_type(inputs)
        self._types = {spec["name"]: type_of(spec) for spec in inputs}
        self._folded = [
            (place, spec["name"], spellings(spec["values"]))
            for place, spec in enumerate(inputs)
            if spec.get("fold") and spec["unseen"] == "reject"
        ]
        listed = list[self.row_type]  # type: ignore[name-defined]  # made at run time
        whole: Any = msgspec.defstruct(
            "Records", [("rows", listed)], rename={"rows": RECORDS}, forbid_unknown_fields=True
        )
        self._one = msgspec.json.Decoder(self.row_type).decode
        self._many: Callable[[bytes], Any] = msgspec.json.Decoder(whole).decode
        self._top = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._tuple = msgspec.structs.astuple

    def decode(self, body: bytes) -> tuple[Columns, bool]:
        """Decode a body into columns by name; the flag tells whether it held many rows.

        Raises BadRequest with 400 for what is no JSON, 422 for what breaks the contract.
        """
        one = self.one(body)
        values: Values = [[value] for value in one] if one is not None else self.many(body)
        return dict(zip(self.names, map(list, values), strict=True)), one is None

    def one(self, body: bytes) -> tuple[Any, ...] | None:
        """Decode a body that is one row into its values, in the order of the inputs; None when it is no such row."""
        try:
            row = self._one(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        # each name has been there, followed by a colon: one colon more is another name, or stands in a text
        if body.count(b":") != len(self.names):
            refuse_repeated(body)
        values: tuple[Any, ...] = self._tuple(row)
        if self._folded:
            self._check_folded([[value] for value in values], many=False)
        return values

    def many(self, body: bytes) -> Values:
        """Decode a body that holds rows under `records` or `columns`.

        Raises BadRequest, also for a body that is one row that breaks the contract.
        """
        try:
            rows = self._many(body).rows
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._otherwise(body)
        # numpy counts a colon in every twenty bytes several times as fast as bytes.count
        colons = np.count_nonzero(np.frombuffer(body, dtype="uint8") == COLON)
        if colons != 1 + len(rows) * len(self.names):
            refuse_repeated(body)
        self.count(len(rows), RECORDS)
        return self.of_structs(rows)

    def _otherwise(self, body: bytes) -> Values:
        """Read columns, or find out what is wrong with a body that is neither one row nor records."""
        try:
            top = self._top.decode(body)
            refuse_repeated(body)
            for key in (RECORDS, COLUMNS):
                if key in top:
                    extra = [name for name in top if name != key]
                    if extra:
                        raise BadRequest(422, f"unknown field {extra[0]!r} beside {key!r}", extra[0])
                    value = msgspec.json.decode(top[key])
                    return self.from_rows(value, key) if key == RECORDS else self.from_columns(value, key)
            self._one(body)
        except msgspec.ValidationError as error:
            raise self._located(str(error), None) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise no_json(body, error) from None
        raise BadRequest(422, "the body is no row of this model")

    def from_rows(self, rows: Any, key: str) -> Values:
        """Check parsed rows, a list of objects under `key`, and turn them into columns.

        Raises BadRequest.
        """
        if not isinstance(rows, list):
            raise BadRequest(422, f"{key!r} is no list of rows")
        self.count(len(rows), key)
        checked = []
        for place, row in enumerate(rows):
            try:
                checked.append(msgspec.convert(row, self.row_type))
            except msgspec.ValidationError as error:
                raise self._located(str(error), place) from None
        return self.of_structs(checked)

    def from_columns(self, columns: Any, key: str) -> Values:
        """Check parsed columns, an object of lists under `key`.

        Raises BadRequest.
        """
        if not isinstance(columns, dict):
            raise BadRequest(422, f"{key!r} is no object of columns")
        absent = [name for name in self.names if name not in columns]
        if absent:
            raise BadRequest(422, f"{key!r} lacks column {absent[0]!r}", absent[0])
        extra = [name for name in columns if name not in self._types]
        if extra:
            raise BadRequest(422, f"{key!r} holds unknown column {str(extra[0])[:100]!r}", str(extra[0])[:100])
        values = []
        for name, kind in self._types.items():
            try:
                values.append(msgspec.convert(columns[name], list[kind]))  # type: ignore[valid-type]
            except msgspec.ValidationError as error:
                sentence, _, path = str(error).partition(" - at `$")
                row = int(path[1 : path.index("]")]) if path else None
                where = f"row {row}: " if row is not None else ""
                raise BadRequest(422, f"{where}{name}: {sentence}", name, row) from None
        lengths = {len(column) for column in values}
        if len(lengths) > 1:
            raise BadRequest(422, f"{key!r} holds columns of {min(lengths)} to {max(lengths)} rows; they must be alike")
        self.count(lengths.pop(), key)
        self._check_folded(values, many=True)
        return values

    def count(self, rows: int, key: str) -> None:
        """Raise BadRequest when there are no rows, or more than the service takes."""
        if not rows:
            raise BadRequest(422, f"{key!r} holds no row")
        if rows > self.max_rows:
            raise BadRequest(422, f"{key!r} holds {rows} rows, at most {self.max_rows} are taken")

    def of_structs(self, rows: list[Any]) -> Values:
        """Turn decoded rows into columns.

        Raises BadRequest.
        """
        columns = list(zip(*map(self._tuple, rows), strict=True))
        self._check_folded(columns, many=True)
        return columns

    def _check_folded(self, columns: Values, many: bool) -> None:
        for place, name, declared in self._folded:
            for row, text in enumerate(columns[place]):
                if text is not None and folded(text) not in declared:
                    where = f"row {row}: " if many else ""
                    raise BadRequest(422, f"{where}{name}: Invalid enum value", name, row if many else None)

    def _located(self, message: str, number: int | None) -> BadRequest:
        """Turn msgspec's message and path into a sentence with the field's name and the row's number."""
        sentence, _, path = message.partition(" - at `$")
        field = path.rstrip("`").removeprefix(".") or None
        field = None if field == "[...]" else field  # a number in JSON of no type yet: where it stands is not told
        if field is None:
            named = re.search(r"field `(.*)`", sentence)
            field = named.group(1) if named else None
        where = f"row {number}: " if number is not None else ""
        what = f"{field}: " if field and f"`{field}`" not in sentence else ""
        return BadRequest(422, f"{where}{what}{sentence}"[:300], field and field[:100], number)
