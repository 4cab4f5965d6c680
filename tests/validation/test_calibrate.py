"""Calibration: what passes and what is refused is measured, and said as it is."""

import json
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.test_config import FORKS
from train.data import Parts, outcomes
from validation.calibrate import is_current, key_of, main, markdown, progress, read
from validation.measures.price import price
from validation.measures.recipes import Models, bent, fit_models, most_important, noisy
from validation.measures.trials import (
    ACCEPTED,
    ALL,
    HELD_BACK,
    REFUSED,
    cases_of,
    degraded,
    line,
    run_trials,
    worse_by,
)
from validation.script import Refusal, to_json
from validation.words.bounds import Gate
from validation.words.columns import Binary, Category, Classes, Number, Quantity
from validation.words.settings import Groups, Model, Split


def counted(what: str, total: int) -> range:
    return range(total)


@pytest.fixture(scope="module")
def small(config):
    """A contract of three features, with margins that fit 3,000 rows."""
    features = (
        Number("amount", -10, 10),
        Number("noise", -10, 10),
        Category("group", ("x", "y"), hidden=True),
    )
    return replace(
        config,
        features=features,
        target=Binary("answer", "yes", "no"),
        sensitive=("group",),
        dataset=config.dataset[:1],
        behaviour=(),
        groups=Groups(min_positives=50, min_negatives=50),
        model=Model("small", {"max_iter": 15, "max_leaf_nodes": 4}, reweigh_by="group", reweigh_strength=1.0),
        performance=(
            Gate("roc_auc", at_least=0.7, why="w"),
            Gate("roc_auc", lose_at_most=0.02, why="w"),
            Gate("log_loss", lose_at_most=0.03, why="w"),
        ),
        fairness=(Gate("demographic_parity_difference", by="group", at_most=0.2, why="w"),),
        split=Split(test_share=0.5, test_part="none"),
    )


@pytest.fixture(scope="module")
def small_parts() -> Parts:
    """6,000 rows; the positive label depends on the amount, and the amount on the group."""
    chance = np.random.default_rng(0)
    group = chance.random(6000) < 0.5
    amount = (chance.normal(0, 2, 6000) + group).clip(-10, 10)
    answer = np.where(amount + chance.normal(0, 1, 6000) > 0.5, "yes", "no")
    frame = pd.DataFrame(
        {
            "amount": amount,
            "noise": chance.uniform(-10, 10, 6000),
            "group": np.where(group, "x", "y"),
            "answer": answer,
        }
    )
    return Parts(frame[:3000], frame[3000:], frame[:0])


@pytest.fixture(scope="module")
def models(small, small_parts) -> Models:
    return fit_models(small_parts, small, 6, counted)


def rates(models: Models, parts: Parts, config, trials: int = 60) -> dict[tuple[str, str], dict]:
    outcome = outcomes(parts.test, config)
    lines = run_trials(cases_of(models, outcome, config), models.champion, outcome, config, trials, counted)
    return {(one["what"], one["measure"]): one for one in lines}


def test_equal_models_pass_and_worse_ones_do_not(models, small, small_parts) -> None:
    """Another fit of the recipe passes; a model worse by the margin, and every heavy fault, does not."""
    found = rates(models, small_parts, small)
    losses = ("roc_auc lost to the champion", "log_loss lost to the champion")
    for name in (ALL, *losses):
        assert found["another fit of the same recipe", name]["passed"] >= 0.9
    for name in losses:
        assert found["a model that is worse by the margin", name]["passed"] <= 0.25
    heavy = (
        "15 % of the training outcomes are wrong",
        "the scores are squared",
        "the label yes weighs 3 times as much",
    )
    for what in (*heavy, "amount was constant in the training rows"):
        assert found[what, ALL]["passed"] <= 0.2
    assert {"5 % of the training outcomes are wrong", "a quarter of the training rows"} <= {what for what, _ in found}
    assert (6, 4) == (len(models.equal), len(models.plain))


def test_a_margin_that_is_too_wide_is_red(models, small, small_parts) -> None:
    """Gates that let faults by are told as such."""
    wide = replace(small, performance=(small.performance[0], Gate("roc_auc", lose_at_most=0.2, why="w")))
    found = rates(models, small_parts, wide, trials=80)
    assert {"fail"} == {found[what, ALL]["verdict"] for what in ("the scores are squared",)}
    assert "pass" == found["another fit of the same recipe", ALL]["verdict"]


