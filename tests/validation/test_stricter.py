"""A proposal is judged by the stricter of its own bounds and the base's: nobody lowers the bar that he has to clear."""

import subprocess
from dataclasses import replace
from datetime import date

import pytest

from validation.contract import Config
from validation.stricter import stricter
from validation.words.bounds import Gate
from validation.words.image import Image
from validation.words.settings import Cost, Groups, Waiver

PROMOTED = ("validation.performance", "--model-version", "1")


def test_the_same_bounds_change_nothing(config) -> None:
    """Nothing differs, nothing is told."""
    assert config == stricter(config, config)


def gates(config: Config, **bounds: float) -> Config:
    """Change bounds of FAIRNESS by metric and column."""
    fairness = tuple(
        replace(gate, at_most=bounds.get(f"{gate.metric}_{gate.by}", gate.at_most)) for gate in config.fairness
    )
    return replace(config, fairness=fairness)


DP = "demographic_parity_difference by sex"


def test_a_loosened_gate_is_judged_as_it_was(config) -> None:
    """The number of the base counts, and the report says so."""
    merged = stricter(gates(config, demographic_parity_difference_sex=0.3), config)
    assert 0.15 == merged.fairness[0].at_most
    assert (f"FAIRNESS: {DP}, at most: at most became 0.3, it was 0.15; judged by 0.15",) == merged.changed


def test_a_tightened_gate_is_judged_as_it_is_now(config) -> None:
    """Stricter than before is what the proposal wants."""
    merged = stricter(gates(config, demographic_parity_difference_sex=0.1), config)
    assert 0.1 == merged.fairness[0].at_most
    assert (f"FAIRNESS: {DP}, at most: at most became 0.1, it was 0.15; tightened",) == merged.changed


def test_a_floor_is_stricter_when_it_is_higher(config) -> None:
    """at_least counts the other way round."""
    low = replace(config, performance=(Gate("roc_auc", at_least=0.5, why="w"), *config.performance[1:]))
    assert 0.915 == stricter(low, config).performance[0].at_least
    assert 0.915 == stricter(config, low).performance[0].at_least


def test_another_runtime_is_told(config) -> None:
    """Its pace is not held against a graph's: whoever reviews has to see it."""
    merged = stricter(replace(config, model=replace(config.model, runtime="skops")), config)
    assert ("MODEL: runtime became skops, it was onnx; its pace is its own",) == merged.changed
    assert "skops" == merged.model.runtime


def test_a_dropped_gate_is_judged_all_the_same(config) -> None:
    """Taking the bar away is no way over it."""
    merged = stricter(replace(config, performance=config.performance[:1]), config)
    assert {gate.measure for gate in config.performance} == {gate.measure for gate in merged.performance}
    assert 3 == sum("was dropped; it is judged all the same" in one for one in merged.changed)


def test_a_gate_that_cannot_be_judged_any_more_is_told(config) -> None:
    """Without the column nobody can measure it; a reviewer has to see that."""
    groups = Groups(100, 100, {"sex": ("Female", "Male")})
    head = replace(config, sensitive=("sex",), fairness=config.fairness[:2], groups=groups)
    base = replace(config, groups=groups)
    merged = stricter(head, base)
    assert config.fairness[:2] == merged.fairness
    assert any("was dropped, and can no longer be judged on these columns" in one for one in merged.changed)


def test_a_new_gate_counts(config) -> None:
    """What the proposal adds is judged."""
    more = Gate("accuracy", at_least=0.8, why="w")
    merged = stricter(replace(config, performance=(*config.performance, more)), config)
    assert more in merged.performance
    assert ("PERFORMANCE: accuracy, at least is new",) == merged.changed


def test_tolerances_steps_and_promises_are_compared(config) -> None:
    """Behaviour and table: the smaller tolerance, the step that was reviewed, the narrower range."""
    first = replace(config.behaviour[0], tolerate=0.4, step=5)
    rows = replace(config.dataset[0], at_least=10, at_most=500_000)
    merged = stricter(
        replace(config, behaviour=(first, *config.behaviour[1:]), dataset=(rows, *config.dataset[1:])), config
    )
    assert (0.05, 1) == (merged.behaviour[0].tolerate, merged.behaviour[0].step)
    assert (40_000, 500_000) == (merged.dataset[0].at_least, merged.dataset[0].at_most)
    assert {
        "BEHAVIOUR: rows where more education_num gives less: tolerate became 0.4, it was 0.05; judged by 0.05",
        "BEHAVIOUR: rows where more education_num gives less: step became 5, it was 1; judged by 1",
        "DATASET: rows: at least became 10, it was 40000; judged by 40000",
        "DATASET: rows: at most became 500000, it was 1000000; tightened",
    } == set(merged.changed)


def test_groups_cannot_be_let_out_of_judgement(config) -> None:
    """A larger minimum, or a shorter list, would leave groups unjudged."""
    merged = stricter(replace(config, groups=Groups(5000, 5000)), config)
    assert config.groups == merged.groups
    assert any("GROUPS.must_judge no longer names sex = Female" in one for one in merged.changed)


