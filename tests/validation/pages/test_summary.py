"""report.json: written from verdicts, read back as data that nobody vouches for."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.validation.pages.evidence import KINDS, calibration, measures, verdict, version
from validation.gate import Measure, shown
from validation.pages.said import MOST_LINES
from validation.pages.summary import MOST_BYTES, read_summary, summarise, write_summary
from validation.script import Refusal, to_json


@pytest.fixture
def said(tmp_path, collected_of, config_of):
    """A report.json, as JSON, and where it lies."""
    path = tmp_path / "report.json"
    write_summary(path, summarise(version(), collected_of(), config_of("binary"), calibration(), True))
    return json.loads(path.read_text()), path


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_back(tmp_path, collected_of, config_of, kind) -> None:
    """Every kind of target: the same summary comes back."""
    summary = summarise(version(), collected_of(kind), config_of(kind, changed=("one bound",)), calibration(), False)
    write_summary(tmp_path / "report.json", summary)
    assert read_summary(tmp_path / "report.json") == summary
    assert (2, 1, 312) == (summary.champion, summary.anchor, summary.changes.flipped)
    assert summary.calibration.current is False


def test_a_run_without_evidence_has_a_summary(tmp_path, config_of, collected_of) -> None:
    """No champion, no evidence, no calibration: null, not made up."""
    bare = verdict("performance", "binary", evidence={}, champion_version=None, anchor_version=None)
    summary = summarise(version(), collected_of(performance=bare), config_of("binary"))
    assert [None] * 5 == [summary.champion, summary.anchor, summary.changes, summary.anew, summary.calibration]


def test_a_missing_verdict_is_a_gate_without_a_word(collected_of, config_of) -> None:
    """Missing is neither passed nor failed."""
    summary = summarise(version(), collected_of("binary", "fairness: missing", fairness=None), config_of("binary"))
    assert (False, None) == (summary.passed, summary.gates[3].passed)


def test_a_waived_line_names_owner_and_expiry(collected_of, config_of) -> None:
    """Where the gate's own sentence does not."""
    waived = summarise(version(), collected_of(), config_of("binary")).gates[3].measures[1]
    assert "waived by A. Person until 2027-01-31: more rows" in waived.why


def test_long_lists_keep_what_is_red(tmp_path, collected_of, config_of) -> None:
    """Too many lines: red ones first, shown ones go, and a line says how many are gone."""
    many = [shown(f"m{place}", "", 1, 1, "w" * 3_000) for place in range(MOST_LINES)]
    red = Measure("bad", "", 1, None, 1, "fail", "w")
    long = verdict("schema", "binary", measures=(*many, *measures("schema"), red))
    summary = summarise(version(), collected_of("binary", "schema: red", schema=long), config_of("binary"))
    lines = summary.gates[0].measures
    assert (MOST_LINES, "bad", "promises of schema") == (len(lines), lines[0].measure, lines[1].measure)
    assert ("lines left out here", 3) == (lines[-1].measure, lines[-1].value)
    assert max(len(line.why) for line in lines) == 1_000


def test_evidence_of_another_form_is_refused(collected_of, config_of) -> None:
    """The report guesses nothing: one sentence with the place."""
    odd = verdict("performance", "binary", evidence={"changes": {"against": 2, "flipped": "many"}})
    with pytest.raises(Refusal, match=r"performance.json: `changes` is not of the form .*flipped"):
        summarise(version(), collected_of(performance=odd), config_of("binary"))


def test_a_commit_of_another_form_is_unknown(collected_of, config_of) -> None:
    """Whatever a tag holds, only a commit is shown as one."""
    odd = replace(version(), tags={"commit": "@team [x](y)"})
    assert "unknown" == summarise(odd, collected_of(), config_of("binary")).commit


POISONS = {
    "an unknown field": lambda said: said | {"more": 1},
    "an unknown field within": lambda said: said["gates"][0].update(more=1),
    "a text without end": lambda said: said.update(model="x" * 201),
    "a sentence without end": lambda said: said.update(anew="x" * 1_001),
    "a list without end": lambda said: said.update(faults=["x"] * 201, passed=False),
    "lines without end": lambda said: said["gates"][0].update(measures=said["gates"][0]["measures"] * 501),
    "a digest that is none": lambda said: said.update(model_digest="`" + "0" * 63),
    "a digest with a line after it": lambda said: said.update(model_digest="0" * 64 + "\n"),
    "a commit that is none": lambda said: said.update(commit="@team"),
    "a verdict that is no word": lambda said: said["gates"][0]["measures"][0].update(verdict="passed"),
    "another format": lambda said: said.update(format=2),
    "a number as text": lambda said: said.update(version="3"),
    "a version below one": lambda said: said.update(version=0),
    "an interval of three": lambda said: said["gates"][2]["measures"][0].update(interval=[0, 1, 2]),
    "a gate twice": lambda said: said["gates"].__setitem__(1, said["gates"][0]),
    "a gate less": lambda said: said["gates"].pop(),
    "passed with faults": lambda said: said.update(faults=["x"]),
    "red without a fault": lambda said: said.update(passed=False),
    "passed with a red line": lambda said: said["gates"][0]["measures"][0].update(verdict="fail"),
    "passed with a missing verdict": lambda said: said["gates"][0].update(passed=None, measures=[]),
    "passed with nothing judged": lambda said: said["gates"][0].update(measures=[]),
    "a missing verdict with lines": lambda said: said["gates"][0].update(passed=None),
}


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_file_is_refused(said, poison) -> None:
    """A file that our report did not write gets one sentence."""
    content, path = said
    content = POISONS[poison](content) if poison == "an unknown field" else (POISONS[poison](content), content)[1]
    path.write_text(json.dumps(content))
    with pytest.raises(Refusal, match=r"report\.json"):
        read_summary(path)


@pytest.mark.parametrize(
    "content", [b"", b"[" * 500_000, b"{", b"\xff", b'{"format": NaN}', b"null", b" " * (MOST_BYTES + 1)]
)
def test_what_is_no_json_is_refused(tmp_path, content) -> None:
    """Broken, deep, not text, too large."""
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(Refusal, match="no report of ours"):
        read_summary(tmp_path / "report.json")


def test_numbers_that_are_not_finite_are_refused(said) -> None:
    """Neither NaN nor a number beyond all floats."""
    content, path = said
    for number in ("NaN", "Infinity", "1e400"):
        path.write_text(to_json(content).replace("0.0113", number))
        with pytest.raises(Refusal):
            read_summary(path)


def test_what_is_no_plain_file_is_refused(tmp_path, said) -> None:
    """A link, a folder or a pipe of an artifact is not followed, not waited for."""
    (tmp_path / "link").symlink_to(said[1])
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "", "absent"):
        with pytest.raises(Refusal):
            read_summary(tmp_path / name)


def test_the_light_path_imports_nothing_heavy() -> None:
    """What writes the comment needs no numpy, no drawing, no template engine, no MLflow."""
    code = "import sys, validation.pages.summary, validation.pages.markdown; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "matplotlib", "jinja2", "mlflow"} & set(told.stdout.split())