def test_a_margin_that_is_too_narrow_is_red(models, small, small_parts) -> None:
    """Gates that refuse equal models are told as such."""
    narrow = replace(small, performance=(small.performance[0], Gate("log_loss", lose_at_most=1e-5, why="w")))
    found = rates(models, small_parts, narrow)
    assert ("fail", "fail") == tuple(
        found["another fit of the same recipe", name]["verdict"] for name in (ALL, "log_loss lost to the champion")
    )


def test_a_floor_counts_among_all_conditions(models, small, small_parts) -> None:
    """A floor that the recipe cannot reach refuses equal models, whatever the margins say."""
    high = replace(small, performance=(Gate("roc_auc", at_least=0.999, why="w"), *small.performance[1:]))
    found = rates(models, small_parts, high)
    assert 0 == found["another fit of the same recipe", ALL]["passed"]
    assert found["another fit of the same recipe", "roc_auc lost to the champion"]["passed"] >= 0.9


def test_no_model_is_worse_by_nought(models, small, small_parts) -> None:
    """A margin of nought has no line of its own."""
    none = replace(small, performance=(small.performance[0], Gate("log_loss", lose_at_most=0.0, why="w")))
    cases = cases_of(models, outcomes(small_parts.test, none), none)
    assert HELD_BACK not in {case.wanted for case in cases}


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy"])
def test_noise_loses_exactly_the_margin(models, small, small_parts, metric) -> None:
    """The degraded champion is worse by the margin on all rows of the test part."""
    from validation.measures.metrics import measure

    outcome = outcomes(small_parts.test, small)
    gate = Gate(metric, lose_at_most=0.02, why="w")
    worse = worse_by(gate, models.champion, outcome, small, seed=1)
    loss = abs(measure(metric, outcome, models.champion) - measure(metric, outcome, worse))
    assert 0.02 == pytest.approx(loss, abs=1 / len(outcome))
    assert np.ones(len(outcome)) == pytest.approx(worse.sum(axis=1))


def test_a_margin_that_no_noise_reaches_is_refused(models, small, small_parts) -> None:
    """A bound that nothing breaks judges nothing; the sentence says which."""
    outcome = outcomes(small_parts.test, small)
    with pytest.raises(Refusal, match=r"Gate\('accuracy'\): 'lose at most 0.9' can hardly be broken"):
        worse_by(Gate("accuracy", lose_at_most=0.9, why="w"), models.champion, outcome, small, seed=1)


def test_the_price_compares_fits_on_the_same_rows(models, small, small_parts) -> None:
    """Reweighing brings the groups together and costs accuracy; the plain recipe is refused."""
    outcome = outcomes(small_parts.test, small)
    lines, costs = price(models, small_parts.test, outcome, small)
    assert [(ACCEPTED, 6), (REFUSED, 4)] == [(one["wanted"], one["trials"]) for one in lines]
    assert [0.0, "insufficient"] == [lines[1]["passed"], lines[1]["verdict"]]
    [parity] = costs["fairness"]
    assert parity["mitigated"] < parity["plain"]
    by_name = {one["metric"]: one for one in costs["metrics"]}
    assert by_name["accuracy"]["mitigated"] < by_name["accuracy"]["plain"]


def test_a_recipe_without_reweighing_has_no_price(models, small, small_parts) -> None:
    """Nothing is weighed, so nothing is compared; without sensitive columns nothing is said of fairness."""
    outcome = outcomes(small_parts.test, small)
    lines, costs = price(replace(models, plain=[]), small_parts.test, outcome, small)
    assert (1, {"metrics": [], "fairness": []}) == (len(lines), costs)
    unjudged = replace(small, sensitive=(), fairness=(), model=Model("small", {}))
    assert ([], {"metrics": [], "fairness": []}) == price(models, small_parts.test, outcome, unjudged)
    plain = replace(small, model=replace(small.model, reweigh_strength=0.0))
    assert [] == fit_models(small_parts, plain, 1, counted).plain


