"""The words of config.py for how a model must behave, whatever its figures (stdlib only).

Outputs are probabilities, or the quantity in its unit. A share is 0 to 1 of the rows looked at. `why` is printed with
each verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from validation.words.bounds import Bound
from validation.words.columns import finite, require, text


class Moving:
    """What bounds a share of rows whose outputs move: `tolerate`, by more than `slack`."""

    tolerate: float
    slack: float
    why: str

    @property
    def bound(self) -> Bound:
        """The bound, for a share of rows."""
        return Bound(at_most=self.tolerate)

    def _check(self, what: str) -> None:
        require(finite(self.tolerate) and 0 <= self.tolerate < 1, f"{what}: tolerate must be from 0 to below 1")
        require(finite(self.slack) and self.slack >= 0, f"{what}: slack cannot be negative")
        require(text(self.why), f"{what}: say why in a sentence; it is printed with each verdict")


@dataclass(frozen=True)
class Direction(Moving):
    """More of `feature` (by `step`, in its unit) never lowers (`more`) or raises (`less`) the output.

    `tolerate` is the share of rows in which it may move the other way by more than `slack`, in the output's unit.
    """

    feature: str
    gives: Literal["more", "less"]
    step: float
    tolerate: float
    why: str
    slack: float = 0.01

    def __post_init__(self) -> None:
        what = f"Direction({self.feature!r})"
        require(self.gives in ("more", "less"), f'{what}: gives must be "more" or "less"')
        require(finite(self.step) and self.step > 0, f"{what}: step must be a positive number")
        self._check(what)

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        return f"rows where more {self.feature} gives {'less' if self.gives == 'more' else 'more'}"


@dataclass(frozen=True)
class Invariance(Moving):
    """Another value of `feature` moves no more than a share `tolerate` of the rows by more than `slack`."""

    feature: str
    why: str
    tolerate: float = 0.0
    slack: float = 0.0

    def __post_init__(self) -> None:
        self._check(f"Invariance({self.feature!r})")

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        return f"rows that {self.feature} moves"


@dataclass(frozen=True)
class Missing(Moving):
    """Taking `feature` away moves no more than a share `tolerate` of the rows by more than `slack`."""

    feature: str
    tolerate: float
    slack: float
    why: str

    def __post_init__(self) -> None:
        self._check(f"Missing({self.feature!r})")

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        return f"rows that a missing {self.feature} moves"


@dataclass(frozen=True)
class Noise(Moving):
    """Noise on numbers moves no more than a share `tolerate` of the rows by more than `slack`.

    `steps` names columns: each is moved by up to its step, in its unit, at random and within its bounds.
    """

    steps: Mapping[str, float]
    tolerate: float
    slack: float
    why: str

    def __post_init__(self) -> None:
        what = f"Noise({dict(self.steps)!r})"
        right = bool(self.steps) and all(finite(step) and step > 0 for step in self.steps.values())
        require(right, f"{what}: name columns, each with a step above 0")
        self._check(what)

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        return f"rows that noise on {', '.join(self.steps)} moves"


@dataclass(frozen=True)
class Cases:
    """Rows written by people, with the answer that each must get: a CSV file, one case a line.

    Its columns are `case` (a name), every input of the model (empty is missing), hidden columns if you like, and what
    is expected: `label`, or `at_least` and `at_most` on the output (of the positive label, or the quantity).
    """

    file: str
    why: str

    def __post_init__(self) -> None:
        require(text(self.file) and self.file.endswith(".csv"), f"Cases({self.file!r}): name a CSV file")
        require(text(self.why), f"Cases({self.file!r}): say why in a sentence")

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        return f"wrong answers to the cases of {self.file}"

    @property
    def bound(self) -> Bound:
        """The bound, for a number of cases."""
        return Bound(at_most=0)


@dataclass(frozen=True)
class WorstSlice:
    """The worst slice of `min_rows` rows or more, found by search, keeps `loss_at_most`.

    Loss is the log loss (nats), or for a quantity the mean squared error in units of the test part's variance.
    """

    loss_at_most: float
    min_rows: int
    why: str

    def __post_init__(self) -> None:
        require(finite(self.loss_at_most) and self.loss_at_most > 0, "WorstSlice: loss_at_most must be above 0")
        require(type(self.min_rows) is int and self.min_rows >= 30, "WorstSlice: min_rows must be 30 or more")
        require(text(self.why), "WorstSlice: say why in a sentence")

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        return "loss on the worst slice"

    @property
    def bound(self) -> Bound:
        """The bound, for a loss."""
        return Bound(at_most=self.loss_at_most)


@dataclass(frozen=True)
class StableExplanation:
    """The features' importances on two halves of the test part agree: rank correlation `at_least` (-1 to 1)."""

    at_least: float
    why: str

    def __post_init__(self) -> None:
        require(finite(self.at_least) and 0 < self.at_least <= 1, "StableExplanation: at_least must be above 0, to 1")
        require(text(self.why), "StableExplanation: say why in a sentence")

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        return "agreement of the importances on two halves"

    @property
    def bound(self) -> Bound:
        """The bound, for a rank correlation."""
        return Bound(at_least=self.at_least)


Behaviour = Direction | Invariance | Missing | Noise | Cases | WorstSlice | StableExplanation
