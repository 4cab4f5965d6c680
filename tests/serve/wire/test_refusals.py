"""A table of bad requests: each is refused by the same status and sentence, and never by a traceback."""

import codecs
import gzip
import json

import httpx
import pytest

ROW = {
    "age": 30, "workclass": "Private", "education_num": 13, "marital_status": "Never-married", "occupation": None,
    "relationship": "Not-in-family", "capital_gain": 0, "capital_loss": 0, "hours_per_week": 40,
    "native_country": "United-States",
}  # fmt: skip
TEXT = json.dumps(ROW)
COLUMNS = {name: [value, value] for name, value in ROW.items()}
SPLIT = {"columns": list(ROW), "data": [list(ROW.values())]}
WITHOUT = {name: value for name, value in ROW.items() if name != "age"}
LEFT_OUT = {name: value for name, value in ROW.items() if name != "occupation"}
P, M, V, A, K = "/predict", "/invocations", "/vertex/predict", "/score", "/v2/models/income/infer"
HEAD = "age,workclass,education_num,marital_status,occupation,relationship,capital_gain,capital_loss,hours_per_week"
CSV = HEAD + ",native_country\n30,Private,13,Never-married,,Not-in-family,0,0,40,Peru\n"
ENUM = "Invalid enum value"
ONE_OF = "the body must hold exactly one of dataframe_records, dataframe_split, instances, inputs"
MEDIA = "the body must be application/json or text/csv"


def with_text(old: str, new: str) -> bytes:
    assert old in TEXT
    return TEXT.replace(old, new).encode()


def tensors(**changed: object) -> dict:
    listed = [
        {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(value, str | None) else "FP32", "data": [value]}
        for name, value in ROW.items()
    ]
    return {"inputs": [listed[0] | changed, *listed[1:]]}


