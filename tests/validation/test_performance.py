"""Performance: good enough, and no worse than the champion, on the same rows."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from serve.model import Model
from train.view import Version, View
from validation.gate import Measure, judged
from validation.judged import judge_rows
from validation.measures.metrics import MEANS, METRICS, measure, roc_auc
from validation.measures.paired import interval, lost
from validation.performance import _window, judge
from validation.script import Refusal
from validation.words.bounds import Bound, Gate
from validation.words.columns import Number


def verdicts(measures) -> dict[str, str]:
    return {line.measure: line.verdict for line in measures}


def test_the_first_model_has_no_champion_and_passes(candidate, made, config) -> None:
    """The default model meets its floors; that there is nothing to compare with is said."""
    measures = judge(candidate(made("default")), config).measures
    assert {
        "roc_auc": "pass",
        "log_loss": "pass",
        "models this test part has judged": "pass",
        "roc_auc lost to the champion": "first",
        "log_loss lost to the champion": "first",
    } == verdicts(measures)
    assert "no champion yet" in measures[2].why


def test_the_same_model_is_the_same(candidate, made, config) -> None:
    """A candidate with the champion's digest is neither better nor worse."""
    proposed = candidate(made("default"))
    proposed = replace(proposed, champion=proposed.version)
    assert "same" == verdicts(judge(proposed, config).measures)["roc_auc lost to the champion"]


def test_another_seed_of_the_recipe_passes(candidate, made, config) -> None:
    """A model of the same recipe is no worse than the champion, within the margin."""

    def half(train, outcome):
        keep = np.random.default_rng(1).random(len(train)) < 0.8
        return train[keep], outcome[keep]

    measures = judge(candidate(made("eighty percent", half), made("default")), config).measures
    assert set(verdicts(measures).values()) == {"pass"}
    assert all(line.interval[0] <= line.value <= line.interval[1] for line in measures if "lost" in line.measure)


def label_noise(train, outcome):
    flipped = np.random.default_rng(0).random(len(outcome)) < 0.15
    return train, np.where(flipped, 1 - outcome, outcome)


def quarter(train, outcome):
    keep = np.arange(len(train)) % 4 == 0
    return train[keep], outcome[keep]


def zeroed_column(train, outcome):
    return train.assign(capital_gain=0), outcome


@pytest.mark.parametrize("poison", [label_noise, quarter, zeroed_column])
def test_a_worse_model_is_refused(candidate, made, config, poison) -> None:
    """Label noise, a quarter of the data, a zeroed column: each loses more than the margin against the champion."""
    found = verdicts(judge(candidate(made(poison.__name__, poison), made("default")), config).measures)
    assert "fail" in (found["roc_auc lost to the champion"], found["log_loss lost to the champion"])


def test_a_model_below_the_floor_is_refused_without_a_champion(candidate, made, config) -> None:
    """Bounds hold for the first model too."""
    found = verdicts(judge(candidate(made("label_noise", label_noise)), config).measures)
    assert "fail" == found["log_loss"]


def test_a_champion_that_sees_more_is_compared(candidate, made, config) -> None:
    """Hiding a column is no way round the champion: while the data have it, the champion scores with it."""
    sees_more = tuple(replace(column, hidden=False) for column in config.features)
    measures = judge(candidate(made("default"), made("sees all", features=sees_more)), config).measures
    assert all(line.interval for line in measures if "lost" in line.measure)


def test_a_champion_of_another_contract_starts_the_line_anew(candidate, made, config) -> None:
    """When the champion can no longer score the rows, the verdict says so."""
    typed = tuple(
        Number("fnlwgt", low=0, high=2_000_000, hidden=True) if column.name == "fnlwgt" else column
        for column in config.features
    )
    other = made("sees all", features=tuple(replace(column, hidden=False) for column in config.features))
    fewer = replace(
        config, features=tuple(column for column in typed if column.name != "education"), dataset=config.dataset[:1]
    )
    measures = judge(candidate(made("default"), other), fewer).measures
    assert "the line starts anew: the champion was made for another contract (education)" in measures[2].why