def test_an_output_that_is_no_number_never_passes(models, small, small_parts) -> None:
    """NaN is refused in every trial, by every gate."""
    spoilt = replace(models, equal=[np.full_like(models.champion, np.nan)])
    found = rates(spoilt, small_parts, small, trials=50)
    assert {0.0} == {one["passed"] for (what, _), one in found.items() if what == "another fit of the same recipe"}


@pytest.mark.parametrize(
    ("wanted", "passed", "verdict"),
    [
        (ACCEPTED, 300, "pass"),
        (ACCEPTED, 294, "pass"),
        (ACCEPTED, 285, "insufficient"),
        (ACCEPTED, 284, "fail"),
        (ACCEPTED, 0, "fail"),
        (HELD_BACK, 0, "pass"),
        (HELD_BACK, 6, "pass"),
        (HELD_BACK, 15, "insufficient"),
        (HELD_BACK, 16, "fail"),
        (REFUSED, 0, "pass"),
        (REFUSED, 15, "insufficient"),
        (REFUSED, 16, "fail"),
        (REFUSED, 300, "fail"),
    ],
)
def test_a_rate_passes_when_its_whole_interval_is_as_wanted(wanted, passed, verdict) -> None:
    """A rate that is not as wanted is red; one that is, with an interval that goes beyond, is told as unproven."""
    found = line("w", ALL, wanted, passed, 300)
    assert verdict == found["verdict"]
    assert found["low"] <= found["passed"] <= found["high"]


def test_clopper_and_pearson_is_the_textbooks() -> None:
    """One of ten: 0.3 % to 44.5 %."""
    found = line("w", ALL, REFUSED, 1, 10)
    assert (0.0025, 0.4450) == pytest.approx((found["low"], found["high"]), abs=1e-4)


def retargeted(config, target):
    """The contract with another target; what its bounds say does not matter here."""
    changed = object.__new__(type(config))
    changed.__dict__.update(vars(config) | {"target": target})
    return changed


def test_faults_are_made_for_every_kind_of_target(small) -> None:
    """Classes turn into others and stay probabilities; quantities come from other rows and shrink to their mean."""
    classes, quantity = (
        retargeted(small, target) for target in (Classes("c", ("a", "b", "c")), Quantity("q", low=0, high=100))
    )
    labels = np.random.default_rng(1).integers(0, 3, 2000).astype("float64")
    wrong = noisy(labels, 0.15, classes)
    assert 0.15 == pytest.approx((wrong != labels).mean(), abs=0.03)
    assert {0.0, 1.0, 2.0} == set(wrong)
    probabilities = np.random.default_rng(2).dirichlet([1, 1, 1], 50)
    assert np.ones(50) == pytest.approx(bent(probabilities, classes).sum(axis=1))
    values = np.linspace(0, 100, 2000)
    assert set(noisy(values, 0.15, quantity)) <= set(values)
    shrunk = bent(values[:, None], quantity)
    assert (50, values.std() / 2) == pytest.approx((shrunk.mean(), shrunk.std()))
    assert (shrunk == degraded(shrunk, np.zeros((2000, 1)), values, quantity)).all()


def test_the_most_important_column_is_found(small, small_parts) -> None:
    """The column that the outcome hangs on, not the noise."""
    from train.data import model_inputs
    from train.recipe import fit_recipe

    train, test = small_parts.train, small_parts.test
    pipeline = fit_recipe(train, outcomes(train, small), small)
    assert "amount" == most_important(pipeline, model_inputs(test, small.inputs), outcomes(test, small), small)


def test_a_label_that_a_fit_does_not_see_is_refused(small, small_parts) -> None:
    """A label of one row is in no quarter of the rows; the sentence names the column."""
    labels = Classes("answer", ("no", "yes", "never"))
    train = small_parts.train.copy()
    train.iloc[0, train.columns.get_loc("answer")] = "never"
    config = replace(small, target=labels, performance=(Gate("accuracy", at_least=0.5, why="w"),))
    with pytest.raises(Refusal, match="column answer: a label is too rare"):
        fit_models(replace(small_parts, train=train), config, 6, counted)


CONTENT = {
    "key": "k",
    "trials": 300,
    "challengers": 12,
    "lines": [line("a|b", ALL, REFUSED, 300, 300)],
    "price": {"metrics": [{"metric": "roc_auc", "mitigated": 0.9, "plain": None}], "fairness": []},
}


