"""The `/metrics` of a service's replicas, added up from the first look on, with what happened to them meanwhile.

A replica is known by the time at which it began to count, or by its place among the others where it does not tell. One
that is new, or whose counts fell, counts from when it is seen: nothing is taken off, nothing is there twice.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from infra.baking.counts import AWAY, Counts, failed, none, refused

Taken = Literal["all", "requests", "nothing"]  # of what was counted since the last look: what is added up


class Unreadable(Exception):
    """A text that is no `/metrics` of our service: one sentence."""


@dataclass(frozen=True)
class Replica:
    """One look at one replica: which model it serves, since when it counts (empty when untold), and its counts."""

    version: str
    digest: str
    started: str
    counts: Counts


def read(text: str) -> Replica:
    """Read one replica's `/metrics`. Raises Unreadable for whatever is missing, broken, or no number."""
    try:
        found = {family.name: family for family in text_string_to_metric_families(text)}
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise Unreadable(f"it is not in Prometheus' text format ({error or type(error).__name__})") from None
    info = [sample.labels for sample in _of(found, "model_info").samples]
    if len(info) != 1 or not {"version", "digest"} <= info[0].keys():
        raise Unreadable("model_info does not name one model, its version and digest")
    answers = [(_status(labels.get("status", "")), count) for labels, count in _counted(found, "predict_answers")]
    gone = sum(count for labels, count in _counted(found, "predict_errors") if labels.get("kind") == "gone")
    bounds, within = _histogram(found, "predict_seconds")
    by_request = "prediction_by_request" in found
    ending = "_by_request" if by_request else ""
    edges, below = _histogram(found, f"prediction{ending}")
    chosen = {labels.get("label", ""): count for labels, count in _counted(found, f"prediction_labels{ending}")}
    started = found.get("process_start_time_seconds")
    counts = Counts(
        bounds=bounds,
        edges=edges,
        labels=tuple(chosen),
        asked=gone + sum(count for status, count in answers if status not in AWAY),
        failed=gone + sum(count for status, count in answers if failed(status)),
        refused=sum(count for status, count in answers if refused(status)),
        timed=within[-1],
        slow=within[-1] - np.array(within[:-1]),
        rows=below[-1],
        above=below[-1] - np.array(below[:-1]),
        chosen=np.array(list(chosen.values()), dtype="float64"),
        away=sum(count for status, count in answers if status in AWAY),
        by_request=by_request,
    )
    since = repr(started.samples[0].value) if started and started.samples else ""
    return Replica(info[0]["version"], info[0]["digest"], since, counts)


def _of(found: dict[str, Metric], name: str) -> Metric:
    if name not in found:
        raise Unreadable(f"it has no {name}")
    return found[name]


def _counted(found: dict[str, Metric], name: str) -> list[tuple[dict[str, str], float]]:
    return [(sample.labels, _number(name, sample.value)) for sample in _of(found, name).samples]


def _histogram(found: dict[str, Metric], name: str) -> tuple[tuple[float, ...], list[float]]:
    """Return the finite upper ends, and the counts within each end, the last one being of all."""
    buckets = [sample for sample in _of(found, name).samples if sample.name == f"{name}_bucket"]
    try:
        ends = [float(sample.labels["le"]) for sample in buckets]
    except (KeyError, ValueError):
        raise Unreadable(f"a bucket of {name} has no end") from None
    within = [_number(name, sample.value) for sample in buckets]
    if not ends or ends[-1] != math.inf or sorted(set(ends)) != ends or sorted(within) != within:
        raise Unreadable(f"the buckets of {name} do not add up to +Inf")
    return tuple(ends[:-1]), within


def _number(name: str, value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise Unreadable(f"{name} counts {value}")
    return float(value)


def _status(text: str) -> int:
    if not text.isdigit():
        raise Unreadable(f"predict_answers has the status {text!r}")
    return int(text)


class Watched:
    """The replicas of one side (`stable` or `canary`), which should all serve the model of this version and digest.

    `total` is what they counted since the first look, None before it; `wrong` says what makes them unfit to be
    compared, `told` what else happened to them.
    """

    def __init__(self, side: str, version: str, digest: str) -> None:
        self.side, self.version, self.digest = side, version, digest
        self.total: Counts | None = None
        self.wrong: list[str] = []
        self.told: list[str] = []
        self.began_anew = False  # a replica ended or restarted
        self._known: dict[str, Replica] = {}

    def look(self, texts: Sequence[str], taken: Taken = "all") -> None:
        """Add up what is `taken` of what came since the last look.

        `texts` holds one of each replica, in the same order each time.
        """
        now: dict[str, Replica] = {}
        for name, replica in self._named(texts):
            now[name if name not in now else f"{name}, again"] = replica
        if self.wrong:
            return
        if self.total is None:
            self.total = none(next(iter(now.values())).counts)
        else:
            for name, replica in now.items():
                before = self._known.get(name)
                if before is None:
                    self._tell("another replica came, and counts from now on")
                elif replica.counts.fell_below(before.counts):
                    self.began_anew = True
                    self._tell("a replica restarted, or began to count anew")
                elif taken != "nothing":
                    came = replica.counts.minus(before.counts)
                    self.total = self.total.plus(came if taken == "all" else came.of_requests())
            if self._known.keys() - now.keys():
                self.began_anew = True
                self._tell("a replica ended, or restarted")
        self._known = now

    def _named(self, texts: Sequence[str]) -> Iterable[tuple[str, Replica]]:
        if not texts:
            self.wrong.append(f"{self.side} has no replica that tells its /metrics")
        for place, text in enumerate(texts):
            try:
                replica = read(text)
            except Unreadable as error:
                self.wrong.append(f"{self.side}, replica {place + 1}: its /metrics cannot be read: {error}")
                return
            if (replica.version, replica.digest) != (self.version, self.digest):
                self.wrong.append(
                    f"{self.side}, replica {place + 1} serves version {replica.version} ({replica.digest[:12]}), not"
                    f" {self.version} ({self.digest[:12]})"
                )
                return
            if self.total is not None and replica.counts.shape != self.total.shape:
                self.wrong.append(
                    f"{self.side}, replica {place + 1} counts by other bounds than it did, or than others"
                )
                return
            yield replica.started or f"place {place}", replica

    def _tell(self, what: str) -> None:
        sentence = f"{self.side}: {what}"
        if sentence not in self.told:
            self.told.append(sentence)
