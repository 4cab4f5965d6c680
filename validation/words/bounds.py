"""The words of config.py for gates: a metric and the one bound that it has to keep (stdlib only)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from validation.words.columns import finite, require, text

# Each metric a gate may name, by kind of target, with the direction that is better.
PERFORMANCE_METRICS: Mapping[str, Mapping[str, Literal["up", "down"]]] = {
    "binary": {
        "roc_auc": "up",
        "average_precision": "up",
        "accuracy": "up",
        "balanced_accuracy": "up",
        "log_loss": "down",
        "brier_score": "down",
    },
    "classes": {"accuracy": "up", "balanced_accuracy": "up", "macro_f1": "up", "log_loss": "down"},
    "quantity": {"r2": "up", "mse": "down", "rmse": "down", "mae": "down"},
}
FAIRNESS_METRICS: Mapping[str, Mapping[str, Literal["up", "down"]]] = {
    "binary": {
        "demographic_parity_difference": "down",
        "demographic_parity_ratio": "up",
        "equalized_odds_difference": "down",
        "equal_opportunity_difference": "down",
        "accuracy_difference": "down",
    },
    "classes": {"demographic_parity_difference": "down", "accuracy_difference": "down"},
    "quantity": {
        "mean_absolute_error_difference": "down",
        "mean_error_difference": "down",
        "mean_prediction_difference": "down",
    },
}


@dataclass(frozen=True)
class Bound:
    """Limits of a measured value, inclusive; with `lost` the upper end of its interval has to keep them."""

    at_least: float | None = None
    at_most: float | None = None
    lost: bool = False

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a bound needs a limit")

    def __str__(self) -> str:
        low = None if self.at_least is None else f"{self.at_least:.10g}"
        high = None if self.at_most is None else f"{self.at_most:.10g}"
        if low is not None and high is not None:
            return f"{low} to {high}"
        return f"at least {low}" if low is not None else f"{'lose ' * self.lost}at most {high}"

    def holds(self, value: float | None, interval: tuple[float, float] | None = None) -> bool:
        """Tell whether a value keeps the bound; NaN, infinity, None and, where it counts, no interval do not."""
        numbers = [value, *(interval or (None if self.lost else value,))]
        if not all(number is not None and math.isfinite(number) for number in numbers):
            return False
        held = interval[1] if self.lost and interval else value
        return (
            held is not None
            and (self.at_least is None or held >= self.at_least)
            and (self.at_most is None or held <= self.at_most)
        )


@dataclass(frozen=True)
class Gate:
    """One bound on one metric: `at_least`, `at_most`, or `lose_at_most` against champion and anchor.

    `by` names the sensitive column whose groups are compared, or several for their intersections.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    lose_at_most: float | None = None
    by: str | tuple[str, ...] | None = None
    why: str = ""

    def __post_init__(self) -> None:
        given = [name for name in ("at_least", "at_most", "lose_at_most") if getattr(self, name) is not None]
        what = f"Gate({self.metric!r})"
        require(len(given) == 1, f"{what}: give exactly one bound, not {' and '.join(given) or 'none'}")
        require(finite(self.at_least, self.at_most, self.lose_at_most), f"{what}: {given[0]} must be a finite number")
        require(self.lose_at_most is None or self.lose_at_most >= 0, f"{what}: lose_at_most cannot be negative")
        require(
            self.by is None or isinstance(self.by, str) or (isinstance(self.by, tuple) and len(set(self.by)) >= 2),
            f"{what}: by is a column, or a tuple of two or more for their intersections",
        )
        require(text(self.why), f"{what}: say why in a sentence; it is printed with each verdict")

    @property
    def columns(self) -> tuple[str, ...]:
        """The sensitive columns whose groups, or whose intersections, are compared."""
        return () if self.by is None else (self.by,) if isinstance(self.by, str) else self.by

    @property
    def measure(self) -> str:
        """What is measured, as verdicts name it."""
        if self.lose_at_most is not None:
            return f"{self.metric} lost to the champion"
        return f"{self.metric} by {' and '.join(self.columns)}" if self.by else self.metric

    @property
    def bound(self) -> Bound:
        """The bound, for a measured value."""
        if self.lose_at_most is not None:
            return Bound(at_most=self.lose_at_most, lost=True)
        return Bound(at_least=self.at_least, at_most=self.at_most)


def check_gate(where: str, gate: Gate, kind: str, metrics: Mapping[str, str]) -> None:
    """Raise Refusal when nobody measures the gate's metric for this kind of target, or it bounds the wrong side."""
    require(
        gate.metric in metrics,
        f"{where}: nobody measures {gate.metric!r} for a {kind} target; choose from {', '.join(metrics)}",
    )
    better = metrics[gate.metric]
    require(
        gate.lose_at_most is not None or (gate.at_least is not None) == (better == "up"),
        f"{where}: Gate({gate.metric!r}) bounds the wrong side: {'higher' if better == 'up' else 'lower'} is better",
    )
