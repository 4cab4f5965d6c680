"""What batch rejects is what the service refuses, in the same words, whatever the contract."""

import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve.bulk.checks import Numbers, columns_of, reasons
from serve.bulk.errors import InputError
from serve.rows import BadRequest, Rows
from serve.wire.mlflow import csv_columns

INPUTS = [
    {"name": "age", "type": "number", "low": 17, "high": 100, "integer": True, "missing": False},
    {"name": "pay per hour", "type": "number", "low": 0.5, "high": 99.5, "integer": False, "missing": True},
    {"name": "class", "type": "category", "values": ["a", "b"], "missing": False, "unseen": "reject"},
    {"name": "country", "type": "category", "values": ["x"], "missing": True, "unseen": "other"},
    {"name": "town", "type": "category", "values": ["Old Town"], "missing": True, "unseen": "reject", "fold": True},
    {"name": "street", "type": "category", "values": ["s"], "missing": False, "unseen": "other", "fold": True},
]
GOOD = {"age": 17, "pay per hour": 1.25, "class": "a", "country": "x", "town": " old  TOWN", "street": "S"}
TYPES = {spec["name"]: pa.float64() if spec["type"] == "number" else pa.string() for spec in INPUTS}
rows = Rows(INPUTS, max_rows=3)


def table(*changes: dict[str, object], **types: pa.DataType) -> pa.Table:
    """Make a chunk of the good row, each time with some values changed."""
    schema = pa.schema(list((TYPES | types).items()))
    return pa.Table.from_pylist([GOOD | change for change in changes], schema)


def found(chunk: pa.Table) -> dict[int, tuple[str, str]]:
    """Find the rejects of a chunk."""
    return reasons(columns_of(chunk, INPUTS), INPUTS, rows)


def said(row: dict[str, object]) -> tuple[str, str] | None:
    """What the service says to one row, as JSON."""
    try:
        rows.decode(json.dumps(row).encode())
    except BadRequest as refused:
        return refused.field or "", str(refused)
    return None


def values(name: str) -> st.SearchStrategy[object]:
    """Values around what a column takes."""
    spec = next(spec for spec in INPUTS if spec["name"] == name)
    if spec["type"] == "number":
        near = st.sampled_from([spec["low"], spec["high"], 17.5, 16.999999, 100.0000001, 0.0, -0.0, 1e300, 2.0**70])
        return st.none() | near.map(float) | st.floats(allow_nan=False, allow_infinity=False)
    near = st.sampled_from([*spec["values"], "", "A", "OLD town", "old\ttown ", "y", "x" * 200, "x" * 201])
    return st.none() | near | st.text(st.characters(codec="utf-8"), max_size=5)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(st.lists(st.fixed_dictionaries({name: st.just(GOOD[name]) | values(name) for name in GOOD}), max_size=9))
def test_batch_and_service_refuse_the_same_rows_in_the_same_words(many) -> None:
    """For any rows: the columns' checks let nothing pass, and reject nothing, that the service judges otherwise."""
    chunk = pa.Table.from_pylist(many, pa.schema(list(TYPES.items())))
    expected = {place: said({name: row[name] for name in GOOD}) for place, row in enumerate(many)}  # in their order
    assert {place: told for place, told in expected.items() if told} == found(chunk)


def test_missing_is_null_or_nan() -> None:
    """NaN is a missing number: taken where the contract says so, else refused as null is."""
    chunk = table({"pay per hour": math.nan}, {"age": math.nan}, {"country": None})
    assert {1: said(GOOD | {"age": None})} == found(chunk)


def test_an_infinity_is_beyond_every_bound() -> None:
    """JSON has no word for it; the sentence is that of the largest number."""
    chunk = table({"age": math.inf}, {"age": -math.inf})
    assert {0: said(GOOD | {"age": 1e308}), 1: said(GOOD | {"age": -1e308})} == found(chunk)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint32(), pa.float32(), pa.decimal128(24, 2)], ids=str)
def test_numbers_of_any_type_are_numbers(kind) -> None:
    """How many bits a file spends on them is its own affair; whole numbers may be floats."""
    chunk = table({"age": 16}, {"age": 39}, {}, age=pa.int64())
    chunk = chunk.set_column(0, "age", chunk.column("age").cast(kind))
    assert {0: said(GOOD | {"age": 16})} == found(chunk)