def test_a_champion_of_another_test_part_starts_the_line_anew(candidate, made, config) -> None:
    """A champion that may have been fitted on the rows that judge is no fair opponent."""
    proposed = candidate(made("default"), made("label_noise", label_noise))
    other = replace(proposed, champion=replace(proposed.champion, tags={"test-part": "another"}))
    assert {"pass", "fail"} >= set(verdicts(judge(proposed, config).measures).values())
    assert "another test part" in judge(other, config).measures[2].why


def test_every_line_is_as_it_should_be(candidate, made, config, parts, monkeypatch) -> None:
    """Measure, version, value, bound, rows, reason, interval and the opponent's figure, in the order of config.py."""
    floor, loss = Gate("accuracy", at_least=0.5, why="why 1"), Gate("log_loss", lose_at_most=0.5, why="why 2")
    settings = replace(config, performance=(floor, loss))
    folders = made("default"), trees(made, config, 50), made("label_noise", label_noise)
    proposed = candidate(*folders)
    part = {"tags": {"test-part": "p"}}
    names = ("version", "champion", "anchor")
    proposed = replace(proposed, looks=7, **{name: replace(getattr(proposed, name), **part) for name in names})
    asked = []
    monkeypatch.setattr("validation.judged.judging_parts", lambda given: asked.append(given) or parts)
    measures = judge(proposed, settings).measures
    assert [settings] == asked
    outcome, n = judge_rows(folders[0], parts.test, config).outcome, len(parts.test)
    ours, champions, anchors = (judge_rows(folder, parts.test, config).outputs for folder in folders)
    value, ends = measure("accuracy", outcome, ours), interval("accuracy", outcome, ours, config.seed)
    lines = [judged("accuracy", "", value, floor.bound, n, "why 1", ends, measure("accuracy", outcome, champions))]
    for number, name, theirs in ((2, "champion", champions), (1, "anchor", anchors)):
        value, ends = lost("log_loss", False, outcome, theirs, ours, config.seed)
        figure = measure("log_loss", outcome, theirs)
        title, group = f"log_loss lost to the {name}", f"version {number}"
        lines.append(judged(title, group, value, loss.bound, n, "why 2", ends, figure))
    title, why = "models this test part has judged", measures[-1].why
    assert [*lines, judged(title, "", 7, Bound(at_most=config.looks), n, why)] == measures


def test_a_line_without_a_loss_says_whom_it_is_about(candidate, made, config, parts) -> None:
    """No champion yet, the champion itself, or one that cannot be compared: version, bound, rows and the reason."""
    floor, loss, n = (
        Gate("accuracy", at_least=0.5, why="w"),
        Gate("log_loss", lose_at_most=0.5, why="w"),
        len(parts.test),
    )
    settings = replace(config, performance=(floor, loss))
    first = candidate(made("default"))
    same = replace(first, champion=first.version)
    other = replace(
        same, champion=replace(first.version, tags={"test-part": "another"}), champion_folder=made("default")
    )
    lines = [judge(proposed, settings).measures[1] for proposed in (first, same, other)]
    unlike = "the line starts anew: another test part; the champion may have been fitted on these rows"
    assert [
        Measure(loss.measure, "", None, loss.bound, n, "first", "there is no champion yet: nothing to lose against"),
        Measure(loss.measure, "version 3", 0.0, loss.bound, n, "same", "the candidate is the champion, byte for byte"),
        Measure(loss.measure, "version 3", None, loss.bound, n, "first", unlike),
    ] == lines


def test_what_is_drawn_is_drawn_by_the_seed_of_the_config(candidate, made, config, monkeypatch) -> None:
    """Intervals of figures and of losses: the same verdict for the same model, whatever the metric."""
    seeds = []
    monkeypatch.setattr("validation.measures.paired.interval", lambda *given: seeds.append(given[-1]) or (0.0, 1.0))
    monkeypatch.setattr("validation.measures.paired.lost", lambda *given: seeds.append(given[-1]) or (0.0, (0.0, 0.0)))
    judge(candidate(made("default"), made("label_noise", label_noise)), config)
    assert [config.seed] * len(config.performance) == seeds


