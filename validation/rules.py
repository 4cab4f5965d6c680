"""The words of config.py for gates, behaviours and settings, and what makes them wrong (stdlib only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from validation.columns import finite, require, text

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
    "quantity": {"r2": "up", "rmse": "down", "mae": "down"},
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
    "quantity": {"mean_absolute_error_difference": "down", "mean_prediction_difference": "down"},
}


@dataclass(frozen=True)
class Gate:
    """One bound on one metric: `at_least`, `at_most`, or `lose_at_most` against the champion; `by` names groups."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    lose_at_most: float | None = None
    by: str | None = None
    why: str = ""

    def __post_init__(self) -> None:
        given = [name for name in ("at_least", "at_most", "lose_at_most") if getattr(self, name) is not None]
        what = f"Gate({self.metric!r})"
        require(len(given) == 1, f"{what}: give exactly one bound, not {' and '.join(given) or 'none'}")
        require(finite(self.at_least, self.at_most, self.lose_at_most), f"{what}: {given[0]} must be a finite number")
        require(self.lose_at_most is None or self.lose_at_most >= 0, f"{what}: lose_at_most cannot be negative")
        require(text(self.why), f"{what}: say why in a sentence; it is printed with each verdict")

    @property
    def bound(self) -> str:
        """The bound as it is printed."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return f"lose at most {self.lose_at_most:g}"


@dataclass(frozen=True)
class Direction:
    """More of `feature` (by `step`, in its unit) never lowers (`more`) or raises (`less`) the output.

    `tolerate` is the share of rows, 0 to 1, in which it may move the other way by more than `slack` (in the output's
    unit: probability, or the quantity's).
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
        require(finite(self.tolerate) and 0 <= self.tolerate < 1, f"{what}: tolerate must be from 0 to below 1")
        require(finite(self.slack) and self.slack >= 0, f"{what}: slack cannot be negative")
        require(text(self.why), f"{what}: say why in a sentence; it is printed with each verdict")


@dataclass(frozen=True)
class Invariance:
    """Another value of `feature` moves no more than a share `tolerate` of the rows by more than `slack`."""

    feature: str
    why: str
    tolerate: float = 0.0
    slack: float = 0.0

    def __post_init__(self) -> None:
        what = f"Invariance({self.feature!r})"
        require(finite(self.tolerate) and 0 <= self.tolerate < 1, f"{what}: tolerate must be from 0 to below 1")
        require(finite(self.slack) and self.slack >= 0, f"{what}: slack cannot be negative")
        require(text(self.why), f"{what}: say why in a sentence; it is printed with each verdict")


@dataclass(frozen=True)
class Groups:
    """When a group is large enough to be judged: rows with and without the outcome."""

    min_positives: int
    min_negatives: int

    def __post_init__(self) -> None:
        require(min(self.min_positives, self.min_negatives) >= 1, "Groups: both minima must be 1 or more")


@dataclass(frozen=True)
class Model:
    """The registered name of the model and how it is fitted.

    `reweigh_by` names the sensitive column whose groups are reweighed with strength `reweigh_strength` (0 none, 1
    full); `parameters` reach `train.model.build` as they are.
    """

    name: str
    parameters: Mapping[str, Any]
    reweigh_by: str | None = None
    reweigh_strength: float = 0.0

    def __post_init__(self) -> None:
        require(
            text(self.name) and all(c.isalnum() or c in "-_" for c in self.name),
            f"Model({self.name!r}): the name takes letters, digits, - and _",
        )
        require(
            finite(self.reweigh_strength) and 0 <= self.reweigh_strength <= 1,
            f"Model({self.name!r}): reweigh_strength must be from 0 to 1",
        )


@dataclass(frozen=True)
class Split:
    """The share of rows (0 to 1) kept for judging, and the file that freezes which rows those are."""

    test_share: float
    test_part: str

    def __post_init__(self) -> None:
        require(finite(self.test_share) and 0 < self.test_share < 1, "Split: test_share must be between 0 and 1")


@dataclass(frozen=True)
class Service:
    """Limits of the service: body in bytes, rows a request, seconds until a deployment must be ready."""

    port: int
    max_body_bytes: int
    max_rows: int
    ready_seconds: float

    def __post_init__(self) -> None:
        require(0 < self.port < 65536, f"Service: port {self.port} is not between 1 and 65535")
        require(min(self.max_body_bytes, self.max_rows, self.ready_seconds) > 0, "Service: every limit must be above 0")


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
