"""The request is typed by the contract: what breaks it is named by field and row."""

import json

import msgspec
import pytest

from serve.rows import BadRequest, Rows

INPUTS = [
    {"name": "age", "type": "number", "low": 17, "high": 100, "integer": True, "missing": False},
    {"name": "pay per hour", "type": "number", "low": 0.5, "high": 99.5, "integer": False, "missing": True},
    {"name": "class", "type": "category", "values": ["a", "b"], "missing": False, "unseen": "reject"},
    {"name": "country", "type": "category", "values": ["x"], "missing": True, "unseen": "other"},
]
GOOD = {"age": 17, "pay per hour": 1.25, "class": "a", "country": "x"}
rows = Rows(INPUTS, max_rows=3)


def ask(body: object) -> tuple[dict[str, list[object]], bool]:
    return rows.decode(body if isinstance(body, bytes) else json.dumps(body).encode())


def test_one_row_becomes_columns() -> None:
    """One row is the body itself; names that are no Python names are kept."""
    assert ({"age": [17], "pay per hour": [1.25], "class": ["a"], "country": ["x"]}, False) == ask(GOOD)


def test_many_rows_become_columns() -> None:
    """Many rows come under `records`, in order; null is missing."""
    second = GOOD | {"age": 18, "country": None}
    assert (
        {"age": [17, 18], "pay per hour": [1.25, 1.25], "class": ["a", "a"], "country": ["x", None]},
        True,
    ) == ask({"records": [GOOD, second]})


def test_the_order_of_keys_is_irrelevant() -> None:
    """Turned round, it is the same row."""
    assert ask(dict(reversed(GOOD.items()))) == ask(GOOD)


@pytest.mark.parametrize("age", [b"39.0", b"3.9e1", b"39"])
def test_a_whole_number_may_be_written_as_a_float(age) -> None:
    """39.0 is 39: a client's column with a gap in it holds such."""
    body = json.dumps(GOOD).encode().replace(b'"age": 17', b'"age": ' + age)
    assert [39.0] == ask(body)[0]["age"]


def test_an_unseen_value_follows_the_contract() -> None:
    """`other` takes it, `reject` does not."""
    assert ["nowhere"] == ask(GOOD | {"country": "nowhere"})[0]["country"]
    with pytest.raises(BadRequest, match="class"):
        ask(GOOD | {"class": "c"})


WRONG = {
    "too low": (GOOD | {"age": 16}, 422, "age", None),
    "too high": (GOOD | {"age": 101}, 422, "age", None),
    "not whole": (GOOD | {"age": 20.5}, 422, "age", None),
    "a text": (GOOD | {"age": "20"}, 422, "age", None),
    "a flag": (GOOD | {"age": True}, 422, "age", None),
    "null where declared": (GOOD | {"age": None}, 422, "age", None),
    "beyond 64 bits": (GOOD | {"age": 2**70}, 422, "age", None),
    "a float too high": (GOOD | {"pay per hour": 1e300}, 422, "pay per hour", None),
    "an empty text": (GOOD | {"country": ""}, 422, "country", None),
    "a missing field": ({name: GOOD[name] for name in GOOD if name != "class"}, 422, "class", None),
    "an omitted field that may be null": (
        {name: GOOD[name] for name in GOOD if name != "country"},
        422,
        "country",
        None,
    ),
    "an extra field": (GOOD | {"more": 1}, 422, "more", None),
    "the second row": ({"records": [GOOD, GOOD | {"age": 3}]}, 422, "age", 1),
    "a row that is none": ({"records": [GOOD, 7]}, 422, None, 1),
    "no rows": ({"records": []}, 422, None, None),
    "records that are none": ({"records": 3}, 422, None, None),
    "too many rows": ({"records": [GOOD] * 4}, 422, None, None),
    "a field beside records": ({"records": [GOOD], "age": 3}, 422, "age", None),
    "a list": ([GOOD], 422, None, None),
    "a number": (7, 422, None, None),
    "nothing": (b"", 400, None, None),
    "half": (b'{"age": 1', 400, None, None),
    "NaN": (b'{"age": NaN}', 400, None, None),
    "Infinity": (b'{"age": Infinity}', 400, None, None),
    "no text": (b"\xff\xfe{}", 400, None, None),
    "deep nesting": (b'{"age":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None, None),
}


@pytest.mark.parametrize(("body", "status", "field", "row"), WRONG.values(), ids=WRONG.keys())
def test_a_bad_row_is_named(body, status, field, row) -> None:
    """Status, field and row of each kind of bad request."""
    with pytest.raises(BadRequest) as caught:
        ask(body)
    error = caught.value
    assert (error.status, error.field, error.row) == (status, field, row), str(error)
    assert field is None or field in str(error)


def test_the_row_type_has_a_json_schema() -> None:
    """What is decoded and what is documented come from one type."""
    [_], parts = msgspec.json.schema_components([rows.row_type])
    assert parts["Row"]["required"] == list(GOOD)


FOLDING = [
    {
        "name": "class",
        "type": "category",
        "values": ["First class", "b"],
        "missing": True,
        "unseen": "reject",
        "fold": True,
    },
    {"name": "town", "type": "category", "values": ["x"], "missing": False, "unseen": "other", "fold": True},
]


@pytest.mark.parametrize("spelling", ["First class", " first  CLASS ", "FIRST\tclass", None])
def test_case_and_spaces_do_not_matter_where_the_contract_says_so(spelling) -> None:
    """A folded category takes any spelling of a declared value."""
    body = json.dumps({"class": spelling, "town": "Y"}).encode()
    assert [spelling] == Rows(FOLDING, max_rows=3).decode(body)[0]["class"]


def test_a_folded_category_is_still_closed() -> None:
    """Another spelling is taken, another value is not."""
    good = {"class": "B", "town": "x"}
    with pytest.raises(BadRequest) as refused:
        Rows(FOLDING, max_rows=3).decode(json.dumps({"records": [good, good | {"class": "c"}]}).encode())
    assert (422, "class", 1) == (refused.value.status, refused.value.field, refused.value.row)