def trees(made, config, number: int):
    return made(f"{number} trees", model=replace(config.model, parameters={"max_iter": number}))


def test_many_small_losses_do_not_add_up(candidate, made, config) -> None:
    """Each step is within the margin of the champion; the anchor sees how far they went together."""
    anchor, champion, small = made("default"), trees(made, config, 50), trees(made, config, 35)
    assert {"pass"} == set(verdicts(judge(candidate(champion, anchor, anchor), config).measures).values())
    judgement = judge(candidate(small, champion, anchor), config)
    found = verdicts(judgement.measures)
    assert ("pass", "fail") == (found["log_loss lost to the champion"], found["log_loss lost to the anchor"])
    assert judgement.anchor_version == 1


def test_the_anchor_that_is_the_champion_is_compared_once(candidate, made, config) -> None:
    """One line a bound, and the anchor counts as compared."""
    proposed = candidate(trees(made, config, 50), made("default"), made("default"))
    same = replace(proposed, anchor=proposed.champion)
    judgement = judge(same, config)
    assert not any("anchor" in line.measure for line in judgement.measures)
    assert judgement.anchor_version == 2


def test_without_a_champion_the_anchor_is_compared(candidate, made, config) -> None:
    """A champion's name that went missing is no way round the first model of the line."""
    proposed = replace(candidate(trees(made, config, 35), None, made("default")), champion=None)
    judgement = judge(proposed, config)
    found = verdicts(judgement.measures)
    assert ("first", "fail") == (found["log_loss lost to the champion"], found["log_loss lost to the anchor"])
    assert judgement.anchor_version == 1


def test_the_candidate_that_is_the_anchor_is_the_same(candidate, made, config) -> None:
    """Back to the first model: nothing is lost against itself."""
    proposed = candidate(made("default"), trees(made, config, 50))
    judgement = judge(replace(proposed, anchor=replace(proposed.version, number=1)), config)
    assert "same" == verdicts(judgement.measures)["roc_auc lost to the anchor"]
    assert judgement.anchor_version == 1


def test_without_an_anchor_that_can_be_compared_a_line_begins(candidate, made, config) -> None:
    """No anchor, or one of another test part: the verdict says that it was compared with none."""
    proposed = candidate(trees(made, config, 50), made("default"), trees(made, config, 35))
    other = replace(proposed, anchor=replace(proposed.anchor, tags={"test-part": "another"}))
    judgement = judge(other, config)
    assert "first" == verdicts(judgement.measures)["roc_auc lost to the anchor"]
    assert judgement.anchor_version is None
    assert judge(candidate(made("default")), config).anchor_version is None


@pytest.mark.parametrize(("looks", "verdict"), [(200, "pass"), (201, "fail")])
def test_a_test_part_wears_out(candidate, made, config, looks, verdict) -> None:
    """After LOOKS models chance alone finds one that passes; the way out is named."""
    measures = judge(replace(candidate(made("default")), looks=looks), config).measures
    [line] = [line for line in measures if line.measure == "models this test part has judged"]
    assert (verdict, looks, True) == (line.verdict, line.value, "raise draw in SPLIT" in line.why)


def test_looks_count_models_not_versions() -> None:
    """The same model counts once, later versions and other test parts do not count."""

    def version(number: int, digest: str, part: str) -> Version:
        return Version(number, digest, "", "", "", "", {"test-part": part})

    known = [
        version(1, "a", "p"),
        version(2, "b", "p"),
        version(3, "a", "p"),
        version(4, "c", "q"),
        version(5, "d", "p"),
    ]
    view = View({one.number: one for one in known}, {})
    assert [1, 2, 2, 1, 3] == [view.looks(one) for one in known]


