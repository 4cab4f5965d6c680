"""What has come back to a replay from each side, and when stable is left aside so that it does not hold all else up."""

from dataclasses import dataclass, field

import numpy as np

from infra.baking.counts import Counts, failed
from infra.baking.sequential import fewest
from serve.seen.layout import SECONDS
from validation.contract import Deploy

HUNG = 12  # rows in a row without an answer of stable in time: then it is asked no more, and the canary goes on
HELD_UP = 45.0  # seconds that a replay waits before stable is called slow: it may wake up first; some 18 rows at least
NONE = Counts((*SECONDS,), (), (), 0, 0, 0, 0, np.zeros(len(SECONDS)), 0, np.zeros(0), np.zeros(0))


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a replay has seen so far: the counts of both sides, and of the canary's answers those that it compared.

    `said` is about the first answer that was unlike the bundle's own; `done` tells that there is nothing left to send;
    `aside` why stable is asked no more; `taken` how long an answer of each side takes.
    """

    canary: Counts
    stable: Counts | None
    compared: int
    unlike: int
    said: str
    done: bool
    skipped: int = 0  # rows that are not counted, since a side was asked too often (429)
    aside: str = ""
    taken: str = ""


@dataclass
class Heard:
    """What has come back from one side."""

    url: str
    asked: int = 0
    failed: int = 0
    refused: int = 0
    hung: int = 0  # rows in a row that no answer came to in time
    rows: int = 0  # in all
    spent: float = 0.0  # seconds, of all rows added up
    aside: str = ""  # why it is asked no more
    times: list[float] = field(default_factory=list)
    counts: Counts = NONE

    def take(self, status: int | None, seconds: float) -> None:
        """Count one answer; without a status there was none."""
        self.asked += 1
        self.failed += status is None or failed(status)
        self.refused += status is not None and 400 <= status < 500
        self.times.append(seconds)
        self.rows += 1
        self.spent += seconds

    @property
    def taken(self) -> float:
        """The seconds of an answer, on average."""
        return self.spent / max(self.rows, 1)

    def settle(self) -> Counts:
        """Count what came since the last time, and forget it."""
        slow = np.array([sum(one > end for one in self.times) for end in SECONDS], dtype="float64")
        new = Counts(
            NONE.bounds,
            (),
            (),
            self.asked,
            self.failed,
            self.refused,
            len(self.times),
            slow,
            0,
            NONE.above,
            NONE.chosen,
        )
        self.counts = self.counts.plus(new)
        self.asked = self.failed = self.refused = 0
        self.times = []
        return self.counts


def least(deploy: Deploy) -> int:
    """Count the requests before which no replay can finish, also where none of them fails."""
    return fewest(deploy.error_rate_worse_by, deploy.false_alarms)


def reason_to_leave(stable: Heard, canary: Heard, deploy: Deploy) -> str:
    """Say in a sentence why stable is asked no more; nothing where it is.

    It hangs, or it alone keeps the replay from enough rows: with the canary's own times they would come. Which rows
    each side was asked, and when one is left, hangs on what came before, under which every bound still holds.
    """
    if stable.hung >= HUNG:
        why = f"it answered none of the last {HUNG} in time"
    elif _held_up(stable, deploy) and _starves(stable, deploy) and not _starves(canary, deploy):
        needed, most = least(deploy), deploy.replay_seconds
        why = f"it took {stable.taken:.1f} s for each, too long for {needed:,} rows in {most:g} s"
    else:
        return ""
    return f"stable was asked no more after {stable.rows} rows, {why}: the canary is held against what came until then"


def _held_up(side: Heard, deploy: Deploy) -> bool:
    return side.rows >= HUNG and side.spent >= HELD_UP * deploy.replay_at_once


def _starves(side: Heard, deploy: Deploy) -> bool:
    """Tell whether a side's answers take so long that too few come in half of the time: the other half is for users."""
    taken = side.spent / deploy.replay_at_once
    return side.rows * deploy.replay_seconds / 2 < least(deploy) * taken
