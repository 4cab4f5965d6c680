"""The split: duplicates stay together, grown data move nobody, the frozen part is kept."""

from dataclasses import replace

import fsspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.data import frozen, load, model_inputs, on_test_side, outcomes, row_digests, split
from train.source import data_digest
from validation.script import Refusal
from validation.words.columns import Binary, Category, Number
from validation.words.settings import Groups

SMALL = ("amount", "colour", "answer")
rows_of = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-1000, 1000), st.floats(-1000, 1000, allow_nan=False)),
        st.one_of(st.none(), st.sampled_from(["red", "green", "rot und grün", "\x1f", ""])),
        st.sampled_from(["yes", "no"]),
    ),
    min_size=1,
    max_size=30,
)


@pytest.fixture(scope="module")
def small(config):
    """A contract of two features."""
    features = (Number("amount", -1000, 1000, missing=True), Category("colour", ("red", "green"), missing=True))
    return replace(
        config, features=features, target=Binary("answer", "yes", "no"), sensitive=(), fairness=(), behaviour=(),
        dataset=config.dataset[:1], model=replace(config.model, reweigh_by=None), groups=Groups(100, 100),
    )  # fmt: skip


@given(rows=rows_of, more=rows_of)
def test_growth_moves_no_row(small, rows, more) -> None:
    """A row's digest, and so its side, is the same whatever else is in the table: nulls and types included."""
    before = row_digests(pd.DataFrame(rows, columns=SMALL), small)
    after = row_digests(pd.DataFrame(rows + more, columns=SMALL), small)
    assert before.tolist() == after.tolist()[: len(rows)]


@given(rows=rows_of)
def test_duplicates_fall_on_one_side(small, rows) -> None:
    """Exact repeats share a digest."""
    digests = row_digests(pd.DataFrame(rows + rows, columns=SMALL), small).tolist()
    assert digests[: len(rows)] == digests[len(rows) :]


def test_a_key_decides_alone(small) -> None:
    """With a key, the other values of a row may change without moving it."""
    keyed = replace(small, key=("amount",))
    frame = pd.DataFrame([(1, "red", "yes"), (2, "red", "no")], columns=SMALL)
    changed = frame.assign(colour="green", answer="no")
    assert row_digests(frame, keyed).tolist() == row_digests(changed, keyed).tolist()
    assert row_digests(frame, small).tolist() != row_digests(changed, small).tolist()


def test_a_third_judges(frame, config) -> None:
    """The share of the judging side is the one asked for; sides are disjoint and nothing is lost."""
    parts = split(frame, config)
    assert len(parts.train) + len(parts.test) + len(parts.window) == len(frame)
    assert not set(parts.train.index) & set(parts.test.index)
    assert pytest.approx(1 / 3, abs=0.01) == len(parts.test) / len(frame)


def test_new_rows_never_judge_before_a_freeze(frame, config) -> None:
    """Grown data: new rows are trained on or wait in the window; the frozen part stays as it is."""
    grown = pd.concat([frame, frame.head(300).assign(fnlwgt=1_999_999 - np.arange(300))], ignore_index=True)
    before, after = split(frame, config), split(grown, config)
    assert before.test.index.tolist() == after.test.index.tolist()
    assert len(after.window) > 0
    assert set(before.train.index) <= set(after.train.index)


def test_a_changed_test_row_is_refused(frame, config) -> None:
    """A row of the frozen part that is gone or changed cannot judge."""
    first = np.flatnonzero(on_test_side(row_digests(frame, config), config.split))[0]
    changed = frame.copy()
    changed.loc[first, "age"] = 18 if changed.loc[first, "age"] != 18 else 19
    with pytest.raises(Refusal, match=r"1 of the 16185 rows of the frozen test part"):
        split(changed, config)


def test_the_next_draw_takes_rows_that_have_not_judged(frame, config) -> None:
    """Draws share no row; after as many as there are shares, every row has judged once."""
    names = row_digests(frame, config)
    draws = [on_test_side(names, replace(config.split, draw=draw)) for draw in (1, 2, 3)]
    assert (np.sum(draws, axis=0) == 1).all()
    with pytest.raises(Refusal, match="draw must be a whole number from 1 to 3"):
        replace(config.split, draw=4)


def test_a_list_of_another_draw_is_refused(config) -> None:
    """The list that was frozen holds for its draw alone; the sentence names the way to a new one."""
    with pytest.raises(Refusal, match="begin a new test part by `make freeze`"):
        frozen(replace(config, split=replace(config.split, draw=2)))


def test_csv_and_parquet_are_the_same_rows(frame, config, tmp_path, monkeypatch) -> None:
    """The format changes no row's digest: numbers, texts and missing values read alike."""
    monkeypatch.setattr("train.source.ROOT", tmp_path)
    frame.head(3000).to_csv(tmp_path / "rows.csv", index=False)
    frame.head(3000).to_parquet(tmp_path / "rows.parquet")
    read = [row_digests(load(replace(config, data=name)), config).tolist() for name in ("rows.csv", "rows.parquet")]
    assert read[0] == read[1] == row_digests(frame.head(3000), config).tolist()


