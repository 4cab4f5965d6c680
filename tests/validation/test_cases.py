"""Cases written by people: a table that is wrong is refused in a sentence."""

import csv
from dataclasses import replace

import pytest

from validation.cases import read_cases
from validation.script import ROOT, Refusal
from validation.words.behaviours import Cases
from validation.words.columns import Classes

RULE = Cases("data/cases.csv", why="w")


def test_the_bundled_cases_are_read(config) -> None:
    """Empty is missing, numbers are numbers, and what is expected reads as a sentence."""
    cases = {case.name: case for case in read_cases(RULE, config)}
    nothing = cases["somebody who told nothing of work"]
    assert (None, 35.0, "<=50K") == (nothing.row["workclass"], nothing.row["age"], nothing.expected)
    assert "at least 0.1 and at most 0.8" == cases["a married mother in a school's office"].expected


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Write the bundled cases with a change."""
    monkeypatch.setattr("validation.cases.ROOT", tmp_path)
    (tmp_path / "data").mkdir()
    with (ROOT / "data/cases.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))

    def write(change) -> None:
        rows = [dict(line) for line in lines]
        changed = change(rows)
        rows = rows if changed is None else changed
        with (tmp_path / "data/cases.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else list(lines[0]))
            writer.writeheader()
            writer.writerows(rows)

    return write


WRONG = {
    "a column less": (lambda rows: [row.pop("age") for row in rows] and rows, "lacks age"),
    "a column more": (lambda rows: [row | {"shoe": 1} for row in rows], "has no use for shoe"),
    "no case": (lambda rows: [], "holds no case"),
    "no name": (lambda rows: rows[0].update(case=" "), "line 2: .* the case has no name"),
    "a name twice": (lambda rows: rows[1].update(case=rows[0]["case"]), "is there twice"),
    "nothing expected": (lambda rows: rows[1].update(label=""), "line 3: expect either a label"),
    "two things expected": (lambda rows: rows[1].update(at_least="0.5"), "line 3: expect either a label"),
    "an unknown label": (lambda rows: rows[1].update(label="rich"), "'rich' is no label of income"),
    "a bound that is no number": (lambda rows: rows[0].update(at_most="low"), "at_most is 'low', which is no number"),
    "a bound without end": (lambda rows: rows[0].update(at_most="nan"), "no finite number"),
    "an undeclared value": (lambda rows: rows[0].update(occupation="Pupil"), "occupation is 'Pupil'"),
    "a number out of bounds": (lambda rows: rows[0].update(age="7"), "line 2: age is 7"),
    "half a year": (lambda rows: rows[0].update(age="17.5"), "line 2: age is 17.5"),
    "a number that is a text": (lambda rows: rows[0].update(age="old"), "age is 'old', which is no number"),
    "what may not be missing": (lambda rows: rows[0].update(age=""), "age is empty, and may not be missing"),
}


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_table_is_refused(table, config, change) -> None:
    """File, line, column, and what is wrong."""
    spoil, sentence = WRONG[change]
    table(spoil)
    with pytest.raises(Refusal, match=sentence):
        read_cases(RULE, config)


def test_a_missing_file_is_refused(config) -> None:
    """The sentence names the way out."""
    with pytest.raises(Refusal, match=r"data/none\.csv is missing; write cases, or take Cases out of BEHAVIOUR"):
        read_cases(Cases("data/none.csv", why="w"), config)


def test_bytes_that_are_no_text_are_refused(tmp_path, monkeypatch, config) -> None:
    """What is no CSV is said."""
    monkeypatch.setattr("validation.cases.ROOT", tmp_path)
    (tmp_path / "cases.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refusal, match="cannot be read as CSV"):
        read_cases(Cases("cases.csv", why="w"), config)


def test_a_folded_value_may_be_spelt_otherwise(table, config) -> None:
    """The case then has the declared spelling."""
    table(lambda rows: rows[0].update(occupation=" other-SERVICE"))
    folded = tuple(replace(column, fold=True) if column.name == "occupation" else column for column in config.features)
    assert "Other-service" == read_cases(RULE, replace(config, features=folded))[0].row["occupation"]


def test_of_several_classes_a_case_expects_a_label(config) -> None:
    """Bounds have no one output to hold."""
    several = object.__new__(type(config))
    several.__dict__.update(vars(config) | {"target": Classes("income", values=("<=50K", ">50K", "none"))})
    with pytest.raises(Refusal, match="of several classes a case expects a label"):
        read_cases(RULE, several)