def test_dictionaries_that_differ_from_batch_to_batch_are_one_column() -> None:
    """Codes are read with the dictionary that they came with."""
    chunk = pa.concat_tables([table({"class": "b"}), table({"class": "c"}, {"class": None}), table({"class": "a"})])
    coded = pa.chunked_array([chunk.column("class").chunk(place).dictionary_encode() for place in range(3)])
    chunk = chunk.set_column(2, "class", coded)
    assert {1: said(GOOD | {"class": "c"}), 2: said(GOOD | {"class": None})} == found(chunk)


def test_a_column_without_a_type_is_missing_throughout() -> None:
    """Where nothing was ever written, the file knows no type."""
    chunk = table({"country": None, "pay per hour": None}, country=pa.null(), **{"pay per hour": pa.null()})
    assert {} == found(chunk)


def test_a_text_in_a_csv_number_rejects_its_row_alone() -> None:
    """Spaces around a number are nothing, a text is told as the service tells it."""
    texts = ["39", " 40 ", "+41", "4.2e1", "abc", "0x10", "", None, "101", "inf", "nan", " "]
    chunk = table(*[{"age": text} for text in texts], age=pa.string())
    wrong = {4: "abc", 5: "0x10", 6: None, 7: None, 8: 101, 9: "inf", 10: "nan", 11: None}
    assert {row: said(GOOD | {"age": value}) for row, value in wrong.items()} == found(chunk)
    first = columns_of(chunk, INPUTS)["age"]
    assert isinstance(first, Numbers)
    assert [39, 40, 41, 42] == first.values[:4].tolist()


CELLS = [
    "20", "nan", "NaN", "inf", "-inf", "+nan", " nan ", "1e400", "-1e400", "1e-400", "0x10", "1_000", "", " ", "abc",
    "+21", " 22\t", "022", "23.", ".5", "2.5e1", "1e", "\u0662\u0660", "20\u2003", "Infinity", "nan(1)",
]  # fmt: skip
LETTERS = st.text("0123456789+-.eE_xnaif ", max_size=6)


def outcome(name: str, texts: list[str]) -> list[object]:
    """What becomes of each cell of a CSV column: its number, or the sentence that refuses its row."""
    chunk = table(*[{name: text or None} for text in texts], **{name: pa.string()})
    columns, wrong = columns_of(chunk, INPUTS), found(chunk)
    return [wrong.get(row, columns[name].value(row)) for row in range(len(texts))]


def mlflows(name: str, text: str) -> object:
    """What becomes of the cell by /invocations."""
    cells = {key: "" if key == "country" else str(value) for key, value in GOOD.items()} | {name: text}
    body = "\r\n".join(",".join(part) for part in (cells.keys(), cells.values()))
    try:
        columns = rows.from_columns(csv_columns(body.encode(), frozenset(["age", "pay per hour"])), "the CSV")
    except BadRequest as refused:
        return refused.field, str(refused).removeprefix("row 0: ")
    return columns[list(GOOD).index(name)][0]


@pytest.mark.parametrize("name", ["age", "pay per hour"])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(CELLS) | LETTERS, min_size=1, max_size=9))
def test_what_becomes_of_a_cell_does_not_hang_on_its_neighbours(name, texts) -> None:
    """A chunk ends where it may, and a job that goes on must find the same; /invocations says the same as well."""
    alone = [outcome(name, [text])[0] for text in texts]
    assert alone == outcome(name, texts)
    assert alone == [mlflows(name, text) for text in texts]


@pytest.mark.parametrize("other", ["20", "abc", "", "nan", "1e400"])
@pytest.mark.parametrize("text", ["nan", "NaN", "+nan", " nan ", "inf", "-inf", "0x10", "1_000"])
def test_a_word_for_no_number_rejects_its_row_whatever_stands_beside_it(text, other) -> None:
    """It is a text, also where a missing number is taken: missing is an empty cell."""
    refused = ("pay per hour", "pay per hour: Expected `float | null`, got `str`")
    assert refused == outcome("pay per hour", [other, text])[1]


def test_a_text_that_is_no_utf_8_is_a_sentence() -> None:
    """Such a file was written wrongly as a whole."""
    broken = pa.array([b"\xff"], pa.binary()).view(pa.string())
    chunk = table({}).set_column(2, "class", broken)
    with pytest.raises(InputError, match="column class holds a text that is no UTF-8"):
        found(chunk)