OUT_OF = "the body is no JSON: "
WIDE = OUT_OF + "it is in UTF-16 or UTF-32; send UTF-8"
# path, body (bytes as they are, else written as JSON), status, the whole sentence
BAD = {
    "nothing": (P, b"", 400, OUT_OF + "Input data was truncated"),
    "half": (P, b'{"age": 1', 400, OUT_OF + "Input data was truncated"),
    "two bodies": (P, b"{}{}", 400, OUT_OF + "JSON is malformed: trailing characters (byte 3)"),
    "no text": (P, b"\xff{}", 400, OUT_OF + "JSON is malformed: invalid character (byte 0)"),
    "Latin-1": (P, TEXT.replace("Private", "é").encode("latin-1"), 400, OUT_OF + "a text in it is not in UTF-8"),
    "UTF-16": (P, TEXT.encode("utf-16"), 400, WIDE),
    "UTF-16, the other end first": (P, codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), 400, WIDE),
    "UTF-16 without a mark": (P, TEXT.encode("utf-16-le"), 400, WIDE),
    "UTF-32": (P, TEXT.encode("utf-32"), 400, WIDE),
    "UTF-32, the other end first": (P, TEXT.encode("utf-32-be"), 400, WIDE),
    "zstd": (P, b"\x28\xb5\x2f\xfd\x04", 400, OUT_OF + "it is compressed by zstd; send it as it is"),
    "a byte order mark": (P, TEXT.encode("utf-8-sig"), 400,
                          OUT_OF + "it begins with a byte order mark; send it without"),
    "gzip": (P, gzip.compress(TEXT.encode()), 400, OUT_OF + "it is compressed by gzip; send it as it is"),
    "broken UTF-8": (P, with_text("Peru" if "Peru" in TEXT else "Private", "Priv\\ud800ate"), 400, None),
    "NaN": (P, with_text('"age": 30', '"age": NaN'), 400, OUT_OF + "JSON is malformed: invalid character (byte 8)"),
    "Infinity": (P, with_text("30", "Infinity"), 400, OUT_OF + "JSON is malformed: invalid character (byte 8)"),
    "minus Infinity": (P, with_text("30", "-Infinity"), 400, OUT_OF + "JSON is malformed: invalid character (byte 9)"),
    "a leading zero": (P, with_text("30", "030"), 400, OUT_OF + "JSON is malformed: invalid number (byte 9)"),
    "hexadecimal": (P, with_text("30", "0x1e"), 400, None),
    "a comment": (P, with_text("30", "30 /* years */"), 400, None),
    "a trailing comma": (P, TEXT[:-1].encode() + b",}", 400, None),
    "single quotes": (P, TEXT.replace('"', "'").encode(), 400, None),
    "deep nesting": (P, b'{"age":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, None),
    "a list": (P, [ROW], 422, "Expected `object`, got `array`"),
    "a number": (P, 7, 422, "Expected `object`, got `int`"),
    "a text": (P, "row", 422, "Expected `object`, got `str`"),
    "null": (P, None, 422, "Expected `object`, got `null`"),
    "an empty object": (P, {}, 422, "Object missing required field `age`"),
    "a missing field": (P, WITHOUT, 422, "Object missing required field `age`"),
    "a field left out that may be null": (P, LEFT_OUT, 422, "Object missing required field `occupation`"),
    "an extra field": (P, ROW | {"more": 1}, 422, "Object contains unknown field `more`"),
    "a hidden field": (P, ROW | {"sex": "Male"}, 422, "Object contains unknown field `sex`"),
    "a name in capitals": (P, WITHOUT | {"AGE": 30}, 422, None),
    "a name twice": (P, with_text('"age": 30', '"age": 30, "age": 31'), 422,
                     "age: the name stands twice in one object"),
    "a name twice, once escaped": (P, with_text('"age": 30', '"age": 30, "\\u0061ge": 31'), 422,
                                   "age: the name stands twice in one object"),
    "too low": (P, ROW | {"age": 16}, 422, "age: Expected `float` >= 17.0"),
    "too high": (P, ROW | {"age": 101}, 422, "age: Expected `float` <= 100.0"),
    "not whole": (P, ROW | {"age": 30.5}, 422, "age: Expected `float` that's a multiple of 1.0"),
    "almost whole": (P, with_text("30", "30.000000000000004"), 422, "age: Expected `float` that's a multiple of 1.0"),
    "a number as text": (P, ROW | {"age": "30"}, 422, "age: Expected `float`, got `str`"),
    "a flag": (P, ROW | {"age": True}, 422, "age: Expected `float`, got `bool`"),
    "a number in a list": (P, ROW | {"age": [30]}, 422, "age: Expected `float`, got `array`"),
    "null where it may not be": (P, ROW | {"age": None}, 422, "age: Expected `float`, got `null`"),
    "beyond 64 bits": (P, ROW | {"age": 2**70}, 422, "age: Expected `float` <= 100.0"),
    "a thousand digits": (P, with_text("30", "9" * 1000), 422, "age: Number out of range"),
    "beyond floats": (P, with_text("30", "1e400"), 422, "age: Number out of range"),
    "far below": (P, with_text("30", "-1e300"), 422, "age: Expected `float` >= 17.0"),
    "a value of no list": (P, ROW | {"workclass": "Astronaut"}, 422, f"workclass: {ENUM} 'Astronaut'"),
    "another case": (P, ROW | {"workclass": "private"}, 422, f"workclass: {ENUM} 'private'"),
    "a space behind": (P, ROW | {"workclass": "Private "}, 422, f"workclass: {ENUM} 'Private '"),
    "an empty value": (P, ROW | {"workclass": ""}, 422, f"workclass: {ENUM} ''"),
    "a number for a value": (P, ROW | {"workclass": 4}, 422, None),
    "an empty text": (P, ROW | {"native_country": ""}, 422, "native_country: Expected `str` of length >= 1"),
    "too long a text": (P, ROW | {"native_country": "x" * 201}, 422, "native_country: Expected `str` of length <= 200"),
    "no rows": (P, {"records": []}, 422, "'records' holds no row"),
    "records that are none": (P, {"records": 3}, 422, "'records' is no list of rows"),
    "records beside a field": (P, {"records": [ROW], "age": 3}, 422, "unknown field 'age' beside 'records'"),
    "records and columns": (P, {"records": [ROW], "columns": COLUMNS}, 422, "unknown field 'columns' beside 'records'"),
    "a row that is none": (P, {"records": [ROW, 7]}, 422, "row 1: Expected `object`, got `int`"),
    "the second row": (P, {"records": [ROW, ROW | {"age": 3}]}, 422, "row 1: age: Expected `float` >= 17.0"),
    "the second row's field": (P, {"records": [ROW, WITHOUT]}, 422, "row 1: Object missing required field `age`"),
    "too many rows": (P, {"records": [{}] * 10_001}, 422, "'records' holds 10001 rows, at most 10000 are taken"),
    "columns that are none": (P, {"columns": []}, 422, "'columns' is no object of columns"),
    "a column too few": (P, {"columns": {"age": [1]}}, 422, "'columns' lacks column 'workclass'"),
    "a column too many": (P, {"columns": COLUMNS | {"more": [1, 2]}}, 422, "'columns' holds unknown column 'more'"),
    "a short column": (P, {"columns": COLUMNS | {"age": [30]}}, 422,
                       "'columns' holds columns of 1 to 2 rows; they must be alike"),
    "columns of nothing": (P, {"columns": {name: [] for name in ROW}}, 422, "'columns' holds no row"),
    "a bad value in a column": (P, {"columns": COLUMNS | {"age": [30, 5]}}, 422,
                                "row 1: age: Expected `float` >= 17.0"),
    "a column that is none": (P, {"columns": COLUMNS | {"age": 30}}, 422, "age: Expected `array`, got `int`"),
    "MLflow: gzip": (M, gzip.compress(TEXT.encode()), 400, OUT_OF + "it is compressed by gzip; send it as it is"),
    "MLflow: half": (M, b"{", 400, OUT_OF + "Input data was truncated"),
    "MLflow: a list": (M, [ROW], 400, "the body is no JSON object"),
    "MLflow: a bare row": (M, ROW, 400, ONE_OF),
    "MLflow: two forms": (M, {"instances": [ROW], "inputs": [ROW]}, 400, ONE_OF),
    "MLflow: params": (M, {"inputs": [ROW], "params": {"x": 1}}, 400, "params: this model takes none"),
    "MLflow: an unknown name": (M, {"inputs": [ROW], "more": 1}, 400, "unknown field 'more'"),
    "MLflow: no split": (M, {"dataframe_split": [ROW]}, 400,
                         "'dataframe_split' must be an object of columns and data"),
    "MLflow: a column twice": (M, {"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, 400,
                               "'dataframe_split': a column is named twice"),
    "MLflow: a short row": (M, {"dataframe_split": SPLIT | {"data": [[1]]}}, 400, "row 0: it is no list of 10 values"),
    "MLflow: a bad value": (M, {"dataframe_records": [ROW | {"age": 3}]}, 400, "row 0: age: Expected `float` >= 17.0"),
    "MLflow: a name twice": (M, b'{"dataframe_records": [' + with_text('"age": 30', '"age": 30, "age": 31') + b"]}",
                             400, "age: the name stands twice in one object"),
    "CSV: nothing": (M, (b"", "text/csv"), 400, "the body is no CSV: it holds no line of names"),
    "CSV: names alone": (M, (CSV.splitlines()[0].encode(), "text/csv"), 400, "'the CSV' holds no row"),
    "CSV: a cell too few": (M, (CSV.replace(",Peru", "").encode(), "text/csv"), 400, "row 0: it has 9 cells, not 10"),
    "CSV: no number": (M, (CSV.replace("30,", "thirty,").encode(), "text/csv"), 400,
                       "row 0: age: Expected `float`, got `str`"),
    "CSV: NaN": (M, (CSV.replace("30,", "NaN,").encode(), "text/csv"), 400, "row 0: age: Expected `float`, got `str`"),
    "CSV: a column missing": (M, (b"age\n30\n", "text/csv"), 400, "'the CSV' lacks column 'workclass'"),
    "CSV: no text": (M, (b"\xff\xfe", "text/csv"), 400, None),
    "an unknown type": (M, (TEXT.encode(), "application/xml"), 415, MEDIA),
    "another charset": (M, (TEXT.encode(), "application/json; charset=latin-1"), 415,
                        "the body must be UTF-8, and its type have no parameter but charset"),
    "Vertex: nothing": (V, {}, 400, "the body must hold instances"),
    "Vertex: parameters": (V, {"instances": [ROW], "parameters": {"x": 1}}, 400, "parameters: this model takes none"),
    "Vertex: no rows": (V, {"instances": []}, 400, "'instances' holds no row"),
    "Azure: nothing": (A, {}, 400, "the body must hold input_data"),
    "Azure: a bad value": (A, {"input_data": [ROW | {"age": 3}]}, 400, "row 0: age: Expected `float` >= 17.0"),
    "V2: no inputs": (K, {}, 400, "inputs must be a list of tensors"),
    "V2: a tensor missing": (K, {"inputs": tensors()["inputs"][1:]}, 400, "'inputs' lacks column 'age'"),
    "V2: a tensor twice": (K, {"inputs": tensors()["inputs"][:1] * 2}, 400, "age: the tensor is there twice"),
    "V2: an unknown tensor": (K, tensors(name="AGE"), 400, "inputs: 'AGE' is no input of the model"),
    "V2: a wrong type": (K, tensors(datatype="BYTES"), 400, "age: datatype must be a number as FP32"),
    "V2: a list for a type": (K, tensors(datatype=["FP32"]), 400, "age: datatype must be a number as FP32"),
    "V2: an object for a type": (K, tensors(datatype={}), 400, "age: datatype must be a number as FP32"),
    "V2: a wrong shape": (K, tensors(shape=[2]), 400, "age: shape must be [1] or [1, 1], as many as data holds"),
    "V2: a bad value": (K, tensors(data=[3]), 400, "row 0: age: Expected `float` >= 17.0"),
    "V2: an unknown output": (K, tensors() | {"outputs": [{"name": "x"}]}, 400,
                              "outputs: 'x' is none of label, probabilities"),
    "V2: an id of another kind": (K, tensors() | {"id": 7}, 400, "id must be a text"),
}  # fmt: skip


def post(service: str, path: str, body: object) -> httpx.Response:
    kind = "application/json"
    if isinstance(body, tuple):
        body, kind = body
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(service + path, content=content, headers={"content-type": kind})


@pytest.mark.parametrize(("path", "body", "status", "sentence"), BAD.values(), ids=BAD.keys())
def test_a_bad_request_is_refused_in_its_protocols_words(service, path, body, status, sentence) -> None:
    """Status and sentence, in the form in which the protocol's clients look for them."""
    answer = post(service, path, body)
    assert status == answer.status_code, answer.text
    key = {P: "detail", M: "message"}.get(path, "error")
    said = answer.text if status == 415 else answer.json()[key]
    assert said
    assert "Traceback" not in said
    if sentence is not None:
        assert sentence == said


def test_the_table_is_long_enough_and_its_good_twins_pass(service) -> None:
    """Sixty rows at least; the row, columns, tensors and CSV that they spoil are answered."""
    assert len(BAD) >= 60
    for path, body in (
        (P, ROW), (P, {"columns": COLUMNS}), (M, {"dataframe_split": SPLIT}), (M, (CSV.encode(), "text/csv")),
        (V, {"instances": [ROW]}), (A, {"input_data": [ROW]}), (K, tensors()),
    ):  # fmt: skip
        assert 200 == post(service, path, body).status_code


def test_a_bad_body_fails_alone(service) -> None:
    """Among many at once, the bad ones are refused and the good ones answered, each with its own."""
    import asyncio

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=service) as client:
            bodies = [ROW | {"age": 17 + place if place % 3 else 3} for place in range(60)]
            return await asyncio.gather(*(client.post(P, json=body) for body in bodies))

    answers = asyncio.run(ask())
    assert [200 if place % 3 else 422 for place in range(60)] == [answer.status_code for answer in answers]
    alone = [post(service, P, ROW | {"age": 17 + place}).content for place in range(60) if place % 3]
    assert alone == [answer.content for place, answer in enumerate(answers) if place % 3]
