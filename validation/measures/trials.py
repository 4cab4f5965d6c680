"""How often the gates of PERFORMANCE say yes: trials on test sets drawn from the test part.

The test part stands for the population: what a model loses on the whole of it is what it truly loses. Each trial draws
as many of its rows, with replacement. The intervals of the shares are over trials, for the models that were fitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validation.contract import Config
from validation.gate import judged
from validation.measures.metrics import Array, measure
from validation.measures.paired import lost
from validation.measures.recipes import Models, Progress
from validation.script import Refusal
from validation.words.bounds import PERFORMANCE_METRICS, Gate

ALL = "all conditions"
ACCEPTED, HELD_BACK, REFUSED = "pass at least 0.95", "pass at most 0.05", "refused"
AT_LEAST, AT_MOST = 0.95, 0.05
DRAWS = 100  # of a bootstrap within a trial; the gate itself takes more, a trial is one of a thousand
WORSE = 6  # models that are worse by exactly a margin
STEPS = 40  # of a bisection
LARGEST = 1e3  # noise, in log-odds or standard deviations of the outcome: nothing of the model is left


@dataclass(frozen=True)
class Case:
    """Models of one sort, and by which gates they are judged together."""

    what: str
    measure: str
    wanted: str
    models: Sequence[Array]
    gates: Sequence[Gate]


def cases_of(models: Models, outcome: Array, config: Config) -> list[Case]:
    """List what is tried: equal models, models worse by each margin, and faults."""
    every = config.performance
    margins = [gate for gate in every if gate.lose_at_most is not None]
    equal = "another fit of the same recipe"
    cases = [Case(equal, ALL, ACCEPTED, models.equal, every)]
    cases += [Case(equal, gate.measure, ACCEPTED, models.equal, [gate]) for gate in margins]
    for gate in margins:
        if gate.lose_at_most:  # nothing is worse by a margin of nought
            worse = [worse_by(gate, models.champion, outcome, config, seed) for seed in range(WORSE)]
            cases.append(Case("a model that is worse by the margin", gate.measure, HELD_BACK, worse, [gate]))
    return cases + [Case(what, ALL, REFUSED, [outputs], every) for what, outputs in models.faults.items()]


def run_trials(
    cases: Sequence[Case], champion: Array, outcome: Array, config: Config, trials: int, progress: Progress
) -> list[dict[str, Any]]:
    """Draw test sets and judge on each one model of each case, in turn; return the lines of the calibration."""
    chance = np.random.default_rng(config.seed)
    passed = [0] * len(cases)
    for trial in progress("trials", trials):
        rows = chance.integers(0, len(outcome), len(outcome))
        true, theirs = outcome[rows], champion[rows]
        known: dict[tuple[int, str], bool] = {}
        for place, case in enumerate(cases):
            model = case.models[trial % len(case.models)]
            for gate in case.gates:
                name = (id(model), gate.measure)
                if name not in known:
                    known[name] = passes(gate, true, theirs, model[rows], config)
                if not known[name]:
                    break
            else:
                passed[place] += 1
    return [line(case.what, case.measure, case.wanted, hits, trials) for case, hits in zip(cases, passed, strict=True)]


def passes(gate: Gate, outcome: Array, theirs: Array, ours: Array, config: Config) -> bool:
    """Judge a model against the champion by one gate of PERFORMANCE, as the gate does."""
    if gate.lose_at_most is None:
        value = measure(gate.metric, outcome, ours)
        return judged(gate.measure, "", value, gate.bound, len(outcome), gate.why).verdict == "pass"
    up = PERFORMANCE_METRICS[config.target.kind][gate.metric] == "up"
    loss, ends = lost(gate.metric, up, outcome, theirs, ours, config.seed, DRAWS)
    return judged(gate.measure, "", loss, gate.bound, len(outcome), gate.why, ends).verdict == "pass"


def worse_by(gate: Gate, champion: Array, outcome: Array, config: Config, seed: int) -> Array:
    """Add noise to the champion's outputs until it loses the gate's margin on all rows of the test part.

    The noise is on the log-odds, or on the quantity. Raises Refusal when no noise loses so much.
    """
    noise = np.random.default_rng([config.seed, seed]).standard_normal(champion.shape)
    up = PERFORMANCE_METRICS[config.target.kind][gate.metric] == "up"
    before, margin = measure(gate.metric, outcome, champion), gate.lose_at_most or 0.0

    def loses(size: float) -> float:
        after = measure(gate.metric, outcome, degraded(champion, size * noise, outcome, config))
        return before - after if up else after - before

    low, high = 0.0, 1e-3
    while not loses(high) >= margin:
        low, high = high, high * 2
        if high > LARGEST:
            raise Refusal(
                f"PERFORMANCE: Gate({gate.metric!r}): '{gate.bound}' can hardly be broken: a champion drowned in noise"
                " loses less; give a smaller margin"
            )
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if loses(middle) >= margin else (middle, high)
    return degraded(champion, high * noise, outcome, config)


def degraded(outputs: Array, noise: Array, outcome: Array, config: Config) -> Array:
    """Add noise to outputs: to the logarithms of probabilities, or to quantities in standard deviations."""
    if config.target.kind == "quantity":
        return np.asarray(outputs + noise * outcome.std())
    moved = np.log(np.clip(outputs, np.finfo("float32").tiny, 1)) + noise
    powers = np.exp(moved - moved.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def line(what: str, name: str, wanted: str, passed: int, trials: int) -> dict[str, Any]:
    """Judge a measured rate: it passes where its 95 % interval (Clopper and Pearson, 1934) keeps what is wanted.

    A rate that keeps it while its interval does not is `insufficient`: more trials could tell; any other fails.
    """
    from scipy.stats import binomtest

    low, high = map(float, binomtest(passed, trials).proportion_ci(0.95, method="exact"))
    rate = passed / trials
    holds, proven = (rate >= AT_LEAST, low >= AT_LEAST) if wanted == ACCEPTED else (rate <= AT_MOST, high <= AT_MOST)
    shares = {"passed": rate, "low": low, "high": high}
    return {
        "what": what,
        "measure": name,
        "wanted": wanted,
        **{key: round(share, 6) for key, share in shares.items()},
        "trials": trials,
        "verdict": "fail" if not holds else "pass" if proven else "insufficient",
    }
