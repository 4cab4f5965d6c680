"""Stage 1, the table: each promise seen kept and seen broken."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from validation.reference import reference_of
from validation.table_rules import judge
from validation.words.expectations import Resembles, Share


def red(frame: pd.DataFrame, config, tmp_path) -> set[str]:
    """Name the promises that a table breaks."""
    return {line.measure for line in judge(frame, config, tmp_path / "docs") if line.verdict == "fail"}


def test_the_bundled_data_keep_every_promise(frame, config, tmp_path) -> None:
    """The example passes; its Data Docs are pages."""
    assert set() == red(frame, config, tmp_path)
    assert (tmp_path / "docs/index.html").is_file()


def older(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(age=np.minimum(frame["age"] + 6, 100))


def one_occupation(frame: pd.DataFrame) -> pd.DataFrame:
    rows = np.random.default_rng(0).random(len(frame)) < 0.4
    return frame.assign(occupation=frame["occupation"].where(~rows, "Sales"))


def without(column: str, share: float):
    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        rows = np.random.default_rng(0).random(len(frame)) < share
        return frame.assign(**{column: frame[column].where(~rows)})

    return spoil


POISONS = {
    "too few rows": (lambda frame: frame.head(30_000), "rows"),
    "another balance": (
        lambda frame: frame[(frame["income"] == "<=50K") | (np.arange(len(frame)) % 3 == 0)],
        "share of income = >50K",
    ),
    "husbands who are women": (
        lambda frame: frame.assign(sex=frame["sex"].where(np.arange(len(frame)) % 20 != 0, "Female")),
        "share of sex = Male",
    ),
    "missing occupations": (without("occupation", 0.06), "missing share of occupation"),
    "a file appended twice": (lambda frame: pd.concat([frame, frame.head(500)]), "share of repeated rows"),
    "columns that disagree": (
        lambda frame: frame.assign(education_num=frame["education_num"].where(np.arange(len(frame)) != 5, 16)),
        "values of education_num for a education",
    ),
    "an older population": (older, "divergence of age from the reference"),
    "one occupation overrepresented": (one_occupation, "divergence of occupation from the reference"),
}


@pytest.mark.parametrize(("poison", "promise"), POISONS.values(), ids=POISONS.keys())
def test_a_broken_promise_is_red(frame, config, tmp_path, poison, promise) -> None:
    """Each promise has a table that breaks it."""
    assert promise in red(poison(frame), config, tmp_path)


def test_a_missing_reference_is_refused(workspace) -> None:
    """Nothing recorded, nothing resembled: exit 2 with the way out, no verdict and no pages left."""
    (workspace.root / "data/reference.json").unlink()
    ran = workspace.run("validation.dataset")
    assert 2 == ran.code
    assert "make freeze" in ran.err
    assert not (workspace.root / "build/verdicts/dataset.json").exists()
    assert not (workspace.root / "build/data-docs").exists()


def test_wrong_columns_are_one_sentence(workspace) -> None:
    """A table without a declared column is refused by name."""
    data = workspace.root / "data/census.parquet"
    pd.read_parquet(data).drop(columns="age").to_parquet(data)
    ran = workspace.run("validation.dataset")
    assert (2, True) == (ran.code, "has no column age" in ran.err)


def test_two_promises_of_one_name_are_two(frame, config, tmp_path) -> None:
    """A promise that is broken stays broken beside a looser one on the same column."""
    strict, loose = Share("income", ">50K", 0.9, 1.0, why="w"), Share("income", ">50K", 0.0, 1.0, why="w")
    for promises in ((strict, loose), (loose, strict)):
        both = replace(config, dataset=(*config.dataset[:1], *promises))
        found = [line.verdict for line in judge(frame, both, tmp_path / "docs")]
        assert ["pass", *("fail" if promise is strict else "pass" for promise in promises)] == found


def test_a_column_may_be_named_by_a_digit(frame, config, tmp_path) -> None:
    """Derived columns never take the place of the data's own."""
    features = tuple(replace(column, name="1") if column.name == "age" else column for column in config.features)
    promises = (*config.dataset[:3], Resembles("1", at_most=0.05, why="w"))
    reference = str(tmp_path / "reference.json")
    renamed = replace(config, features=features, dataset=promises, behaviour=(), reference=reference)
    rows = frame.rename(columns={"age": "1"})
    (tmp_path / "reference.json").write_text(json.dumps(reference_of(rows, renamed)))
    assert {"pass"} == {line.verdict for line in judge(rows, renamed, tmp_path / "docs")}


def test_undeclared_values_are_quoted_on_no_page(frame, config, tmp_path) -> None:
    """A value that the contract does not know reaches no Data Docs page."""
    rows = frame.assign(occupation=frame["occupation"].where(np.arange(len(frame)) != 5, "canary-c4"))
    judge(rows, config, tmp_path / "docs")
    pages = [path.read_text(errors="replace") for path in (tmp_path / "docs").rglob("*.html")]
    assert pages
    assert not [page for page in pages if "canary" in page]
