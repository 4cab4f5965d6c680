"""Where each count lies: a fixed number of cells a worker, known from the contract, whatever is asked.

The first `common` cells are the same for every bundle; those behind them are the columns and labels of one.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from serve.coded import Texts, texts_of

STATUSES = (200, 400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503)
PROTOCOLS = ("predict", "mlflow", "vertex", "azure", "v2")
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # upper ends, of answering
LOG = (  # of the prediction log; queued and waiting are what is there now
    "queued", "waiting", "predictions", "feedback", "dropped_queue", "dropped_disk", "dropped_full",
    "dropped_internal", "shipped_predictions", "shipped_feedback", "torn", "ship_failures",
)  # fmt: skip
RELOADS = ("done", "refused")
OTHER = "other"  # the bin of categories that are rare in training, or unseen


class Column:
    """The bins of one input: numbers by edge, categories by value, as training counted them.

    A category has `texts`; `cells` are where each of its codes is counted, `unseen_codes` those that nobody declared.
    """

    def __init__(self, spec: dict[str, Any], reference: dict[str, Any], start: int, texts: Texts | None) -> None:
        self.name: str = spec["name"]
        self.number = spec["type"] == "number"
        self.edges: list[float] = reference["edges"] if self.number else []
        values = [] if self.number else [value for value in spec["values"] if value in reference["counts"]]
        self.bins = [*_intervals(self.edges)] if self.number else [*values, OTHER]
        self.start = start
        self.other = start + len(self.bins) - 1
        self.missing = start + len(self.bins)
        self.unseen = self.missing + 1
        self.end = self.unseen + 1
        self.texts = texts
        if texts:
            declared = frozenset(spec["values"])
            place = {value: start + place for place, value in enumerate(values)}
            self.cells = np.array([*(place.get(text, self.other) for text in texts.values), self.missing, self.other])
            self.unseen_codes = [code for code, text in enumerate(texts.values) if text not in declared]
            self.unseen_codes.append(texts.others)


class Layout:
    """The cells of one worker; `texts` are those by which categories are coded, in their order."""

    def __init__(
        self,
        inputs: Sequence[dict[str, Any]],
        target: dict[str, Any],
        drift: dict[str, Any],
        kinds: Sequence[str],
        texts: Sequence[Texts] | None = None,
    ) -> None:
        self.in_flight = 0
        self.rows = 1
        self.seconds = 2  # one cell a bucket, one beyond the last, then their sum
        self.seconds_sum = self.seconds + len(SECONDS) + 1
        self.answers = self.seconds_sum + 1
        self.errors = self.answers + len(STATUSES) * len(PROTOCOLS)
        self.kinds = tuple(kinds)
        self.columns = []
        self.log = self.errors + len(self.kinds)
        self.reloads = self.log + len(LOG)
        end = self.common = self.reloads + len(RELOADS)
        coded = iter(texts_of(inputs) if texts is None else texts)
        for spec in inputs:
            told = None if spec["type"] == "number" else next(coded)
            self.columns.append(Column(spec, drift["columns"][spec["name"]], end, told))
            end = self.columns[-1].end
        self.labels = [str(label) for label in target["labels"]]
        self.chosen = end
        self.output_edges: list[float] = drift["outputs"]["edges"]
        self.outputs = self.chosen + len(self.labels)  # one cell a bin, then the sum of the outputs
        self.outputs_sum = self.outputs + len(self.output_edges) - 1
        bins = len(self.output_edges) - 1
        self.many = self.outputs_sum + 1  # by bin, the rows of requests of several, then what they count as by request
        self.shares = self.many + bins
        self.many_chosen = self.shares + bins  # the same by label
        self.shares_chosen = self.many_chosen + len(self.labels)
        self.size = self.shares_chosen + len(self.labels)

    def answer(self, protocol: str, status: int) -> int:
        """Return the cell of a protocol's answers of one status."""
        return self.answers + PROTOCOLS.index(protocol) * len(STATUSES) + STATUSES.index(status)


def _intervals(edges: Sequence[float]) -> list[str]:
    ends = ["-inf", *(f"{edge:.9g}" for edge in edges), "inf"]
    return [f"[{low},{high})" for low, high in itertools.pairwise(ends)]
