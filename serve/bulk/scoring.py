"""From a chunk to the rows of the output and those of the reject file."""

import datetime
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from serve.bulk.arrays import chosen, from_numpy, texts
from serve.bulk.checks import columns_of, reasons
from serve.bulk.errors import InputError
from serve.bulk.ways import way_of
from serve.loaded import Bundle
from serve.model import Outputs

STAMP = pa.timestamp("s", tz="UTC")


class Scorer:
    """A bundle that scores chunks; each row is stamped with model, version, digest and the job's begin.

    Raises InputError where a kept column has the name of one of the output's.
    """

    def __init__(self, bundle: Bundle, kept: Sequence[str], begun: datetime.datetime) -> None:
        self.bundle, self.kept, self.begun = bundle, kept, begun
        self._way = way_of(bundle)
        made = self._columns(np.zeros((0, max(1, len(bundle.model.labels))), "float32"))
        taken = sorted({"row", *made, *self._stamps(0)} & set(kept))
        if taken:
            raise InputError(f"column {taken[0]} cannot be kept, the output has one of its own; leave it out of --keep")

    def score(self, chunk: pa.Table, first: int) -> tuple[pa.Table, pa.Table]:
        """Score the rows of a chunk that begins at row `first` of the table; return what is scored, and the rejects."""
        specs = self.bundle.model.inputs
        columns = columns_of(chunk, specs)
        wrong = reasons(columns, specs, self.bundle.rows)
        good = np.ones(chunk.num_rows, dtype=bool)
        good[list(wrong)] = False
        places = np.flatnonzero(good)
        along = {name: chunk.column(name) for name in self.kept}
        if wrong:
            along = {name: column.take(from_numpy(places, pa.int64())) for name, column in along.items()}
        outputs = self._way(columns, places if wrong else None)
        scored = {"row": from_numpy(places + first, pa.int64()), **along, **self._columns(outputs)}
        rejected = {
            "row": from_numpy(np.array(list(wrong), dtype="int64") + first, pa.int64()),
            "column": texts([column for column, _ in wrong.values()]),
            "reason": texts([reason for _, reason in wrong.values()]),
        }
        return pa.table({**scored, **self._stamps(len(places))}), pa.table(rejected)

    def _columns(self, outputs: Outputs) -> dict[str, pa.Array]:
        """Write outputs as /predict does, a column a field: the same numbers, in float64."""
        numbers = outputs.astype("float64")
        kind, labels = self.bundle.model.target["kind"], self.bundle.model.labels
        if kind == "quantity":
            return {"value": from_numpy(numbers[:, 0], pa.float64())}
        best = self.bundle.model.choices(outputs)
        if isinstance(labels[0], str):
            columns = {"label": chosen(best, [str(label) for label in labels])}
        else:
            columns = {"label": from_numpy(np.array(labels, dtype="int64")[best], pa.int64())}
        if kind == "binary":
            return {**columns, "probability": from_numpy(numbers[:, 1], pa.float64())}
        shares = {f"probability_{label}": numbers[:, place] for place, label in enumerate(labels)}
        return {**columns, **{name: from_numpy(values, pa.float64()) for name, values in shares.items()}}

    def _stamps(self, rows: int) -> dict[str, pa.Array]:
        release, nothing = self.bundle.release, np.zeros(rows, dtype="int32")
        return {
            "model": chosen(nothing, [release["model"]]),
            "model_version": from_numpy(np.full(rows, release["model_version"], "int64"), pa.int64()),
            "model_digest": chosen(nothing, [release["model_digest"]]),
            "scored_at": from_numpy(np.full(rows, int(self.begun.timestamp()), "int64"), STAMP),
        }