def test_data_by_url(frame, config) -> None:
    """Any scheme that fsspec knows will do, and what is not there is a sentence."""
    with fsspec.open("memory://rows.parquet", "wb") as file:
        frame.head(100).to_parquet(file)
    remote = replace(config, data="memory://rows.parquet")
    assert 100 == len(load(remote))
    assert 64 == len(data_digest(remote))
    with pytest.raises(Refusal, match="does not exist"):
        load(replace(config, data="memory://nowhere.parquet"))
    with pytest.raises(Refusal, match=r"one \.parquet or \.csv file"):
        load(replace(config, data="rows.xlsx"))
    with pytest.raises(Refusal):
        load(replace(config, data="nosuchscheme://rows.csv"))


def test_dictionary_columns_are_texts(frame, config, tmp_path, monkeypatch) -> None:
    """How a column was stored does not matter."""
    monkeypatch.setattr("train.source.ROOT", tmp_path)
    frame.head(100).astype({"workclass": "category"}).to_parquet(tmp_path / "rows.parquet")
    loaded = load(replace(config, data="rows.parquet"))
    assert row_digests(loaded, config).tolist() == row_digests(frame.head(100), config).tolist()


def test_a_folded_category_is_read_in_the_declared_spelling(frame, config, tmp_path, monkeypatch) -> None:
    """Case and spaces of the data do not matter where the contract says so; anything else stays as it is."""
    monkeypatch.setattr("train.source.ROOT", tmp_path)
    rows = frame.head(100).copy()
    rows["workclass"] = rows["workclass"].str.upper() + "  "
    rows.loc[0, "workclass"] = "elsewhere"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    features = tuple(replace(column, fold=True) if column.name == "workclass" else column for column in config.features)
    loaded = load(replace(config, data="rows.csv", features=features))
    assert ["elsewhere", *frame["workclass"].head(100)[1:].fillna("")] == loaded["workclass"].fillna("").tolist()


def test_the_model_sees_its_inputs_only(frame, config) -> None:
    """float32 and text, no hidden column, missing texts empty."""
    inputs = model_inputs(frame.head(100), config.inputs)
    assert list(inputs) == [column.name for column in config.inputs]
    assert inputs["age"].dtype == np.float32
    assert not inputs.isna().to_numpy().any()


def test_an_undeclared_label_is_refused(frame, config) -> None:
    """A label that the target does not declare is never scored as another."""
    assert set(outcomes(frame, config)) == {0.0, 1.0}
    with pytest.raises(Refusal, match="undeclared label"):
        outcomes(frame.head(5).assign(income="none"), config)


@pytest.mark.parametrize("content", [None, "", "not digests\n", "0123456789abcdef\n"])
def test_a_bad_list_of_test_rows_is_refused(workspace, content) -> None:
    """Without a frozen part, or with a broken list, nothing is fitted."""
    part = workspace.root / "data/test-part.txt"
    part.unlink()
    if content is not None:
        part.write_text(content)
    ran = workspace.run("train.fit")
    assert (2, "") == (ran.code, ran.out)
    assert "make freeze" in ran.err
    assert not (workspace.root / ".mlflow").exists()


def test_freezing_again_changes_nothing(workspace) -> None:
    """The recorded files are those that `make freeze` makes."""
    names = ("data/test-part.txt", "data/reference.json")
    before = [(workspace.root / name).read_bytes() for name in names]
    assert 0 == workspace.run("train.init", "freeze").code
    assert [(workspace.root / name).read_bytes() for name in names] == before


def test_a_list_changed_by_hand_is_refused(workspace) -> None:
    """Rows taken out of the frozen part, or put into it, are noticed: its first line seals the others."""
    part = workspace.root / "data/test-part.txt"
    lines = part.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:1] + lines[2:]))
    ran = workspace.run("train.fit")
    assert (2, "") == (ran.code, ran.out)
    assert "changed by hand" in ran.err


def test_another_share_is_another_test_part(workspace) -> None:
    """SPLIT belongs to the list: a changed share asks for a new freeze."""
    workspace.change("config.py", "test_share=1 / 3", "test_share=1 / 4")
    assert "make freeze" in workspace.run("train.fit").err


def test_minus_nought_is_nought(small) -> None:
    """Rows that pandas takes for duplicates share a digest."""
    frame = pd.DataFrame([(0.0, "red", "yes"), (-0.0, "red", "yes")], columns=SMALL)
    assert row_digests(frame, small).nunique() == 1


def test_one_bad_text_blames_its_own_row(frame, config, tmp_path, monkeypatch) -> None:
    """A text in a column of numbers of a CSV leaves the other rows numbers."""
    from validation.row_rules import broken_promises

    monkeypatch.setattr("train.source.ROOT", tmp_path)
    rows = frame.head(50).astype({"age": "object"})
    rows.loc[17, "age"] = "forty"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    found = broken_promises(load(replace(config, data="rows.csv")), config)
    assert [("age is a number", 1.0)] == [(line.measure, line.value) for line in found]
    assert "row 17: forty" in found[0].why


def test_a_text_among_numbers_is_not_quoted_by_the_split(frame, small) -> None:
    """Who cannot be hashed is told by column and row, never by value."""
    wrong = pd.DataFrame([(1, "red", "yes"), ("canary-91", "red", "no")], columns=SMALL)
    with pytest.raises(Refusal, match=r"column amount, row 1") as caught:
        row_digests(wrong, small)
    assert "canary" not in str(caught.value)
