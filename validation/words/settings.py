"""The words of config.py for model, split, groups, waivers, cost, service and its log (stdlib only)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from serve.words import ONNX, RUNTIMES
from validation.words.columns import finite, require, text

LONGEST_WAIVER = 366  # days


def today() -> date:
    """Return the date, in UTC."""
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class Groups:
    """When a group is large enough to be judged: rows with and without the outcome.

    A smaller group is insufficient: it is shown. `must_judge` names, by sensitive column, the groups for which that is
    a failure.
    """

    min_positives: int
    min_negatives: int
    must_judge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(min(self.min_positives, self.min_negatives) >= 1, "Groups: both minima must be 1 or more")


@dataclass(frozen=True)
class Waiver:
    """A gate of FAIRNESS that may fail until `expires` (that day included): who answers for it, and why."""

    metric: str
    by: str | tuple[str, ...]
    owner: str
    reason: str
    expires: date

    def __post_init__(self) -> None:
        what = f"Waiver({self.metric!r}, by={self.by!r})"
        require(text(self.owner), f"{what}: name an owner, a person who answers for it")
        require(text(self.reason), f"{what}: give the reason in a sentence")
        require(type(self.expires) is date, f"{what}: expires must be a date, as date(2027, 1, 31)")
        far = self.expires - today() > timedelta(days=LONGEST_WAIVER)
        require(not far, f"{what}: it expires more than {LONGEST_WAIVER} days from now; nobody would look at it again")


def in_force(waiver: Waiver) -> bool:
    """Tell whether a waiver holds today."""
    return today() <= waiver.expires


@dataclass(frozen=True)
class Model:
    """The registered name of the model and how it is fitted.

    `reweigh_by` names the sensitive column whose groups are reweighed with strength `reweigh_strength` (0 none, 1
    full); `parameters` reach `train.model.build` as they are. `runtime` is what serves it: "onnx", a graph, or "skops",
    scikit-learn itself, which a pipeline without an ONNX form gets unasked.
    """

    name: str
    parameters: Mapping[str, Any]
    reweigh_by: str | None = None
    reweigh_strength: float = 0.0
    runtime: str = ONNX

    def __post_init__(self) -> None:
        require(
            text(self.name) and all(c.isalnum() or c in "-_" for c in self.name),
            f"Model({self.name!r}): the name takes letters, digits, - and _",
        )
        require(
            finite(self.reweigh_strength) and 0 <= self.reweigh_strength <= 1,
            f"Model({self.name!r}): reweigh_strength must be from 0 to 1",
        )
        require(self.runtime in RUNTIMES, f"Model({self.name!r}): runtime is one of {', '.join(RUNTIMES)}")


@dataclass(frozen=True)
class Split:
    """The share of rows (0 to 1) kept for judging, and the file that freezes which rows those are.

    `draw` counts the test parts: the next one takes rows that have not judged before.
    """

    test_share: float
    test_part: str
    draw: int = 1

    def __post_init__(self) -> None:
        require(finite(self.test_share) and 0 < self.test_share < 1, "Split: test_share must be between 0 and 1")
        require(
            type(self.draw) is int and 1 <= self.draw <= 1 / self.test_share + 1e-9,
            f"Split: draw must be a whole number from 1 to {int(1 / self.test_share + 1e-9)}; after that all rows of"
            " the table have judged once",
        )


@dataclass(frozen=True)
class Cost:
    """What a model may cost: bytes of its file, and time to score as a ratio to the champion's."""

    max_bytes: int
    slower_at_most: float

    def __post_init__(self) -> None:
        require(type(self.max_bytes) is int and self.max_bytes > 0, "Cost: max_bytes must be a whole number above 0")
        require(
            finite(self.slower_at_most) and 1 < self.slower_at_most <= 100,
            "Cost: slower_at_most must be above 1 (an equal model is as fast) and at most 100",
        )


@dataclass(frozen=True)
class Service:
    """Limits of the service, and the seconds until a deployment of it must be ready.

    Of one request: bytes of its body and of its headers, its rows, the seconds that each part may take to arrive. Of
    one caller: requests a second on average, and how many at once. Of one process: requests under way, from when their
    body is whole until they are answered, and connections. Memory for bodies is `concurrent` times `max_body_bytes`.
    """

    port: int
    max_body_bytes: int
    max_header_bytes: int
    max_rows: int
    header_seconds: float
    body_seconds: float
    requests_per_second: float
    burst: int
    concurrent: int
    connections: int
    ready_seconds: float

    def __post_init__(self) -> None:
        require(0 < self.port < 65536, f"Service: port {self.port} is not between 1 and 65535")
        limits = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "port"}
        require(
            all(finite(limit) and limit > 0 for limit in limits.values()),
            "Service: every limit must be above 0, and a number",
        )

    def shipped(self) -> dict[str, float]:
        """Return what the service itself keeps to; service.json of the bundle says it."""
        outside = ("port", "ready_seconds")
        return {name: getattr(self, name) for name in sorted(self.__dataclass_fields__) if name not in outside}


@dataclass(frozen=True)
class PredictionLog:
    """What the service keeps of its predictions: of the rows the share `rate`, of a row what `columns` allows.

    `columns` is the privacy list: without a name in it, prediction, model, version, time and id are all that is kept.
    """

    rate: float
    columns: tuple[str, ...] = ()
    queue_rows: int = 50_000  # that wait for the disk in one process, 20 MB; more than it scores in a second
    sync_seconds: float = 1.0  # between two fsyncs: what a machine that loses power may lose
    segment_bytes: int = 8_000_000  # of one file of the spool, some 100,000 predictions
    segment_seconds: float = 300.0  # until a file is finished: how long the store lags behind
    spool_bytes: int = 1_000_000_000  # of all files that wait, twelve million predictions; more are dropped and counted

    def __post_init__(self) -> None:
        require(finite(self.rate) and 0 <= self.rate <= 1, "PredictionLog: rate must be a share from 0 to 1")
        require(
            isinstance(self.columns, tuple) and all(map(text, self.columns)),
            "PredictionLog: columns must be a tuple of names, as ('age',)",
        )
        whole = (self.queue_rows, self.segment_bytes, self.spool_bytes)
        require(
            all(type(number) is int and number > 0 for number in whole),
            "PredictionLog: queue_rows, segment_bytes and spool_bytes must be whole numbers above 0",
        )
        require(finite(self.sync_seconds) and self.sync_seconds >= 0, "PredictionLog: sync_seconds must be 0 or more")
        require(
            finite(self.segment_seconds) and self.segment_seconds > 0, "PredictionLog: segment_seconds must be above 0"
        )
        require(
            self.segment_bytes <= self.spool_bytes,
            "PredictionLog: spool_bytes must hold at least one file of segment_bytes",
        )
