"""What gates leave for the report to draw, typed; whatever a gate did not leave is empty here (msgspec only)."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from validation.gate import Verdict
from validation.script import Refusal


class Curves(Struct, frozen=True):
    """Points of (false positive rate, true positive rate), and of (recall, precision)."""

    roc: list[tuple[float, float]] = field(default_factory=list)
    precision_recall: list[tuple[float, float]] = field(default_factory=list)


class Bin(Struct, frozen=True):
    """Rows of one tenth: what the model said on average, and the share that was so, with its interval."""

    mean: float
    share: float
    low: float
    high: float
    n: int


class Threshold(Struct, frozen=True):
    """What choosing from `threshold` upwards gives; shares of rows."""

    threshold: float
    selected: float | None = None
    precision: float | None = None
    recall: float | None = None
    false_positive_rate: float | None = None
    accuracy: float | None = None


class Confusion(Struct, frozen=True):
    """Rows by true label (down) and chosen label (across)."""

    labels: list[str]
    counts: list[list[int]]


class Tenth(Struct, frozen=True):
    """Outcome minus prediction among a tenth of the predictions: 10 %, 50 % and 90 % quantile."""

    mean: float
    low: float
    median: float
    high: float
    n: int


class Metric(Struct, frozen=True):
    """One metric of candidate and champion."""

    metric: str
    candidate: float | None
    champion: float | None = None
    better: str = ""


class Window(Struct, frozen=True):
    """Metrics on rows that came after the freeze."""

    rows: int
    metrics: list[Metric] = field(default_factory=list)


class PerformanceEvidence(Struct, frozen=True):
    """What performance leaves, beside what changed against the champion."""

    curves: dict[str, Curves] = field(default_factory=dict)
    calibration: dict[str, list[Bin]] = field(default_factory=dict)
    thresholds: list[Threshold] = field(default_factory=list)
    confusion: Confusion | None = None
    residuals: list[Tenth] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    window: Window | None = None


class Group(Struct, frozen=True):
    """A rate of one group."""

    by: str
    group: str
    rate: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    judged: bool


class Waived(Struct, frozen=True):
    """A waiver, in force or expired."""

    measure: str
    owner: str
    reason: str
    expires: str
    in_force: bool


class FairnessEvidence(Struct, frozen=True):
    """What fairness leaves."""

    groups: list[Group] = field(default_factory=list)
    waivers: list[Waived] = field(default_factory=list)


class Importance(Struct, frozen=True):
    """Rise of the loss when a feature is permuted."""

    feature: str
    rise: float
    low: float
    high: float


class Part(Struct, frozen=True):
    """What one feature adds to an output."""

    feature: str
    value: str
    contribution: float


class Contributions(Struct, frozen=True):
    """One row: base and parts add up to the output."""

    row: str
    output: float
    base: float
    features: list[Part]


class WorstSlice(Struct, frozen=True):
    """A slice of the test part with a high loss."""

    slice: str
    rows: int
    loss: float
    low: float
    high: float
    overall: float


class Case(Struct, frozen=True):
    """A case that people wrote."""

    case: str
    expected: str
    got: str
    held: bool


class BehaviourEvidence(Struct, frozen=True):
    """What behaviour leaves."""

    importances: list[Importance] = field(default_factory=list)
    contributions: list[Contributions] = field(default_factory=list)
    slices: list[WorstSlice] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)


class Costs(Struct, frozen=True):
    """Size and time of the model."""

    bytes: int
    champion_bytes: int | None = None
    row_microseconds_per_row: float | None = None
    batch_microseconds_per_row: float | None = None
    row_ratio: float | None = None
    batch_ratio: float | None = None


class ParityEvidence(Struct, frozen=True):
    """What parity leaves."""

    cost: Costs | None = None


Kind = TypeVar("Kind", PerformanceEvidence, FairnessEvidence, BehaviourEvidence, ParityEvidence)


def evidence_of(verdicts: Mapping[str, Verdict], gate: str, kind: type[Kind]) -> Kind:
    """Read what a gate left; empty when its verdict is missing.

    Raises Refusal when it is not of the form that the report reads.
    """
    verdict = verdicts.get(gate)
    try:
        return msgspec.convert(dict(verdict.evidence) if verdict else {}, kind)
    except msgspec.ValidationError as error:
        raise Refusal(f"build/verdicts/{gate}.json is not of the form that the report reads: {error}") from None
