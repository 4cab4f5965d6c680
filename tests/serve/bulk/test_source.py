"""What is wrong with a table, or with the command, is one sentence, and nothing is written."""

import re

import pytest

from tests.serve.conftest import write

WRONG = {
    "a lost column": (lambda rows: rows.drop(columns=["age", "occupation"]), (), "lacks column age, occupation"),
    "a kept column that is none": (lambda rows: rows, ("--keep", "nobody"), "lacks column nobody"),
    "a kept column of the output's name": (
        lambda rows: rows.assign(label=1), ("--keep", "label"), "column label cannot be kept",
    ),
    "texts for numbers": (lambda rows: rows.astype({"age": "str"}), (), "column age holds .*string, the model"),
    "flags for numbers": (lambda rows: rows.assign(age=True), (), "column age holds bool, the model takes numbers"),
    "numbers for texts": (lambda rows: rows.assign(occupation=1), (), "column occupation holds int64, the model"),
    "three files that are two": (lambda rows: rows, ("--rejects", "out.parquet"), "are not three files"),
    "another kind": (lambda rows: rows, ("--rejects", "out.txt"), "out.txt: batch reads and writes .parquet and .csv"),
    "no threads": (lambda rows: rows, ("--threads", "0"), "--threads 0 is no number of threads"),
    "no bundle": (lambda rows: rows, ("--bundle", "nowhere"), "nowhere/manifest.json is missing"),
    "a store of no known scheme": (lambda rows: rows, ("--input", "nosuch://a.csv"), "nosuch://a.csv: Protocol"),
    "no file": (lambda rows: rows, ("--input", "gone.csv"), "gone.csv is no file"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "flags", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_table_is_one_sentence(score, frame, change, flags, said) -> None:
    """Exit 2, no traceback, and nothing is written."""
    code, output, rejects, told = score(change(frame.iloc[:5]), *flags)
    assert (2, None, None, "") == (code, output, rejects, told.out)
    assert re.search(said, told.err.splitlines()[-1]), told.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"no table", "a.parquet cannot be read as parquet"),
        ("a.csv", b"", "a.csv cannot be read as csv: Empty CSV file"),
        ("a.csv", b"age,age\n1,2\n", "a.csv: column age is there twice"),
        ("a.csv", b"ge\xf6,age\n1,2\n", "a.csv: the names of its columns are no UTF-8"),
        ("a.csv", b"\x1f\x8b\x08\x08,\n1,2\n", "a.csv: the names of its columns are no UTF-8; is it compressed"),
        ("a.csv", b"age\n1,2\n", "a.csv cannot be read as csv: CSV parse error: .*Expected 1 columns, got 2"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(score, tmp_path, name, content, said) -> None:
    """Empty, cut, or of another kind than its name says."""
    (tmp_path / name).write_bytes(content)
    code, output, _, told = score(tmp_path / name)
    assert (2, None) == (code, output)
    assert re.search(said, told.err.splitlines()[-1]), told.err


def test_a_line_of_another_width_far_down_ends_the_job_without_output(score, frame, tmp_path) -> None:
    """Behind whole parts too."""
    path = write(frame.iloc[:1200], tmp_path / "in.csv")
    path.write_text(path.read_text() + "1,2,3\n")
    code, output, rejects, told = score(path)
    assert (2, None, None) == (code, output, rejects)
    assert "Expected 15 columns, got 3" in told.err
