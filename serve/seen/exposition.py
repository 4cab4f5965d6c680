"""The counts as Prometheus reads them: plain counters and histograms, which replicas may be added up over."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy.typing as npt
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serve.seen.counts import Counts
from serve.seen.layout import LOG, PROTOCOLS, RELOADS, SECONDS, STATUSES, Layout

__all__ = ["CONTENT_TYPE_LATEST", "exposition"]


class _Collector(Collector):
    def __init__(self, counts: Counts, release: dict[str, Any]) -> None:
        self._counts, self._release = counts, release

    def collect(self) -> Iterator[Metric]:
        layout, cells = self._counts.layout, self._counts.total()
        info = GaugeMetricFamily("model_info", "The model in service", labels=["model", "version", "digest"])
        info.add_metric([str(self._release[key]) for key in ("model", "model_version", "model_digest")], 1)
        yield info
        yield GaugeMetricFamily(
            "process_start_time_seconds", "Since when it counts, in seconds since 1970", value=self._counts.since
        )
        reloads = CounterMetricFamily("model_reloads", "Bundles that came in the place of another", labels=["outcome"])
        for place, outcome in enumerate(RELOADS):
            reloads.add_metric([outcome], cells[layout.reloads + place])
        yield reloads
        yield GaugeMetricFamily("predict_in_flight", "Requests under way", value=cells[layout.in_flight])
        yield CounterMetricFamily("predict_rows", "Rows scored", value=cells[layout.rows])
        yield _histogram("predict_seconds", "Time to answer, in seconds", SECONDS, cells, layout.seconds)
        answers = CounterMetricFamily(
            "predict_answers", "Answers by protocol and status", labels=["protocol", "status"]
        )
        for protocol in PROTOCOLS:
            for status in STATUSES:
                count = cells[layout.answer(protocol, status)]
                if count:
                    answers.add_metric([protocol, str(status)], count)
        yield answers
        errors = CounterMetricFamily("predict_errors", "Refused or failed requests by kind", labels=["kind"])
        for place, kind in enumerate(layout.kinds):
            errors.add_metric([kind], cells[layout.errors + place])
        yield errors
        values = CounterMetricFamily("feature_values", "Values by feature and bin", labels=["feature", "bin"])
        missing = CounterMetricFamily("feature_missing", "Missing values by feature", labels=["feature"])
        unseen = CounterMetricFamily("feature_unseen", "Values that no contract declares", labels=["feature"])
        for column in layout.columns:
            for place, name in enumerate(column.bins):
                values.add_metric([column.name, name], cells[column.start + place])
            missing.add_metric([column.name], cells[column.missing])
            if not column.number:
                unseen.add_metric([column.name], cells[column.unseen])
        yield from (values, missing, unseen)
        yield _histogram(
            "prediction", "The last output of a row: a probability, or the quantity", layout.output_edges[1:-1], cells,
            layout.outputs,
        )  # fmt: skip
        chosen = CounterMetricFamily("prediction_labels", "Rows by the label that was chosen", labels=["label"])
        for place, label in enumerate(layout.labels):
            chosen.add_metric([label], cells[layout.chosen + place])
        yield chosen
        yield from _by_request(layout, cells)
        yield from _log(dict(zip(LOG, cells[layout.log : layout.log + len(LOG)], strict=True)))


def _by_request(layout: Layout, cells: npt.NDArray[Any]) -> Iterator[Metric]:
    """Tell predictions so that each request counts one, whatever its rows: they may be alike, and prove no more."""
    bins, labels = len(layout.output_edges) - 1, len(layout.labels)

    def counted(rows: int, many: int, shares: int, size: int) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = cells[rows : rows + size] - cells[many : many + size] + cells[shares : shares + size]
        return found

    within = counted(layout.outputs, layout.many, layout.shares, bins).cumsum().tolist()
    ends = [*(f"{end:.9g}" for end in layout.output_edges[1:-1]), "+Inf"]
    yield HistogramMetricFamily(
        "prediction_by_request", "The same, a request counting one: its rows' shares",
        buckets=list(zip(ends, within, strict=True)), sum_value=None,
    )  # fmt: skip
    chosen = CounterMetricFamily(
        "prediction_labels_by_request", "Requests by the label that was chosen, shared out by rows", labels=["label"]
    )
    each = counted(layout.chosen, layout.many_chosen, layout.shares_chosen, labels)
    for label, count in zip(layout.labels, each.tolist(), strict=True):
        chosen.add_metric([label], count)
    yield chosen


def _log(found: dict[str, float]) -> Iterator[Metric]:
    """Tell how the prediction log fares."""
    yield GaugeMetricFamily("prediction_log_queue_rows", "Rows that wait for the disk", value=found["queued"])
    yield GaugeMetricFamily("prediction_log_spool_bytes", "Bytes that wait for the store", value=found["waiting"])
    written = CounterMetricFamily("prediction_log_written", "Records written to the spool", labels=["kind"])
    shipped = CounterMetricFamily("prediction_log_shipped", "Records shipped to the store", labels=["kind"])
    for kind in ("predictions", "feedback"):
        written.add_metric([kind], found[kind])
        shipped.add_metric([kind], found[f"shipped_{kind}"])
    dropped = CounterMetricFamily("prediction_log_dropped", "Records dropped, by reason", labels=["reason"])
    for reason in ("queue", "disk", "full", "internal"):
        dropped.add_metric([reason], found[f"dropped_{reason}"])
    yield from (written, shipped, dropped)
    yield CounterMetricFamily("prediction_log_torn", "Lines that a killed writer left half", value=found["torn"])
    yield CounterMetricFamily(
        "prediction_log_ship_failures", "Times that the store did not take records", value=found["ship_failures"]
    )


def _histogram(
    name: str, said: str, ends: Sequence[float], cells: npt.NDArray[Any], start: int
) -> HistogramMetricFamily:
    """Make a histogram of cells that hold a count a bucket, then the sum."""
    buckets, total = [], 0.0
    for place, end in enumerate([*(f"{end:.9g}" for end in ends), "+Inf"]):
        total += cells[start + place]
        buckets.append((end, total))
    return HistogramMetricFamily(name, said, buckets=buckets, sum_value=cells[start + len(ends) + 1])


def exposition(counts: Counts, release: dict[str, Any]) -> bytes:
    """Write all counts in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(counts, release))
    return generate_latest(registry)
