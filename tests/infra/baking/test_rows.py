"""Rows to replay: recorded ones as they were, made-up ones as the contract allows and the training rows lay."""

import itertools
import json
import random
import re
import tracemalloc
from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.baking.rows import made_up, must_hold_rows, recorded
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
    with pytest.raises(Refusal, match="line 2 is no row of this model: it lacks 'size'; mend the line or drop it"):
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


ROWS = 3000
WHOLE = pd.DataFrame(
    {
        "age": np.arange(ROWS) % 80 + 17.0,
        "size": np.random.default_rng(1).normal(size=ROWS),
        "town": [("a", "bb", "Münster")[n % 3] for n in range(ROWS)],
    }
)
WRITTEN = {
    "plain": {"compression": "none", "use_dictionary": False},
    "dictionary": {"compression": "none"},
    "snappy": {"compression": "snappy"},
    "gzip": {"compression": "gzip"},
    "zstd": {"compression": "zstd"},
    "brotli": {"compression": "brotli"},
    "lz4": {"compression": "lz4"},
    "second version": {"compression": "snappy", "data_page_version": "2.0"},
}


def write(file, **how):
    """Write two row groups; return the bytes, and where their pages end."""
    pq.write_table(pa.Table.from_pandas(WHOLE), file, row_group_size=2000, **how)
    content = file.read_bytes()
    return content, len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def damaged(content, end, chance):
    """Flip a bit, lay zeros or ones over some bytes, or cut some out, before the footer."""
    start = chance.randrange(4, end)
    stop = min(end, start + chance.randrange(1, 300))
    flipped = bytes([content[start] ^ 1 << chance.randrange(8)])
    middle = chance.choice([flipped + content[start + 1 : stop], bytes(stop - start), b"\xff" * (stop - start), b""])
    return content[:start] + middle + content[stop:]


@pytest.mark.parametrize("how", WRITTEN.values(), ids=WRITTEN.keys())
def test_damaged_pages_are_a_sentence(tmp_path, how) -> None:
    """Whole files give their rows; of a good footer over broken pages nothing but a refusal comes, or all the rows.

    Where pages have no checksum, bytes that still decode are values like any others.
    """
    file, chance = tmp_path / "rows.parquet", random.Random(7)
    content, end = write(file, **how)
    assert ROWS == sum(1 for _ in recorded(file, NAMES))
    told = []
    for _ in range(60):
        file.write_bytes(damaged(content, end, chance))
        try:
            assert ROWS == sum(1 for _ in recorded(file, NAMES))
        except Refusal as error:
            told.append(str(error))
    assert len(told) >= 10
    sentence = (
        r".*rows\.parquet, behind row (0|1000|2000), cannot be read as Parquet: .+; name a file that is whole, or .*"
    )
    assert [] == [one for one in told if not re.fullmatch(sentence, one)]


@pytest.mark.parametrize("how", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_checksum_tells_every_damage(tmp_path, how) -> None:
    """Where the file has them, no changed value passes for a row."""
    file = tmp_path / "rows.parquet"
    content, end = write(file, write_page_checksum=True, **how)
    assert ROWS == sum(1 for _ in recorded(file, NAMES))
    for place in range(end // 2, end // 2 + 20):  # within the first pages' values, or the second's header
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(Refusal, match=r"rows\.parquet, behind row \d+, cannot be read as Parquet"):
            list(recorded(file, NAMES))


@pytest.mark.parametrize("how", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_column_chunk_that_is_cut_off_is_a_sentence(tmp_path, how) -> None:
    """The footer is whole, and points beyond what is there."""
    file = tmp_path / "rows.parquet"
    content, end = write(file, **how)
    file.write_bytes(content[: end - 500] + content[end:])
    with pytest.raises(Refusal, match=r"rows\.parquet, behind row \d+, cannot be read as Parquet"):
        list(recorded(file, NAMES))


def test_a_text_that_is_none_is_named_with_its_place(tmp_path) -> None:
    """Latin-1 where the schema says UTF-8."""
    texts = pa.array([b"a", b"M\xfcller"], pa.binary()).view(pa.string())
    table = pa.table({"age": [17.0, 18.0], "size": [1.0, 2.0], "town": texts})
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(
        Refusal, match=r"behind row 0, cannot be read as Parquet: column town: Invalid UTF8 .* index 1;"
    ):
        list(recorded(tmp_path / "rows.parquet", NAMES))


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "folder"])
def test_a_file_without_a_row_is_said_to_be_one(tmp_path, model, kind) -> None:
    """An empty file replays nothing of what was asked for; one empty file beside others is no harm."""
    place = tmp_path / f"rows.{kind}"
    if kind == "folder":
        place.mkdir()
        FRAME[:0].to_parquet(place / "a.parquet")
    elif kind == "parquet":
        FRAME[:0].to_parquet(place)
    else:
        place.touch()
    with pytest.raises(Refusal, match=rf"rows\.{kind} holds no row; name recorded requests, or leave it out"):
        must_hold_rows(place, model, 10)
    if kind == "folder":
        FRAME.to_parquet(place / "b.parquet")
        must_hold_rows(place, model, 10)


def test_rows_are_looked_at_and_not_kept(tmp_path, model) -> None:
    """Of a long file little more than one batch is in memory, and nothing behind what may be replayed is read."""
    line = json.dumps(WANTED[1] | {"id": "x" * 1000}) + "\n"
    (tmp_path / "rows.jsonl").write_text(line * 45_000 + "rubbish\n")
    tracemalloc.start()
    must_hold_rows(tmp_path / "rows.jsonl", model, 45_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    with pytest.raises(Refusal, match=r"line 45001 is no row"):
        must_hold_rows(tmp_path / "rows.jsonl", model, 45_001)