def test_rows_since_the_freeze_are_shown_not_judged(candidate, made, config, parts, monkeypatch) -> None:
    """Neither model was fitted on them; beside the test part they are told, with the champion's figure."""
    late = parts.test.head(3000)
    turned = late.assign(income=late["income"].map({">50K": "<=50K", "<=50K": ">50K"}))
    monkeypatch.setattr("validation.judged.judging_parts", lambda _: replace(parts, window=turned))
    judgement = judge(candidate(made("default"), trees(made, config, 50)), config)
    measures = judgement.measures
    late_lines = [line for line in measures if line.group == "rows since the freeze"]
    assert [("roc_auc", "shown", 3000), ("log_loss", "shown", 3000)] == [
        (line.measure, line.verdict, line.n) for line in late_lines
    ]
    assert all(line.value and line.value < 0.1 for line in late_lines if line.measure == "roc_auc")
    assert all(line.interval and line.champion for line in late_lines)
    assert judgement.evidence["window"]["rows"] == 3000
    assert [(line.measure, line.value, line.champion) for line in late_lines] == [
        (one["metric"], one["candidate"], one["champion"]) for one in judgement.evidence["window"]["metrics"]
    ]
    assert {"pass", "shown"} == set(verdicts(measures).values()) | {line.verdict for line in measures}
    assert {"beside the test part, not judged"} == {line.why for line in late_lines}


def test_rows_since_the_freeze_are_told_of_the_candidate_alone(candidate, made, config, parts) -> None:
    """Without a champion, or beside one that cannot be compared, there is no figure of his, and no chance."""
    drawn = replace(config, performance=(Gate("balanced_accuracy", at_least=0.5, why="w"),))
    for proposed, compare in ((candidate(made("default")), True), (candidate(made("default"), made("default")), False)):
        first, again = (_window(proposed, parts.test.head(300), compare, drawn) for _ in range(2))
        assert ([None], first) == ([line.champion for line in first], again)


def test_the_report_gets_what_it_draws(candidate, made, config) -> None:
    """Curves of both models, what changed between them, or why they cannot be compared."""
    proposed = candidate(trees(made, config, 50), made("default"))
    told = judge(proposed, config).evidence
    assert {"candidate", "champion"} == set(told["curves"])
    assert (2, True) == (told["changes"]["against"], told["changes"]["flipped"] > 0)
    other = replace(proposed, champion=replace(proposed.champion, tags={"test-part": "another"}))
    assert "another test part" in judge(other, config).evidence["anew"]
    assert not {"anew", "changes"} & set(judge(candidate(made("default")), config).evidence)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_of_the_candidate_that_are_no_numbers_are_red(candidate, made, config, monkeypatch, value) -> None:
    """One is enough: every line fails and says why, a verdict can be written, and nothing is drawn of such a model."""
    _spoil(monkeypatch, made("default"), value)
    judgement = judge(candidate(made("default"), made("label_noise", label_noise)), config)
    measured = [line for line in judgement.measures if "judged" not in line.measure]
    assert {("fail", None, "an output of the candidate is not a number")} == {
        (line.verdict, line.value, line.why) for line in measured
    }
    assert {"metrics"} == set(judgement.evidence)
    json.dumps(judgement.evidence, allow_nan=False)


def test_outputs_of_the_champion_that_are_no_numbers_are_red(candidate, made, config, monkeypatch) -> None:
    """What was lost against it is unknown, so it fails; the floors hold, and the way out is named."""
    _spoil(monkeypatch, made("label_noise", label_noise), np.nan)
    judgement = judge(candidate(made("default"), made("label_noise", label_noise)), config)
    assert {"roc_auc lost to the champion", "log_loss lost to the champion"} == {
        line.measure for line in judgement.measures if line.verdict == "fail"
    }
    assert "an output of the champion is not a number: nobody can say what is lost" in judgement.measures[2].why
    assert "promote another version" in judgement.measures[2].why
    assert "changes" not in judgement.evidence
    json.dumps(judgement.evidence, allow_nan=False)


