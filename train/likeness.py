"""How far two sealed models are from each other: which files differ, and by how much their outputs on the test rows."""

from dataclasses import dataclass
from pathlib import Path

from serve.bundle import read_json, read_manifest


@dataclass(frozen=True)
class Likeness:
    """The files that differ; the largest difference of an output and the flipped labels, None where rows differ.

    The difference is a probability's, or a share of the target's range.
    """

    files: tuple[str, ...]
    gap: float | None
    flipped: int | None

    def __str__(self) -> str:
        """Say it as a clause."""
        files = f"{', '.join(self.files)} {'differs' if len(self.files) == 1 else 'differ'}"
        if self.gap is None:
            return f"{files}; the outputs are about other rows or labels"
        return f"{files}; outputs differ by {self.gap:.3g} at most, labels flipped: {self.flipped}"

    def within(self, bound: float) -> bool:
        """Tell whether both serve alike: one contract, outputs within the bound, no label flipped; NaN is not."""
        return "contract.json" not in self.files and self.gap is not None and self.gap <= bound and self.flipped == 0


def likeness(one: Path, other: Path) -> Likeness:
    """Compare two sealed folders."""
    import numpy as np
    import pyarrow.parquet

    listed, found = read_manifest(one), read_manifest(other)
    files = tuple(sorted(name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name)))
    if "outputs.parquet" not in listed.keys() & found.keys():
        return Likeness(files, None, None)
    tables = [pyarrow.parquet.read_table(folder / "outputs.parquet") for folder in (one, other)]
    if tables[0].schema != tables[1].schema or not tables[0]["row"].equals(tables[1]["row"]):
        return Likeness(files, None, None)
    target = read_json(one / "contract.json")["target"]
    names = [name for name in tables[0].column_names if name != "row"]
    gap, flipped = 0.0, 0
    for kind in dict.fromkeys(name.rpartition("_")[0] for name in names):
        columns = [name for name in names if name.rpartition("_")[0] == kind]
        first, second = (np.column_stack([table[name].to_numpy() for name in columns]) for table in tables)
        gap = max(float(np.abs(first - second).max() / target.get("range", 1.0)), gap)  # NaN first, so that it stays
        flipped += int((first.argmax(axis=1) != second.argmax(axis=1)).sum())
    return Likeness(files, gap, flipped)