def test_parity_cost_and_looks_take_the_smaller(config) -> None:
    """Numbers on their own as well."""
    head = replace(config, parity=1e-4, looks=1000, cost=Cost(max_bytes=10**9, slower_at_most=2.0))
    head = replace(head, image=Image(max_mb=500, max_own_mb=100, ready_seconds=9))
    merged = stricter(head, config)
    assert (1e-5, 200, Cost(1_000_000, 2.0)) == (merged.parity, merged.looks, merged.cost)
    assert Image(220, 100, 1.0) == merged.image
    assert 7 == len(merged.changed)


def test_how_much_worse_a_deployment_may_be_takes_the_smaller(config) -> None:
    """Whoever reviews a proposal is told that the next versions would be let through more easily."""
    head = replace(config, deploy=replace(config.deploy, error_rate_worse_by=0.3, slower_by=0.005, bake_seconds=60))
    merged = stricter(head, config)
    assert (0.005, 0.005, 600) == (
        merged.deploy.error_rate_worse_by, merged.deploy.slower_by, merged.deploy.bake_seconds
    )  # fmt: skip
    assert (
        "DEPLOY: bake seconds became 60, it was 600; judged by 600",
        "DEPLOY: error rate worse by became 0.3, it was 0.005; judged by 0.005",
        "DEPLOY: slower by became 0.005, it was 0.02; tightened",
    ) == merged.changed


def test_a_proposal_cannot_waive_itself(config) -> None:
    """A new waiver stands once it is merged; a longer one until it was to end."""
    day, later = date(2026, 12, 1), date(2026, 12, 31)
    new = Waiver("equalized_odds_difference", "race", "ada", "r", later)
    merged = stricter(replace(config, waivers=(new,)), config)
    assert () == merged.waivers
    assert "is new, for ada until 2026-12-31; it stands once this is merged" in merged.changed[0]
    longer = stricter(replace(config, waivers=(new,)), replace(config, waivers=(replace(new, expires=day),)))
    assert day == longer.waivers[0].expires


def test_values_stay_private(config) -> None:
    """What was withheld is not shown by a proposal."""
    assert not stricter(config, replace(config, show_values=False)).show_values


@pytest.fixture
def proposal(chain_copy, monkeypatch):
    """A copy of the chain in a git repository, its config.py committed."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid"]

    def commit(message: str) -> None:
        subprocess.run([*git, "add", "config.py"], cwd=chain_copy.root, check=True)
        subprocess.run([*git, "commit", "-qm", message], cwd=chain_copy.root, check=True)

    subprocess.run(["git", "init", "-qb", "main"], cwd=chain_copy.root, check=True)
    commit("base")
    monkeypatch.setenv("BASE_COMMIT", "HEAD")
    return chain_copy, commit


def test_the_gates_take_the_bounds_of_the_base(proposal) -> None:
    """A floor that the proposal lowers still stops the model; on its own it would pass."""
    workspace, commit = proposal
    workspace.change("config.py", "at_least=0.915", "at_least=0.99")
    commit("a base that asks for more")
    workspace.change("config.py", "at_least=0.99", "at_least=0.915")
    ran = workspace.run(*PROMOTED)
    assert (1, True) == (ran.code, "bound: at least 0.99" in ran.err)
    report = workspace.run("validation.report", "--model-version", "1")
    assert report.code == 1
    assert "at least became 0.915, it was 0.99; judged by 0.99" in report.out


@pytest.mark.parametrize("commit", ["no-such-commit", "-x", "HEAD;true", "--output=x"])
def test_a_base_that_cannot_be_read_is_refused(proposal, monkeypatch, commit) -> None:
    """Without the bounds of the base nothing is judged."""
    workspace, _ = proposal
    monkeypatch.setenv("BASE_COMMIT", commit)
    ran = workspace.run(*PROMOTED)
    assert (2, "") == (ran.code, ran.out)
    assert "BASE_COMMIT=" in ran.err


def test_a_base_of_other_words_is_refused(proposal) -> None:
    """What the code of now cannot read cannot be compared; the sentence says what to do."""
    workspace, commit = proposal
    text = (workspace.root / "config.py").read_text()
    workspace.change("config.py", 'Gate("roc_auc", at_least', 'OldGate("roc_auc", at_least')
    commit("older words")
    (workspace.root / "config.py").write_text(text)
    ran = workspace.run(*PROMOTED)
    assert (2, True) == (ran.code, "let an administrator merge" in ran.err)


@pytest.mark.parametrize(("new", "unknown"), [("LOOKS = 200", "UNUSED = 200"), ("DEPLOY = Deploy(", "UNUSED = dict(")])
def test_what_the_base_did_not_know_yet_is_as_it_is_now(proposal, new, unknown) -> None:
    """A constant that is new counts as it stands."""
    workspace, commit = proposal
    text = (workspace.root / "config.py").read_text()
    workspace.change("config.py", new, unknown)
    commit("before the word")
    (workspace.root / "config.py").write_text(text)
    assert 0 == workspace.run(*PROMOTED).code
