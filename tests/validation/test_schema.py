"""Stage 1, rows: every broken promise in one run, each by row, column, value and rule."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from validation.contract import Config
from validation.row_rules import broken_promises
from validation.words.columns import Binary, Number


def judged(frame: pd.DataFrame, config: Config) -> dict[str, str]:
    """Return what each failing measure is about, with what it says."""
    return {line.measure: line.why for line in broken_promises(frame, config) if line.verdict == "fail"}


def test_the_bundled_data_keep_the_contract(frame: pd.DataFrame, config: Config) -> None:
    """Each row of the example keeps every rule."""
    assert {} == judged(frame, config)


def spoiled(frame: pd.DataFrame, column: str, value: object, row: int = 17) -> pd.DataFrame:
    """Put one value into one row."""
    copy = frame.head(100).copy()
    copy[column] = copy[column].astype("object")
    copy.loc[row, column] = value
    return copy.assign(**{column: copy[column].infer_objects()})


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("age", -3, "age is from 17 to 100"),
        ("age", np.inf, "age is from 17 to 100"),
        ("age", 20.5, "age is a whole number"),
        ("age", None, "age is not missing"),
        ("age", "old", "age is a number"),
        ("sex", "male", "sex is a declared value"),
        ("sex", None, "sex is not missing"),
        ("workclass", "", "workclass is a declared value"),
        ("workclass", 7, "workclass is a declared value"),
        ("income", "50K", "income is a declared value"),
        ("income", None, "income is not missing"),
    ],
)
def test_a_broken_rule_is_named_with_its_row(frame, config, column, value, said) -> None:
    """A poisoned value turns the gate red, for the right reason."""
    found = judged(spoiled(frame, column, value), config)
    assert "row 17" in found[said]


def test_missing_is_allowed_where_declared(frame, config) -> None:
    """A category declared as `missing` may be."""
    assert {} == judged(spoiled(frame, "workclass", None), config)


def test_all_broken_rules_come_in_one_run(frame, config) -> None:
    """Three faults, three lines."""
    worse = spoiled(spoiled(spoiled(frame, "age", -3), "sex", "male"), "income", "50K", row=18)
    assert set(judged(worse, config)) == {
        "age is from 17 to 100",
        "sex is a declared value",
        "income is a declared value",
    }


def test_columns_are_those_declared(frame, config) -> None:
    """A column too few and a column too many are both named."""
    found = judged(frame.head(50).rename(columns={"age": "years"}), config)
    assert set(found) == {"age exists in the data", "years is declared in config.py"}


def test_a_key_names_one_row(frame, config) -> None:
    """Two rows of one key are a broken rule."""
    keyed = replace(config, features=(Number("id", low=0, high=1000), *config.features), key=("id",))
    rows = frame.head(50).assign(id=np.r_[np.arange(49), 3])[["id", *frame.columns]]
    assert "row 3" in judged(rows, keyed)["id names one row only"]
    assert {} == judged(rows.assign(id=np.arange(50)), keyed)


def test_labels_may_be_whole_numbers(frame, config) -> None:
    """A target coded 0 and 1 is checked as such, and True is not 1."""
    coded = replace(config, target=Binary("income", positive=1, negative=0), dataset=config.dataset[:1])
    rows = frame.head(50).assign(income=(frame.head(50)["income"] == ">50K").astype("int64"))
    assert {} == judged(rows, coded)
    assert "income is a declared value" in judged(rows.assign(income=2), coded)
    assert "income is a declared value" in judged(rows.assign(income=True), coded)


def test_values_can_be_withheld(frame, config) -> None:
    """Where config.py says so, no output quotes a value of a row."""
    private = replace(config, show_values=False)
    said = judged(spoiled(frame, "sex", "canary-7f3a"), private)["sex is a declared value"]
    assert "row 17" in said
    assert "canary" not in said


def test_the_script_says_which_rows(workspace) -> None:
    """The poisoned file: exit 1, the row on stdout and stderr, a red verdict file."""
    data = workspace.root / "data/census.parquet"
    rows = pd.read_parquet(data)
    rows.loc[17, "age"] = -3
    rows.to_parquet(data)
    ran = workspace.run("validation.schema")
    assert ran.code == 1
    assert "row 17: -3" in ran.out
    assert "schema: the data: age is from 17 to 100" in ran.err
    assert '"passed": false' in (workspace.root / "build/verdicts/schema.json").read_text()
    again = workspace.run("validation.schema")
    assert (1, True) == (again.code, "the verdict stands" in again.err)


BAD_FILES = {
    "missing": (None, "does not exist"),
    "garbage": (b"this is not parquet", "cannot be read as parquet"),
    "truncated": (b"PAR1" + b"\0" * 50, "cannot be read as parquet"),
    "empty": (b"", "cannot be read as parquet"),
}


@pytest.mark.parametrize(("content", "said"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_one_sentence(workspace, content, said) -> None:
    """A file that cannot be read is named, exit code 2, and no verdict is left."""
    data = workspace.root / "data/census.parquet"
    data.unlink()
    if content is not None:
        data.write_bytes(content)
    ran = workspace.run("validation.schema")
    assert (2, "") == (ran.code, ran.out)
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not (workspace.root / "build/verdicts/schema.json").exists()


def test_a_file_without_rows_is_refused(workspace) -> None:
    """An empty table keeps no promise."""
    data = workspace.root / "data/census.parquet"
    pd.read_parquet(data).head(0).to_parquet(data)
    ran = workspace.run("validation.schema")
    assert (2, True) == (ran.code, "holds no row" in ran.err)


def test_the_data_cannot_write_a_line_of_the_log(workspace) -> None:
    """A value with line breaks stays inside its sentence: a runner would take a line for a command."""
    data = workspace.root / "data/census.parquet"
    rows = pd.read_parquet(data)
    rows.loc[17, "sex"] = "a\n::error title=Gate passed::all fine\n\x1b[32mok"
    rows.to_parquet(data)
    ran = workspace.run("validation.schema")
    assert ran.code == 1
    assert not [line for line in (ran.err + ran.out).splitlines() if line.startswith("::")]
    assert "\x1b" not in ran.err + ran.out
