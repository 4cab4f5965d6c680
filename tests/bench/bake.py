"""Measure how often the bake errs: thousands of made-up deployments through the real loop, on a made-up clock.

Usage: python -m tests.bench.bake [--runs 1000] [--only "errors.*"] [--seed 1]

Reads   DEPLOY in config.py.
Prints  a table in Markdown: of each kind of deployment the share that was undone, finished, or could not be told, with
        the mean time and the canary's requests until then; what it does meanwhile goes to stderr.
Exits   0 always, unless something breaks: a benchmark decides nothing.

Each look is a text of /metrics, written by the service's own code and read by the bake's. Requests come at random, each
with its own time, outcome and prediction. Stable fails 1 in 1,000, refuses 2 in 100, and takes 4 ms in the median.
"""

import argparse
import os
import re
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
import numpy.typing as npt
from scipy import stats

from infra import bake
from infra.baking import expected
from infra.baking.counts import Counts
from infra.baking.heard import NONE, Heard, reason_to_leave
from serve.refusal import KINDS
from serve.seen.counts import Counts as Cells
from serve.seen.exposition import exposition
from serve.seen.layout import SECONDS, Layout
from validation import contract
from validation.contract import Deploy

EDGES = np.linspace(0, 1, 21)
DRIFT = {"columns": {"x": {"edges": [], "counts": [1], "missing": 0}}, "outputs": {"edges": EDGES.tolist()}}
INPUTS = [{"name": "x", "type": "number", "low": 0, "high": 1, "integer": False, "missing": False}]
LAYOUT = Layout(INPUTS, {"labels": ["no", "yes"]}, DRIFT, KINDS)
STALL = 1 / 3  # seconds, in which requests wait for a sixth on average
DAY = 120.0  # seconds of the shortest day ever: traffic, errors and times rise and fall in it


@dataclass(frozen=True)
class Service:
    """How a made-up service answers: shares that fail and are refused, median seconds, and the shift of predictions.

    `rows` are in one request on average, from one to many times so many, and alike in it. `stalls` come in a minute; in
    the third of a second that one takes nothing is answered.
    """

    failed: float = 0.001
    refused: float = 0.02
    seconds: float = 0.004
    spread: float = 0.5  # of the logarithm of the seconds
    shifted: float = 0.0  # share of the predictions that lie in the upper half, beside those that do anyway
    rows: int = 1
    stalls: float = 0.0

    def predictions(self) -> npt.NDArray[np.float64]:
        """Return the share of the predictions in each bin."""
        base = np.diff(stats.beta(1.2, 3).cdf(EDGES))
        high = np.diff(stats.beta(3, 1.2).cdf(EDGES))
        return np.asarray((1 - self.shifted) * base + self.shifted * high)


@dataclass(frozen=True)
class Kind:
    """One kind of deployment, and what should become of it; `per_second` are the requests of users, to both sides."""

    name: str
    canary: Service = Service()
    stable: Service = Service()
    per_second: float = 200.0
    expected: float = 0.0  # shift of the predictions that the test part shows
    wavy: bool = False  # a day passes every two minutes
    replayed: bool = False


