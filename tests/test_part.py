"""Machines that share the tests run each of them once."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.github.tree import Tree, read_texts
from tests.part import part_of


@pytest.mark.parametrize("parts", [1, 3, 4, 9])
def test_the_parts_are_the_whole_and_share_nothing(parts) -> None:
    """Nor does one part take all that is long: it stands at the beginning."""
    files = list(range(40))
    found = [part_of(files, f"{number}/{parts}") for number in range(1, parts + 1)]
    assert files == sorted(file for part in found for file in part)
    assert all(part[0] < parts for part in found)
    assert files == part_of(files, "")


@pytest.mark.parametrize("told", ["0/4", "5/4", "1/0", "4", "a/b", "1/4/4", "-1/4", " 1/4"])
def test_what_is_no_part_is_refused(told) -> None:
    """A wrong number would run no test, or not all."""
    with pytest.raises(ValueError, match="is no part; the second of four is PART=2/4"):
        part_of([1, 2], told)


def test_the_workflows_parts_are_all() -> None:
    """One that is missing would leave its tests out, and nobody would see it."""
    job = Tree(read_texts(REPOSITORY)).workflows["tests.yml"]["jobs"]["tests"]
    parts = job["strategy"]["matrix"]["part"]
    assert [f"{number}/{len(parts)}" for number in range(1, len(parts) + 1)] == parts
    assert [{"PART": "${{ matrix.part }}"}] == [step["env"] for step in job["steps"] if step.get("run") == "make test"]


@pytest.mark.parametrize(
    ("part", "code", "says"), [("1/2", 0, "2 passed"), ("2/2", 5, " deselected in "), ("3/2", 4, "PART=3/2 is no part")]
)
def test_pytest_runs_the_part(part, code, says) -> None:
    """Of one file the second half is none, and to run no test is a failure."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["tests/serve/test_sharing.py", "-k", "gone or shut"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | {"PART": part, "PYTEST_ADDOPTS": ""}, capture_output=True, text=True
    )
    assert (code, True) == (done.returncode, says in done.stdout + done.stderr), done.stdout + done.stderr
