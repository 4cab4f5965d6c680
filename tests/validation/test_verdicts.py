"""All verdicts together: whatever is missing, red, or about something else stands against the version."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from train.view import Version
from validation import gate, verdicts
from validation.asked import asked
from validation.gate import Measure, Verdict, write
from validation.keys import DATA_GATES, MODEL_GATES, key_of
from validation.script import digest_of, to_json
from validation.verdicts import collect
from validation.words.bounds import Bound
from validation.words.settings import Waiver, today

VERSION = Version(3, "m" * 64, "f", "run", "model", "files", {"data-digest": "d" * 64})
GATES = (*DATA_GATES, *MODEL_GATES)


def verdict(name: str, config) -> Verdict:
    """Make a verdict that passes everything that config.py asks."""
    about = VERSION if name in MODEL_GATES else None
    lines = []
    for measure, bound in asked(name, config):
        value = float(bound.at_most if bound.at_least is None else bound.at_least)
        lines.append(Measure(measure, "", value, bound, 1, "pass", "w", (value, value)))
    return Verdict(
        gate=name,
        key=key_of(name, config, "d" * 64, about),
        data_digest="d" * 64,
        measures=tuple(lines) or (Measure("rows", "", 0.0, Bound(at_most=0), 1, "pass", "w"),),
        model_version=about and about.number,
        model_digest=about and about.digest,
    )


@pytest.fixture
def folder(tmp_path, monkeypatch, config):
    """A folder of verdicts in which everything passes."""
    monkeypatch.setattr(verdicts, "VERDICTS", tmp_path)
    for name in GATES:
        write(tmp_path / f"{name}.json", verdict(name, config))
    return tmp_path


def test_verdicts_that_all_pass_leave_no_fault(folder, config) -> None:
    """Six verdicts on this version, each line asked for is judged."""
    collected = collect(VERSION, config)
    assert ((), True) == (collected.faults, collected.passed)
    assert {name: verdict(name, config) for name in GATES} == collected.verdicts


@pytest.mark.parametrize("name", GATES)
def test_each_missing_verdict_is_a_fault(folder, config, name) -> None:
    """No gate may be left out."""
    (folder / f"{name}.json").unlink()
    collected = collect(VERSION, config)
    assert (f"{name}: {name}.json: the verdict is missing; run its gate",) == collected.faults
    assert (False, set(GATES) - {name}) == (collected.passed, set(collected.verdicts))


STRANGE = {
    "about other data": {"data_digest": "e" * 64},
    "about another model": {"model_digest": "e" * 64},
    "about another model than version 3": {"model_version": 4},
    "under other bounds, columns or code": {"key": "e" * 64},
}


@pytest.mark.parametrize(("sentence", "changed"), STRANGE.items())
@pytest.mark.parametrize("name", GATES)
def test_a_verdict_about_something_else_is_a_fault(folder, config, name, sentence, changed) -> None:
    """Other data, another model or version, other bounds: each gate's verdict is held against the version."""
    if name in DATA_GATES and "model" in sentence:
        return
    write(folder / f"{name}.json", replace(verdict(name, config), **changed))
    [fault] = collect(VERSION, config).faults
    assert (True, True, True) == (fault.startswith(name), sentence in fault, f"run `make {name}` again" in fault)


@pytest.mark.parametrize("name", [name for name in GATES if name != "schema"])
@pytest.mark.parametrize("how", ["lost", "shown", "loosened"])
def test_each_bound_of_the_config_has_to_be_judged(folder, config, name, how) -> None:
    """A line that is lost, no longer judged, or held against another bound is a fault of its own."""
    good = verdict(name, config)
    first = good.measures[0]
    loosened = Bound(at_least=-1e9)
    shown = replace(first, verdict="shown")
    other = {"lost": (), "shown": (shown,), "loosened": (replace(first, bound=loosened),)}[how]
    write(folder / f"{name}.json", replace(good, measures=(*other, *good.measures[1:])))
    [fault] = collect(VERSION, config).faults
    assert f"{name}: {first.measure}, bound: {first.bound}: the verdict does not judge it" in fault
    assert f"run `make {name}` again" in fault


@pytest.mark.parametrize("word", ["first", "same", "waived"])
@pytest.mark.parametrize("name", [name for name in GATES if name != "schema"])
def test_a_word_that_needs_no_value_is_no_judgement_elsewhere(folder, config, name, word) -> None:
    """Only a loss can lack an opponent, and only a waiver of config.py waives: a forged line counts for nothing."""
    good = verdict(name, config)
    first = replace(good.measures[0], verdict=word)
    write(folder / f"{name}.json", replace(good, measures=(first, *good.measures[1:])))
    [fault] = collect(VERSION, config).faults
    assert f"{name}: {first.measure}, bound: {first.bound}: the verdict does not judge it" in fault


@pytest.mark.parametrize("word", ["first", "same"])
@pytest.mark.parametrize("name", ["performance", "parity"])
def test_a_loss_without_an_opponent_is_a_judgement(folder, config, name, word) -> None:
    """The first model of a line loses nothing and is slower than nobody, nor does the champion against itself."""
    good = verdict(name, config)
    lines = [
        replace(line, verdict=word) if "lost" in line.measure or "time" in line.measure else line
        for line in good.measures
    ]
    assert 2 == sum(line.verdict == word for line in lines)
    write(folder / f"{name}.json", replace(good, measures=tuple(lines)))
    assert () == collect(VERSION, config).faults


@pytest.mark.parametrize(("column", "days", "faults"), [("sex", 0, 0), ("sex", -1, 1), ("race", 0, 1)])
def test_a_waived_line_counts_while_its_waiver_stands(folder, config, column, days, faults) -> None:
    """The waiver has to be in config.py, for this very gate, and not over."""
    [gate] = [gate for gate in config.fairness if gate.measure == "equalized_odds_difference by sex"]
    waiver = Waiver("equalized_odds_difference", column, "ada", "r", today() + timedelta(days=days))
    waiving = replace(config, waivers=(waiver,))
    good = verdict("fairness", waiving)
    lines = [
        replace(line, verdict="waived", value=0.9) if line.measure == gate.measure else line for line in good.measures
    ]
    write(folder / "fairness.json", replace(good, measures=tuple(lines)))
    assert faults == len(collect(VERSION, waiving).faults)


@pytest.mark.parametrize("word", ["pass", "same", "first", "waived"])
def test_a_red_line_is_a_fault_beside_others_that_pass(folder, config, word) -> None:
    """One line that fails is enough."""
    good = verdict("fairness", config)
    first = replace(good.measures[0], verdict="fail", value=0.5)
    write(folder / "fairness.json", replace(good, measures=(first, *good.measures[1:])))
    [fault] = collect(VERSION, config).faults
    assert fault.startswith(f"fairness: model version 3: {first.measure} is 0.5, bound: {first.bound}")


def test_a_verdict_that_was_edited_is_a_fault(folder, config) -> None:
    """It is not taken for a verdict at all, whatever it says."""
    path = folder / "parity.json"
    content = json.loads(path.read_text())
    path.write_text(to_json(content | {"seal": digest_of("other")}))
    collected = collect(VERSION, config)
    assert "parity" not in collected.verdicts
    assert "parity.json is not as its gate wrote it" in collected.faults[0]


def test_verdicts_are_looked_for_where_the_gates_write_them() -> None:
    """One folder, one name of it."""
    assert verdicts.VERDICTS == gate.VERDICTS