A = Service()
SLOW = Service(seconds=9, spread=0.05)
KINDS_OF_DEPLOYMENT = (
    Kind("A/A"),
    Kind("A/A, the hours of a day differ", wavy=True),
    Kind("A/A, predictions shifted as the test part shows", replace(A, shifted=0.2), expected=0.2),
    Kind("A/A, some 20 rows alike in each request", replace(A, rows=20), replace(A, rows=20)),
    Kind("A/A, each stalls once a minute", replace(A, stalls=1), replace(A, stalls=1)),
    Kind("A/A, low traffic: 2 requests a second", per_second=2),
    Kind("A/A, low traffic, replayed", per_second=2, replayed=True),
    Kind("no traffic", per_second=0),
    Kind("A/A, no traffic, replayed", per_second=0, replayed=True),
    Kind("errors worse by exactly the bound, 0.5 %", replace(A, failed=0.006)),
    Kind("errors +1 %", replace(A, failed=0.011)),
    Kind("errors +1 %, 1,000 requests a second", replace(A, failed=0.011), per_second=1000),
    Kind("errors +5 %", replace(A, failed=0.051)),
    Kind("errors +5 %, low traffic", replace(A, failed=0.051), per_second=2),
    Kind("errors +5 %, no traffic, replayed", replace(A, failed=0.051), per_second=0, replayed=True),
    Kind("stable takes 9 s, no traffic, replayed", A, SLOW, per_second=0, replayed=True),
    Kind(
        "stable takes 9 s, errors by the bound, replayed", replace(A, failed=0.006), SLOW, per_second=0, replayed=True
    ),
    Kind("stable takes 9 s, errors +5 %, replayed", replace(A, failed=0.051), SLOW, per_second=0, replayed=True),
    Kind("both take 9 s, no traffic, replayed", SLOW, SLOW, per_second=0, replayed=True),
    Kind("the canary takes 9 s, no traffic, replayed", SLOW, per_second=0, replayed=True),
    Kind("refusals +5 %", replace(A, refused=0.07)),
    Kind("times x 1.5", replace(A, seconds=0.006)),
    Kind("times x 2", replace(A, seconds=0.008)),
    Kind("predictions shifted by 20 %, expected none", replace(A, shifted=0.2)),
    Kind("predictions shifted by 40 %, expected 20 %", replace(A, shifted=0.4), expected=0.2),
)


class Made:
    """A made-up service that counts as the real one does."""

    def __init__(self, service: Service, chance: np.random.Generator) -> None:
        self.service, self._chance, self._cells = service, chance, Cells(LAYOUT)
        self._times, self._bins = service.spread, service.predictions()

    def serve(self, requests: int, seconds: float, hour: float = 1.0) -> None:
        """Answer requests of so many seconds; where the `hour` is above 1, more of them fail, and all take longer."""
        one, chance = self.service, self._chance
        failed = chance.binomial(requests, one.failed * hour)
        refused = chance.binomial(requests - failed, one.refused)
        within = stats.norm.cdf(np.log(np.array(SECONDS) / (one.seconds * hour)) / one.spread)
        times = chance.multinomial(requests, np.diff(np.concatenate([[0.0], within, [1.0]])))
        stalled = chance.binomial(requests, min(chance.poisson(one.stalls * seconds / 60) * STALL / seconds, 1.0))
        times = times - chance.multivariate_hypergeometric(times, stalled)
        times[SECONDS.index(0.25)] += stalled
        rows = alike = chance.multinomial(requests - failed - refused, self._bins)
        more = chance.negative_binomial(np.maximum(rows, 1), 1 / one.rows) if one.rows > 1 else 0
        rows = rows + more * (rows > 0)
        common, cells = self._cells._common[0], self._cells._all[0]
        for status, count in ((200, requests - failed - refused), (422, refused), (500, failed)):
            common[LAYOUT.answer("predict", status)] += count
        common[LAYOUT.seconds : LAYOUT.seconds_sum] += times
        common[LAYOUT.rows] += rows.sum()
        cells[LAYOUT.outputs : LAYOUT.outputs_sum] += rows
        cells[LAYOUT.chosen : LAYOUT.outputs] += (rows[:10].sum(), rows[10:].sum())
        if one.rows > 1:
            cells[LAYOUT.many : LAYOUT.size] += np.concatenate(
                [rows, alike, *([each[:10].sum(), each[10:].sum()] for each in (rows, alike))]
            )

    def text(self, version: int) -> str:
        """Return what /metrics tells."""
        release = {"model": "made", "model_version": version, "model_digest": f"digest-{version}"}
        return exposition(self._cells, release).decode()


def side(version: int, service: Service) -> bake.Side:
    """Return what the bundle of a made-up service tells of it."""
    bins = service.predictions()
    above = bins[::-1].cumsum()[::-1][1:]
    chosen = np.array([bins[:10].sum(), bins[10:].sum()])
    told = expected.Expected(expected.as_ends(EDGES.tolist()), above, ("no", "yes"), chosen, expected.TEST_PART)
    return bake.Side(str(version), f"digest-{version}", told)


