"""The requests of users, judged look by look, also beside a replay.

The services count replayed requests among the others. So while one goes on users are counted between two parts of it
alone, and of them only what became of their requests: a worker adds times and predictions up later than answers, which
would put those of the replay among those of users.
"""

from collections.abc import Callable
from dataclasses import replace

from infra.baking.compared import Line, Shares, judge
from infra.baking.measures import Unlike, of_callers, of_predictions, of_requests
from infra.baking.scraped import Taken
from infra.baking.sides import Sides
from infra.baking.verdict import Verdict, conclude
from validation.contract import Deploy


class Users:
    """What the requests of users show of canary and stable, at a chance of error of `alpha` over all looks together.

    `doubtful` tells that in a measure which does not tell yet the canary is surely worse than stable already: then it
    is more than a want of requests, and others do not excuse it.
    """

    def __init__(self, sides: Sides, deploy: Deploy, alpha: float, clock: Callable[[], float]) -> None:
        self._sides, self._deploy, self._alpha, self._clock = sides, deploy, alpha, clock
        self._began = clock()
        self.looks = 0
        self.doubtful = False

    @property
    def asked(self) -> float:
        """The requests of the side that was asked less."""
        return self._sides.asked

    @property
    def seconds(self) -> float:
        """The time since they are looked at."""
        return self._clock() - self._began

    def skip(self) -> str:
        """Leave out what came since the last look; say in a sentence what is wrong with the canary all the same."""
        return self._sides.look("nothing")

    def look(self, taken: Taken = "all") -> Verdict:
        """Look, and judge what they have shown so far."""
        sides, seconds = self._sides, self.seconds
        wrong, self.looks = sides.look(taken), self.looks + 1
        lines: tuple[Line, ...] = ()
        canary, stable = sides.counts
        if not wrong and canary is not None:
            try:
                asked = of_requests(canary, stable, self._deploy)
                if stable is not None:
                    asked.append(of_callers(canary, stable, self._deploy))
                asked += of_predictions(canary, stable, sides.expected, sides.before, self._deploy)
                lines = judge(asked, self._alpha)
                self.doubtful = _doubtful(asked, lines, self._alpha)
            except Unlike as error:
                wrong = str(error)
        said = f"{sides.asked:.0f} requests of users"
        return conclude(lines, wrong, said, "users", seconds, self.looks, sides.notes())


def _doubtful(asked: list[Shares], lines: tuple[Line, ...], alpha: float) -> bool:
    """Tell whether a measure that does not tell is surely worse than stable, or than half of what is tolerated."""
    rest = judge([replace(each, bound=each.bound / 2 if each.others is None else 0.0) for each in asked], alpha)
    return any(line.verdict == "not enough" and one.verdict == "worse" for line, one in zip(lines, rest, strict=True))
