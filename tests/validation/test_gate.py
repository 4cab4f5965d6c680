"""Gates close: what cannot be known fails."""

import json
import math

import pytest

from validation.gate import Measure, Verdict, cell_text, decide, read, sentences, table, within
from validation.script import Refusal


@pytest.mark.parametrize(
    ("value", "bounds", "verdict"),
    [
        (0.9, {"at_least": 0.9}, "pass"),
        (0.8999, {"at_least": 0.9}, "fail"),
        (0.1, {"at_most": 0.1}, "pass"),
        (0.1001, {"at_most": 0.1}, "fail"),
        (math.nan, {"at_least": 0.9}, "fail"),
        (math.nan, {"at_most": 0.9}, "fail"),
        (math.inf, {"at_least": 0.9}, "fail"),
        (-math.inf, {"at_most": 0.9}, "fail"),
        (None, {"at_most": 0.9}, "fail"),
    ],
)
def test_a_bound_holds_or_fails(value, bounds, verdict) -> None:
    """A value at the bound passes; one that is no finite number never does."""
    assert within(value, **bounds) == verdict


@pytest.mark.parametrize("bounds", [{}, {"at_least": 0, "at_most": 1}])
def test_no_bound_or_two_is_an_error(bounds) -> None:
    """A measure without exactly one bound cannot be judged."""
    with pytest.raises(ValueError, match="exactly one bound"):
        within(0.5, **bounds)


def line(verdict: str = "pass") -> Measure:
    return Measure("accuracy", "", 0.9, "at least 0.8", 10, verdict, "because")


def test_a_verdict_that_measured_nothing_fails() -> None:
    """No measures: nothing is proven."""
    empty = Verdict("g", "k", "d", ())
    assert not empty.passed
    assert "nothing was measured" in sentences(empty)[0]


def test_an_unknown_word_is_no_verdict() -> None:
    """Only known words can pass."""
    with pytest.raises(ValueError, match="no verdict"):
        line("passed")


@pytest.fixture
def verdicts(tmp_path, monkeypatch):
    monkeypatch.setattr("validation.gate.VERDICTS", tmp_path)
    return tmp_path


def test_a_crash_leaves_no_older_verdict(verdicts) -> None:
    """When a gate crashes, the verdict of an earlier run is gone."""
    assert 0 == decide("g", "key 1", lambda: Verdict("g", "key 1", "d", (line(),)))

    def crash() -> Verdict:
        raise RuntimeError("gate crashed")

    with pytest.raises(RuntimeError, match="gate crashed"):
        decide("g", "key 2", crash)
    with pytest.raises(Refusal, match="missing"):
        read(verdicts / "g.json")


def test_an_unchanged_key_is_not_judged_again(verdicts) -> None:
    """While nothing that the gate looks at has changed, red stays red and green stays green."""
    assert decide("g", "key", lambda: Verdict("g", "key", "d", (line("fail"),))) == 1
    assert decide("g", "key", lambda: Verdict("g", "key", "d", (line("pass"),))) == 1
    assert 0 == decide("g", "other", lambda: Verdict("g", "other", "d", (line("pass"),)))


TAMPERED = {
    "overall verdict turned": lambda content: content.update(passed=True),
    "measure turned into a text": lambda content: content["measures"][0].update(verdict="ok"),
    "field added": lambda content: content.update(more=1),
    "field lost": lambda content: content.pop("key"),
    "another gate's": lambda content: content.update(gate="other"),
    "no measures": lambda content: content.update(measures=[], passed=True),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_verdict_is_refused(verdicts, tamper) -> None:
    """A verdict file that contradicts itself is no verdict."""
    decide("g", "key", lambda: Verdict("g", "key", "d", (line("fail"),)))
    content = json.loads((verdicts / "g.json").read_text())
    tamper(content)
    (verdicts / "g.json").write_text(json.dumps(content))
    with pytest.raises(Refusal):
        read(verdicts / "g.json")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"passed": true}'])
def test_a_malformed_verdict_is_refused(verdicts, text) -> None:
    """What is no verdict is not taken for one."""
    (verdicts / "g.json").write_text(text)
    with pytest.raises(Refusal):
        read(verdicts / "g.json")


def test_data_cannot_break_out_of_a_table() -> None:
    """Pipes, markup, mentions and line breaks from the data stay text."""
    wild = Measure("a|b\n<img src=x> @team `c` [x](y)", "", None, "", 1, "fail", "w")
    rows = table([wild]).splitlines()
    assert 3 == len(rows)
    assert not set("<`@[") & set(rows[2])
    assert "plain words, 1 > 0" == cell_text("plain words, 1 > 0")