def run(kind: Kind, deploy: Deploy, seed: int) -> bake.Verdict:
    """Deploy once."""
    chance = np.random.default_rng(seed)
    canary, stable = Made(kind.canary, chance), Made(kind.stable, chance)
    now = 0.0

    def passes(seconds: float) -> None:
        nonlocal now
        now += seconds
        hour = 1 + 0.5 * np.sin(2 * np.pi * now / DAY) if kind.wavy else 1.0
        requests = chance.poisson(kind.per_second * seconds * hour)
        ours = chance.binomial(requests, deploy.canary_share)
        canary.serve(ours, seconds, hour)
        stable.serve(requests - ours, seconds, hour)

    ours, theirs = Heard("canary"), Heard("stable")

    def replay(seconds: float) -> bake.Replayed:
        passes(seconds)
        sides = [(ours, kind.canary), *([] if theirs.aside else [(theirs, kind.stable)])]
        answered = seconds * deploy.replay_at_once / max(service.seconds for _, service in sides)
        most = max(1, round(min(seconds * deploy.replay_per_second, answered)))
        requests = min(most, deploy.replay_requests - ours.rows)
        for heard, service in sides:
            heard.counts = heard.counts.plus(_replayed(replace(service, refused=0.0), requests, chance))
            heard.rows, heard.spent = heard.rows + requests, heard.spent + requests * service.seconds
        theirs.aside = theirs.aside or reason_to_leave(theirs, ours, deploy)
        return bake.Replayed(ours.counts, theirs.counts, ours.rows, 0, "", requests == 0, aside=theirs.aside)

    return bake.bake(
        lambda: ([stable.text(1)], [canary.text(2)]),
        side(2, replace(kind.stable, shifted=kind.expected)),
        side(1, kind.stable),
        deploy,
        replay if kind.replayed else None,
        lambda: now,
        passes,
    )


def _replayed(service: Service, requests: int, chance: np.random.Generator) -> Counts:
    within = stats.norm.cdf(np.log(np.array(SECONDS) / service.seconds) / service.spread)
    times = chance.multinomial(requests, np.diff(np.concatenate([[0.0], within, [1.0]])))
    slow = requests - np.cumsum(times[:-1]).astype("float64")
    failed = chance.binomial(requests, service.failed)
    return replace(NONE, asked=requests, failed=failed, timed=requests, slow=slow)


def summed(kind: Kind, verdicts: Sequence[bake.Verdict]) -> list[str]:
    """Write what became of the deployments of one kind."""
    found = Counter(verdict.outcome for verdict in verdicts)
    shares = [f"{found[outcome] / len(verdicts):.3f}" for outcome in ("undo", "finish", "not enough")]
    seconds = statistics.fmean(verdict.seconds for verdict in verdicts)
    requests = statistics.fmean(verdict.lines[0].n if verdict.lines else 0 for verdict in verdicts)
    return [kind.name, f"{len(verdicts):,}", *shares, f"{seconds:.0f}", f"{requests:,.0f}"]


def main() -> int:
    """Run the benchmark."""
    manual = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    manual.add_argument("--runs", type=int, default=1000)
    manual.add_argument("--only", default=".*", help="kinds of deployments, as a regular expression")
    manual.add_argument("--seed", type=int, default=1)
    given = manual.parse_args()
    deploy = contract.load().deploy
    rows = [["deployment", "runs", "undone", "finished", "not enough", "seconds", "canary's requests"]]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for kind in (one for one in KINDS_OF_DEPLOYMENT if re.fullmatch(given.only, one.name)):
            seeds = range(given.seed * 1_000_000, given.seed * 1_000_000 + given.runs)
            verdicts = list(pool.map(run, repeat(kind), repeat(deploy), seeds, chunksize=10))
            rows.append(summed(kind, verdicts))
            sys.stderr.write(f"tests.bench.bake: {' | '.join(rows[-1])}\n")
    rows.insert(1, ["---", *["---:"] * (len(rows[0]) - 1)])
    sys.stdout.write("".join(f"| {' | '.join(row)} |\n" for row in rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
