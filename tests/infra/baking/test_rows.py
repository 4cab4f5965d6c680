"""Rows to replay: recorded ones as they were, made-up ones as the contract allows and the training rows lay."""

import itertools
import json
from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from infra.baking.rows import made_up, recorded
from serve.rows import Rows
from validation.script import Refusal

INPUTS = [
    {"name": "age", "type": "number", "low": 17, "high": 100, "integer": True, "missing": False, "unit": "years"},
    {"name": "size", "type": "number", "low": 0.5, "high": 2, "integer": False, "missing": True, "unit": "m"},
    {"name": "town", "type": "category", "values": ["a", "b", "c"], "missing": True, "unseen": "reject", "fold": False},
]
DRIFT = {
    "columns": {
        "age": {"edges": [28.0, 50.5], "counts": [100, 300, 0], "missing": 0},
        "size": {"edges": [1.0], "counts": [100, 200], "missing": 100},
        "town": {"counts": {"a": 300}, "other": 100, "missing": 0},
    }
}


@pytest.fixture
def model(tmp_path):
    """A folder of a model, without the model."""
    for name, content in (
        ("contract", {"inputs": INPUTS}),
        ("golden", {"rows": [{"age": 17, "size": None, "town": "c"}]}),
        ("drift", DRIFT),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_made_up_rows_keep_the_contract_and_lie_as_training_rows_did(model) -> None:
    """Golden rows come first; what no training row held is not drawn, rare values share their count."""
    rows = list(itertools.islice(made_up(model, 3), 4001))
    assert {"age": 17, "size": None, "town": "c"} == rows[0]
    Rows(INPUTS, 10_000).from_rows(rows, "rows")
    drawn = pd.DataFrame(rows[1:])
    assert 28 <= drawn.age[drawn.age > 27].min() <= drawn.age.max() <= 50
    assert abs((drawn.age < 28).mean() - 0.25) < 0.03
    assert abs(drawn["size"].isna().mean() - 0.25) < 0.03
    towns = Counter(drawn.town)
    assert {"a", "b", "c"} == set(towns)
    assert abs(towns["a"] / 4000 - 0.75) < 0.03
    assert np.isfinite(drawn["size"].dropna()).all()


def test_the_same_seed_gives_the_same_rows(model) -> None:
    """And another one others."""
    one, again, other = (list(itertools.islice(made_up(model, seed), 50)) for seed in (1, 1, 2))
    assert one == again != other


def test_the_example_is_made_up_within_its_contract(chain) -> None:
    """Every row that is drawn for the bundled example is one that its service takes."""
    folder = chain.root / "build/model/model"
    inputs = json.loads((folder / "contract.json").read_text())["inputs"]
    Rows(inputs, 10_000).from_rows(list(itertools.islice(made_up(folder, 1), 3000)), "rows")


FRAME = pd.DataFrame({"age": [39.0, 50.0], "size": [np.nan, 1.5], "town": ["a", None], "label": ["x", "y"]})
WANTED = [{"age": 39.0, "size": None, "town": "a"}, {"age": 50.0, "size": 1.5, "town": None}]
NAMES = ("age", "size", "town")


def test_a_log_is_read_as_it_was_shipped(tmp_path) -> None:
    """A folder of Parquet files, or one of them; what the model does not take is left out, NaN is missing."""
    place = tmp_path / "predictions/date=2026-11-26"
    place.mkdir(parents=True)
    FRAME[:1].to_parquet(place / "a.parquet")
    FRAME[1:].to_parquet(place / "b.parquet")
    assert WANTED == list(recorded(tmp_path / "predictions", NAMES))
    assert WANTED[:1] == list(recorded(place / "a.parquet", NAMES))


def test_lines_of_json_are_read(tmp_path) -> None:
    """One row a line."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row | {"id": 1}) + "\n" for row in WANTED))
    assert WANTED == list(recorded(tmp_path / "rows.jsonl", NAMES))


def test_what_holds_no_rows_of_this_model_is_a_sentence(tmp_path) -> None:
    """Nothing there, another kind of file, a lost column, a broken line: said before, or at the line."""
    FRAME.drop(columns="town").to_parquet(tmp_path / "less.parquet")
    (tmp_path / "broken.parquet").write_text("no")
    (tmp_path / "rows.csv").write_text("age\n")
    (tmp_path / "broken.jsonl").write_text('{"age": 1, "size": 1, "town": "a"}\n{"age": 1}\n')
    for name, said in (
        ("nothing", "holds no recorded requests"),
        ("rows.csv", "holds no recorded requests"),
        ("less.parquet", "lacks column town"),
        ("broken.parquet", "cannot be read as Parquet"),
    ):
        with pytest.raises(Refusal, match=said):
            recorded(tmp_path / name, NAMES)
    with pytest.raises(Refusal, match="line 2 is no row of this model"):
        list(recorded(tmp_path / "broken.jsonl", NAMES))


@pytest.mark.parametrize(
    "line",
    [b'{"age": 1, "size": 1, "town": "\\ud800"}', b'{"age": [NaN], "size": 1, "town": "a"}', b"[" * 100_000, b"5",
     b'{"age": 1, "size": 1, "town": "M\xfcller"}', b""],
    ids=["half a sign", "a list", "deep", "a number", "Latin-1", "empty"],
)  # fmt: skip
def test_a_line_that_no_request_could_hold_is_named_without_its_values(tmp_path, line) -> None:
    """The lines before it are rows."""
    (tmp_path / "rows.jsonl").write_bytes(json.dumps(WANTED[0]).encode() + b"\n" + line + b"\n")
    rows = recorded(tmp_path / "rows.jsonl", NAMES)
    assert WANTED[0] == next(rows)
    with pytest.raises(Refusal, match=r"rows\.jsonl, line 2 is no row of this model: it is no object of numbers and"):
        next(rows)


def test_a_column_of_decimals_is_one_of_numbers_and_one_of_lists_none(tmp_path) -> None:
    """As a database writes prices; what no request could hold is named before anything is sent."""
    frame = pd.DataFrame({"age": [17, 18], "size": [Decimal("1.50"), None], "town": pd.Categorical(["a", "b"])})
    frame.to_parquet(tmp_path / "good.parquet")
    wanted = [{"age": 17, "size": 1.5, "town": "a"}, {"age": 18, "size": None, "town": "b"}]
    rows = list(recorded(tmp_path / "good.parquet", NAMES))
    assert (wanted, float) == (rows, type(rows[0]["size"]))
    for column in ([[1], [2]], [pd.Timestamp("2026-01-01")] * 2, [b"1", b"2"]):
        frame.assign(size=column).to_parquet(tmp_path / "bad.parquet")
        with pytest.raises(Refusal, match=r"bad\.parquet: column size holds .*, and a request holds numbers and texts"):
            recorded(tmp_path / "bad.parquet", NAMES)
