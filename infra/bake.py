"""The bake: a new version beside the old one, compared by their own `/metrics` until one may say which it is.

It ends with `undo` as soon as a share is surely worse than DEPLOY tolerates, with `finish` as soon as none can be, and
with `not enough` when the time is over before. However often it looks, it errs either way with a chance of
DEPLOY.false_alarms at most (infra/baking/sequential.py, compared.py); `python -m tests.bench.bake` measures how often.
The share of the requests that the canary gets has to stay the same meanwhile: else the two sides are asked at other
hours, and may differ by that.

Where users ask too little to tell, requests are replayed to both sides (infra/replay.py), and what came back to the
replay is compared: it knows what got no answer at all, and what each answer should have been. Users still get the
canary meanwhile: between two parts of the replay they are looked at alone (infra/baking/users.py), and where they tell,
they decide. False alarms are split between users and replay.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from infra.baking.compared import Line, beyond_excuse, judge
from infra.baking.heard import Replayed
from infra.baking.measures import Unlike, of_answers, of_requests
from infra.baking.pace import Pace
from infra.baking.sequential import enough
from infra.baking.sides import Metrics, Side, Sides, side
from infra.baking.users import Users
from infra.baking.verdict import FINISH, NOT_ENOUGH, UNDO, Verdict, conclude
from validation.contract import Deploy
from validation.script import log

__all__ = ["Metrics", "Replay", "Replayed", "Side", "Verdict", "bake", "shadow", "side"]

QUIET = 3  # looks after which it is said that the requests of users will not be enough

Clock = Callable[[], float]
Sleep = Callable[[float], None]


Replay = Callable[[float], Replayed]  # sends for so many seconds, and tells all that it has seen


def bake(
    metrics: Metrics,
    canary: Side,
    stable: Side | None,
    deploy: Deploy,
    replay: Replay | None = None,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Verdict:
    """Compare until it is clear, or the time is over; without `stable` nothing served before.

    Raises what `replay` raises when it is set up wrongly.
    """
    alpha = deploy.false_alarms / (1 if replay is None else 2)
    users = Users(Sides(metrics, canary, stable), deploy, alpha, clock)
    needed = enough(deploy.error_rate_worse_by, alpha / 2)
    while True:
        seconds, verdict = users.seconds, users.look()
        if verdict.outcome != NOT_ENOUGH:
            return verdict
        hopeless = users.looks > QUIET and users.asked * deploy.bake_seconds < needed * seconds
        if seconds >= deploy.bake_seconds or (hopeless and replay is not None and not users.doubtful):
            break
        sleep(min(deploy.look_seconds, deploy.bake_seconds - seconds))
    if users.doubtful or replay is None:  # more than requests is lacking: others do not excuse it
        return verdict
    log(f"infra.bake: {users.asked:.0f} requests of users in {seconds:.0f} s are not enough; requests are replayed")
    return shadow(replay, deploy, alpha, users, clock, sleep)


def shadow(
    replay: Replay,
    deploy: Deploy,
    alpha: float,
    users: Users | None = None,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Verdict:
    """Judge by replayed requests, whose answers no user gets, until it is clear, or there are none left, or no time.

    It ends as soon as it can be told that what would come in time will not tell.
    `users` are those who get the canary meanwhile: they are judged too, and where they tell, they decide.
    """
    pace, looks = Pace(deploy, clock), 0
    while True:
        seen, looks = replay(deploy.look_seconds), looks + 1
        pace.take(seen)
        wrong = users.skip() if users else ""
        verdict = _of_replay(seen, wrong, deploy, alpha, clock() - pace.began, looks)
        if users and verdict.outcome != UNDO:
            sleep(deploy.look_seconds)
            theirs = users.look("requests")
            if theirs.outcome != NOT_ENOUGH:
                return theirs
            notes = (*theirs.notes, *verdict.notes)
            doubted = users.doubtful and verdict.outcome == FINISH
            verdict = theirs if doubted else replace(verdict, notes=notes)
        if verdict.outcome != NOT_ENOUGH or seen.done:
            return verdict
        if over := _inexcusable(seen, deploy, alpha) or pace.over(seen, users):
            return replace(verdict, sentence=f"{verdict.sentence}; {over}")


def _of_replay(seen: Replayed, wrong: str, deploy: Deploy, alpha: float, seconds: float, looks: int) -> Verdict:
    """Judge once what replayed requests have shown so far, or tell what is `wrong` whatever that is."""
    lines: tuple[Line, ...] = ()
    try:
        asked = of_requests(seen.canary, seen.stable, deploy)
        lines = judge([*asked, of_answers(seen.compared, seen.unlike, deploy)], alpha)
    except Unlike as error:
        wrong = wrong or str(error)
    if seen.unlike:  # no share of these is tolerated: the bundle knows each answer
        wrong = f"a replayed answer is not the bundle's own: {seen.said}"
    notes = (seen.aside,) if seen.aside else ()
    return conclude(lines, wrong, f"{seen.canary.asked:.0f} replayed requests", "replay", seconds, looks, notes)


def _inexcusable(seen: Replayed, deploy: Deploy, alpha: float) -> str:
    """Say for the end of a sentence what no further request can show to be no worse; nothing where stable is asked."""
    name = beyond_excuse(of_requests(seen.canary, seen.stable, deploy), alpha) if seen.aside else ""
    return name and f"{name}: the canary has surely more than stable, which is asked no more, can excuse"