def test_the_tables_tell_every_line(config) -> None:
    """One row a line, what is red in capitals, and no text breaks out of its cell."""
    told = markdown(CONTENT)
    assert "| a&#124;b | all conditions | refused | 1.000 | 0.988 to 1.000 | 300 | FAIL |" in told
    assert "| roc_auc | 0.9 | none |" in told


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"key": "k"}'])
def test_what_is_no_calibration_is_refused(config, tmp_path, monkeypatch, text) -> None:
    """A file that cannot be read is a sentence, a missing one is none."""
    monkeypatch.setattr("validation.calibrate.ROOT", tmp_path)
    there = replace(config, calibration="c.json")
    assert read(there) is None
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(Refusal, match=r"c\.json is no calibration; restore it from git, or run `make calibrate`"):
        read(there)


def test_rates_are_of_the_bounds_they_were_measured_under(config, tmp_path, monkeypatch) -> None:
    """Another margin, another recipe, another seed: no longer current; another port of the service: still."""
    monkeypatch.setattr("validation.calibrate.ROOT", tmp_path)
    there = replace(config, calibration="c.json")
    (tmp_path / "c.json").write_text(to_json(CONTENT | {"key": key_of(there)}))
    content = read(there)
    assert content
    assert is_current(content, replace(there, service=replace(there.service, port=9000), looks=7))
    others = [
        {"performance": there.performance[:-1]},
        {"fairness": there.fairness[:1] + there.fairness[2:]},
        {"model": replace(there.model, reweigh_strength=0.4)},
        {"seed": 1},
    ]
    assert not any(is_current(content, replace(there, **other)) for other in others)


def test_progress_is_a_line_for_each_tenth_in_a_log(capsys) -> None:
    """Every step is done; ten lines tell it."""
    assert list(range(25)) == list(progress("trials", 25))
    lines = capsys.readouterr().err.splitlines()
    assert (10, "calibrate: 25 of 25 trials") == (len(lines), lines[-1])


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch) -> None:
    """Where somebody looks, the time that is left is told."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert [0, 1, 2] == list(progress("trials", 3))
    assert "trials" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["0", "49", "-1", "many", "1e3", ""])
def test_too_few_trials_are_refused(given, capsys) -> None:
    """What can hardly contradict anything is no measurement."""
    with pytest.raises(SystemExit) as left:
        main([f"--trials={given}"])
    assert 2 == left.value.code
    assert "is no whole number from 50 upwards" in capsys.readouterr().err


@pytest.mark.parametrize(("fork", "fault"), [("quantity", "half-way to the mean"), ("classes", "scores are squared")])
def test_other_targets_are_calibrated_by_the_script(workspace, fork, fault) -> None:
    """Freeze, then calibrate: the file holds a line for every sort of model, and stdout tells the same."""
    text, make = FORKS[fork]
    (workspace.root / "config.py").write_text(text)
    make(workspace.root / text.split('DATA = "')[1].split('"')[0])
    (workspace.root / "data/calibration.json").unlink(missing_ok=True)
    frozen, ran = workspace.run_all(["train.init", "freeze"], ["validation.calibrate", "--trials", "50"])
    assert 0 == frozen.code, frozen.err
    content = json.loads((workspace.root / "data/calibration.json").read_text())
    verdicts = [one["verdict"] for one in content["lines"]]
    unproven = verdicts.count("insufficient")
    told = (ran.err.count("wanted: "), ran.err.count("too few trials to be sure"))
    assert (int("fail" in verdicts), verdicts.count("fail") + unproven, unproven) == (ran.code, *told)
    assert {ACCEPTED, HELD_BACK, REFUSED} == {one["wanted"] for one in content["lines"]}
    [bent_line] = [one for one in content["lines"] if fault in one["what"]]
    assert 0.0 == bent_line["passed"]
    assert all(one["what"] in ran.out for one in content["lines"])


def test_an_interrupted_calibration_leaves_nothing(workspace) -> None:
    """Ctrl-C ends it at once, and what was measured before stays as it was."""
    path = workspace.root / "data/calibration.json"
    before = path.read_bytes() if path.exists() else None
    process = workspace.start("validation.calibrate")
    assert process.stderr
    assert "fits" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (130, "") == (process.returncode, out), err
    assert (path.read_bytes() if path.exists() else None) == before
