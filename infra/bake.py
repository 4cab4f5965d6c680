"""The bake: a new version beside the old one, compared by their own `/metrics` until one may say which it is.

It ends with `undo` as soon as a share is surely worse than DEPLOY tolerates, with `finish` as soon as none can be, and
with `not enough` when the time is over before. However often it looks, it errs either way with a chance of
DEPLOY.false_alarms at most (infra/baking/sequential.py, compared.py); `python -m tests.bench.bake` measures how often.
The share of the requests that the canary gets has to stay the same meanwhile: else the two sides are asked at other
hours, and may differ by that.

Where users ask too little, requests are replayed to both sides (infra/replay.py), and what came back to the replay is
compared: it knows what got no answer at all, and what each answer should have been. False alarms are then split between
users and replay.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.baking.compared import Line, judge
from infra.baking.counts import Counts
from infra.baking.measures import Unlike, of_answers, of_predictions, of_requests
from infra.baking.sequential import enough
from infra.baking.sides import Metrics, Side, Sides, side
from infra.baking.verdict import NOT_ENOUGH, Verdict, conclude
from validation.contract import Deploy
from validation.script import log

__all__ = ["Metrics", "Replay", "Replayed", "Side", "Verdict", "bake", "shadow", "side"]

QUIET = 3  # looks after which it is said that the requests of users will not be enough

Clock = Callable[[], float]


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a replay has seen so far: the counts of both sides, and of the canary's answers those that it compared.

    `said` is about the first answer that was unlike the bundle's own; `done` tells that there is nothing left to send.
    """

    canary: Counts
    stable: Counts | None
    compared: int
    unlike: int
    said: str
    done: bool


Replay = Callable[[float], Replayed]  # sends for so many seconds, and tells all that it has seen


def bake(
    metrics: Metrics,
    canary: Side,
    stable: Side | None,
    deploy: Deploy,
    replay: Replay | None = None,
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Compare until it is clear, or the time is over; without `stable` nothing served before.

    Raises what `replay` raises when it is set up wrongly.
    """
    sides, alpha = Sides(metrics, canary, stable), deploy.false_alarms / (1 if replay is None else 2)
    needed = enough(deploy.error_rate_worse_by, alpha / 2)
    began, looks = clock(), 0
    while True:
        problem, seconds, looks = sides.look(), clock() - began, looks + 1
        verdict = _of_users(sides, problem, deploy, alpha, seconds, looks)
        if verdict.outcome != NOT_ENOUGH:
            return verdict
        few = sides.asked < needed
        hopeless = looks > QUIET and sides.asked * deploy.bake_seconds < needed * seconds
        if seconds >= deploy.bake_seconds or (hopeless and replay is not None):
            break
        sleep(min(deploy.look_seconds, deploy.bake_seconds - seconds))
    if not few or replay is None:  # many requests that do not tell stand on the edge: others do not excuse them
        return verdict
    log(f"infra.bake: {sides.asked:.0f} requests of users in {seconds:.0f} s are not enough; requests are replayed")
    return shadow(replay, deploy, alpha, sides.look, verdict.notes, clock)


def shadow(
    replay: Replay,
    deploy: Deploy,
    alpha: float,
    problem: Callable[[], str] = str,
    notes: tuple[str, ...] = (),
    clock: Clock = time.monotonic,
) -> Verdict:
    """Judge by replayed requests, whose answers no user gets, until it is clear or there are none left.

    `problem` looks after the canary meanwhile, and says in a sentence why it must be undone.
    """
    began, looks = clock(), 0
    while True:
        seen, looks = replay(deploy.look_seconds), looks + 1
        lines: tuple[Line, ...] = ()
        wrong = problem()
        try:
            asked = of_requests(seen.canary, seen.stable, deploy)
            lines = judge([*asked, of_answers(seen.compared, seen.unlike, deploy)], alpha)
        except Unlike as error:
            wrong = str(error)
        if seen.unlike:  # no share of these is tolerated: the bundle knows each answer
            wrong = f"a replayed answer is not the bundle's own: {seen.said}"
        asked_for = f"{seen.canary.asked:.0f} replayed requests"
        verdict = conclude(lines, wrong, asked_for, "replay", clock() - began, looks, notes)
        if verdict.outcome != NOT_ENOUGH or seen.done:
            return verdict


def _of_users(sides: Sides, wrong: str, deploy: Deploy, alpha: float, seconds: float, looks: int) -> Verdict:
    """Judge once what the requests of users have shown so far."""
    lines: tuple[Line, ...] = ()
    canary, stable = sides.counts
    if not wrong and canary is not None:
        try:
            asked = of_requests(canary, stable, deploy)
            lines = judge([*asked, of_predictions(canary, stable, sides.expected, sides.before, deploy)], alpha)
        except Unlike as error:
            wrong = str(error)
    return conclude(lines, wrong, f"{sides.asked:.0f} requests of users", "users", seconds, looks, sides.notes())
