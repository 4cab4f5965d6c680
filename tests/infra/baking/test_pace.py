"""When a replay that has not told yet ends: soon where too little comes, never while enough may come."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from infra.baking.heard import NONE, Replayed
from infra.baking.pace import Pace


@pytest.fixture
def deploy(config):
    return replace(config.deploy, replay_seconds=900.0)


@dataclass
class Users:
    """What is known of users."""

    asked: float
    seconds: float


class Watched:
    """A pace on a clock of its own; each step is (seconds that pass, rows that came in them)."""

    def __init__(self, deploy):
        self.now, self.rows = 0.0, 0
        self.pace = Pace(deploy, lambda: self.now)

    def after(self, *steps, users=None, **more):
        """Return what it says at the end."""
        for seconds, rows in steps:
            self.now, self.rows = self.now + seconds, self.rows + rows
            counts = replace(NONE, asked=self.rows, timed=self.rows, slow=np.zeros(len(NONE.bounds)))
            seen = Replayed(counts, counts, 0, 0, "", False, **more)
            self.pace.take(seen)
        return self.pace.over(seen, users)


def test_too_slow_a_replay_ends_after_a_while_and_says_why(deploy) -> None:
    """The rows that would come, those that are needed, and how long an answer takes; not before two minutes."""
    watched = Watched(deploy)
    assert "" == watched.after(*[(9, 4)] * 13)
    said = watched.after((9, 4), taken="canary in 9.0 s, stable in 9.0 s")
    assert (
        "answers come too slowly (canary in 9.0 s, stable in 9.0 s): some 400 would in 900 s, and fewer than 1,218"
        " never tell"
    ) == said


@pytest.mark.parametrize(
    "steps",
    [[(9, 14)] * 14, [(60, 1), (65, 1300)], [(1, 1300), (600, 0)]],
    ids=["just enough", "slow at first", "enough came"],
)
def test_one_that_may_come_to_enough_goes_on(deploy, steps) -> None:
    """Whatever the pace is, until the time is over."""
    watched = Watched(deploy)
    assert "" == watched.after(*steps)
    assert "more than 900 s are not replayed" == watched.after((900, 0))


def test_the_pace_is_measured_anew_when_stable_is_left_aside(deploy) -> None:
    """What came before was stable's pace; the same rows at once are judged otherwise when nothing changed."""
    steps = [(9, 4)] * 13
    changed, same = Watched(deploy), Watched(deploy)
    changed.after(*steps)
    assert "" == changed.after((4, 10), aside="it is slow")
    assert "" == changed.after(*[(9, 18)] * 14, aside="it is slow")
    same.after(*steps)
    assert "too slowly" in same.after((4, 10))
    assert "too slowly" in changed.after(*[(9, 1)] * 11, aside="it is slow")


def test_users_who_would_be_enough_are_waited_for(deploy) -> None:
    """They are judged in the half of the time that is theirs."""
    assert "" == Watched(deploy).after(*[(10, 1)] * 13, users=Users(900, 600.0))
    assert "too slowly" in Watched(deploy).after(*[(10, 1)] * 13, users=Users(600, 600.0))


def test_nothing_but_429_has_its_own_words(deploy) -> None:
    """One row that is counted begins the wait anew."""
    watched = Watched(deploy)
    assert "" == watched.after((60, 0), (25, 1300), skipped=5)
    assert "" == watched.after((119, 0), skipped=9)
    assert "for 120 s all that came back was 429 (too often)" == watched.after((2, 0), skipped=9)