def test_the_same_output_for_everybody_is_red(candidate, made, config, monkeypatch) -> None:
    """A model that says the base rate of every row ranks nobody: the floors say so, and it loses to the champion."""
    _spoil(monkeypatch, made("default"), np.array([0.76, 0.24]), slice(None))
    found = verdicts(judge(candidate(made("default"), made("label_noise", label_noise)), config).measures)
    red = {"roc_auc", "log_loss", "roc_auc lost to the champion", "log_loss lost to the champion"}
    assert red == {name for name, verdict in found.items() if verdict == "fail"}


def _spoil(monkeypatch, folder, value, rows=5) -> None:
    """Let one sealed model give other outputs in some rows."""
    real, digest = Model.outputs, Model(folder).digest

    def spoilt(model, columns):
        outputs = real(model, columns)
        if model.digest == digest:
            outputs[rows] = value
        return outputs

    monkeypatch.setattr(Model, "outputs", spoilt)


def test_a_damaged_champion_is_no_pass(candidate, made, config, tmp_path) -> None:
    """What cannot be compared because it is broken stops the gate."""
    broken = shutil.copytree(made("default"), tmp_path / "broken")
    (broken / "golden.json").unlink()
    with pytest.raises(Refusal, match=r"golden\.json is missing"):
        judge(candidate(made("label_noise", label_noise), broken), config)


@pytest.mark.parametrize("metric", sorted(METRICS | MEANS))
def test_a_metric_of_nothing_or_of_nan_is_nan(metric) -> None:
    """No rows, or an output that is no number: never a value that could pass."""
    outcome = np.array([0.0, 1.0])
    assert np.isnan(measure(metric, outcome[:0], np.zeros((0, 2))))
    assert np.isnan(measure(metric, outcome, np.array([[0.5, 0.5], [np.nan, 0.5]])))


def test_roc_auc_is_that_of_scikit_learn() -> None:
    """Ties included, our definition is the usual one."""
    from sklearn.metrics import log_loss, roc_auc_score

    chance = np.random.default_rng(0)
    outcome = chance.integers(0, 2, 500).astype(float)
    scores = chance.integers(0, 20, 500) / 20
    outputs = np.column_stack([1 - scores, scores]).clip(0.01, 0.99)
    assert pytest.approx(roc_auc_score(outcome, scores)) == roc_auc(outcome, outputs)
    assert pytest.approx(log_loss(outcome, outputs)) == measure("log_loss", outcome, outputs)


def test_one_class_has_no_roc_auc() -> None:
    """With one class only the metric is not defined, so it fails."""
    assert np.isnan(measure("roc_auc", np.ones(5), np.full((5, 2), 0.5)))


def test_the_script_refuses_a_version_that_does_not_exist(chain) -> None:
    """The sentence says which versions there are."""
    ran = chain.run("validation.performance", "--model-version", "99")
    assert (2, "") == (ran.code, ran.out)
    assert "model version 99 does not exist in the registry: it has version 1" in ran.err


def test_the_script_refuses_a_version_of_another_test_part(chain_copy) -> None:
    """A version that was fitted before the freeze may have trained on the rows that judge now: no gate judges it."""
    chain_copy.change("config.py", 'test_part="data/test-part.txt"', 'test_part="data/test-part.txt", draw=2')
    gates = ("performance", "fairness", "behaviour", "parity")
    scripts = [[f"validation.{gate}", "--model-version", "1"] for gate in gates]
    frozen, *ran = chain_copy.run_all(["train.init", "freeze"], *scripts, ["train.promote", "--model-version", "1"])
    assert 0 == frozen.code
    assert [2, 2, 2, 2, 1] == [one.code for one in ran]
    assert all("version 1 was fitted beside another test part" in one.err for one in ran[:4])


@pytest.mark.parametrize("given", ["0", "-1", "one", "", "1.0", "\u0661"])
def test_the_script_refuses_what_is_no_version(chain, given) -> None:
    """Only whole numbers from 1 name a version."""
    ran = chain.run("validation.performance", f"--model-version={given}")
    assert (2, "") == (ran.code, ran.out)
    assert "is no model version" in ran.err
