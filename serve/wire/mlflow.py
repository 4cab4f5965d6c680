"""/invocations as MLflow's scoring server takes it (SageMaker calls the same): four JSON forms, and CSV.

Numbers of a CSV are those of serve/cells.py, an empty cell is missing. MLflow drops columns and names that it does not
know; here they are refused, since a misspelt one would be dropped as well.
"""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from serve.cells import number
from serve.refusal import BadRequest
from serve.rows import Rows, Values
from serve.wire.protocol import Asked, Protocol, many, only, parsed
from serve.wire.scored import Scored, Templates

FORMS = ("dataframe_records", "dataframe_split", "instances", "inputs")
PARAMS = "params"


def invocations(rows: Rows, templates: Templates, numbers: Sequence[str]) -> Protocol:
    """Make the protocol of /invocations; `numbers` names the columns that hold numbers."""
    listed = list[rows.row_type]  # type: ignore[name-defined]  # made at run time
    whole: Any = msgspec.defstruct("Framed", [("rows", listed)], rename={"rows": FORMS[0]}, forbid_unknown_fields=True)
    quick: Callable[[bytes], Any] = msgspec.json.Decoder(whole).decode
    held = frozenset(numbers)

    def decode(body: bytes, media: bytes) -> Asked:
        kind = media_type(media)
        if kind == "text/csv":
            return many(rows.from_columns(csv_columns(body, held), "the CSV"))
        try:
            found = quick(body).rows
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if found and len(found) <= rows.max_rows and body.count(b":") == 1 + len(found) * len(rows.names):
            return many(rows.of_structs(found))
        return many(by_form(rows, parsed(body)))

    def answer(scored: Scored, start: int, asked: Asked) -> bytes:
        return b'{"predictions":[' + templates.rows(scored, start, asked.count) + b"]}"

    return Protocol("mlflow", decode, answer, refuse, typed=True)


def by_form(rows: Rows, value: dict[str, Any]) -> Values:
    """Read one of the four forms.

    Raises BadRequest.
    """
    forms = [form for form in FORMS if form in value]
    if len(forms) != 1:
        raise BadRequest(422, f"the body must hold exactly one of {', '.join(FORMS)}")
    only(value, {forms[0], PARAMS})
    if value.get(PARAMS):
        raise BadRequest(422, "params: this model takes none", PARAMS)
    held = value[forms[0]]
    read: dict[str, Callable[[], Values]] = {
        "dataframe_records": lambda: rows.from_rows(held, forms[0]),
        "dataframe_split": lambda: from_split(rows, held, forms[0]),
        "instances": lambda: from_instances(rows, held, forms[0]),
        "inputs": lambda: from_inputs(rows, held, forms[0]),
    }
    return read[forms[0]]()


def from_split(rows: Rows, value: Any, key: str) -> Values:
    """Read {"columns": [...], "data": [[...]]} as pandas writes it; an "index" is a caller's own and is dropped.

    Raises BadRequest.
    """
    if not isinstance(value, dict) or not {"columns", "data"} <= value.keys() <= {"columns", "data", "index"}:
        raise BadRequest(422, f"{key!r} must be an object of columns and data", key)
    names, data = value["columns"], value["data"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not isinstance(data, list):
        raise BadRequest(422, f"{key!r}: columns must be a list of names, data a list of rows", key)
    if len(set(names)) != len(names):
        raise BadRequest(422, f"{key!r}: a column is named twice", key)
    return from_lists(rows, names, data, key)


def from_lists(rows: Rows, names: Sequence[str], data: list[Any], key: str) -> Values:
    """Read rows that are lists, in the order of `names`.

    Raises BadRequest.
    """
    rows.count(len(data), key)
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(names):
            raise BadRequest(422, f"row {place}: it is no list of {len(names)} values", None, place)
    return rows.from_columns(dict(zip(names, map(list, zip(*data, strict=True)), strict=True)), key)


def from_instances(rows: Rows, value: Any, key: str) -> Values:
    """Read a list of objects, or of lists in the order of the model's inputs.

    Raises BadRequest.
    """
    if isinstance(value, list) and value and isinstance(value[0], list):
        return from_lists(rows, rows.names, value, key)
    return rows.from_rows(value, key)


def from_inputs(rows: Rows, value: Any, key: str) -> Values:
    """Read an object of columns, one row as an object, or a list of objects.

    Raises BadRequest.
    """
    if isinstance(value, dict):
        if any(isinstance(held, list) for held in value.values()):
            return rows.from_columns(value, key)
        return rows.from_rows([value], key)
    return rows.from_rows(value, key)


def media_type(media: bytes) -> str:
    """Return the media type of a Content-Type; JSON when there is none.

    Raises BadRequest with 415 for another type, charset or parameter.
    """
    kind, *rest = [part.strip().lower() for part in media.decode("latin-1").split(";")]
    charset = [part.partition("=") for part in rest if part]
    if any(name != "charset" or text.strip('"') not in ("utf-8", "utf8", "us-ascii") for name, _, text in charset):
        raise BadRequest(415, "the body must be UTF-8, and its type have no parameter but charset")
    if kind not in ("", "application/json", "text/csv"):
        raise BadRequest(415, "the body must be application/json or text/csv")
    return kind


def csv_columns(body: bytes, numbers: frozenset[str]) -> dict[str, list[Any]]:
    """Read a CSV with a line of names into columns.

    Raises BadRequest.
    """
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(400, f"the body is no CSV: {str(error)[:200]}") from None
    lines = [line for line in lines if line]
    if not lines:
        raise BadRequest(400, "the body is no CSV: it holds no line of names")
    names, cells = lines[0], lines[1:]
    if len(set(names)) != len(names):
        raise BadRequest(422, "the CSV names a column twice")
    for place, line in enumerate(cells):
        if len(line) != len(names):
            raise BadRequest(422, f"row {place}: it has {len(line)} cells, not {len(names)}", None, place)
    columns = zip(*cells, strict=True) if cells else ([] for _ in names)
    return {
        name: [number(text) if name in numbers else text or None for text in column]
        for name, column in zip(names, columns, strict=True)
    }


def refuse(error: BadRequest) -> tuple[int, bytes]:
    """Write a refusal as MLflow's scoring server does: 400 with a code, or 415 as plain text."""
    if error.status == 415:
        return 415, str(error).encode()
    code = {413: "REQUEST_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR", 503: "TEMPORARILY_UNAVAILABLE"}
    status = 400 if error.status == 422 else error.status
    return status, msgspec.json.encode({"error_code": code.get(error.status, "BAD_REQUEST"), "message": str(error)})
