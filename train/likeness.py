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
    rows: str = "test"

    def __str__(self) -> str:
        """Say it as a clause."""
        files = f"{', '.join(self.files)} {'differs' if len(self.files) == 1 else 'differ'}"
        if self.gap is None:
            return f"{files}; the outputs are about other rows or labels"
        return (
            f"{files}; outputs on the {self.rows} rows differ by {self.gap:.3g} at most, labels flipped: {self.flipped}"
        )

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
    if not all((folder / "outputs.parquet").is_file() for folder in (one, other)):
        return _on_golden_rows(one, other, files)
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


def _on_golden_rows(one: Path, other: Path, files: tuple[str, ...]) -> Likeness:
    """Compare what both recorded for rows made up from the contract: outputs on test rows stay where they were made."""
    import numpy as np

    first, second = (read_json(folder / "golden.json") for folder in (one, other))
    if first["rows"] != second["rows"] or np.shape(first["outputs"]) != np.shape(second["outputs"]):
        return Likeness(files, None, None)
    outputs = [np.array(golden["outputs"], dtype="float64") for golden in (first, second)]
    gap = float(np.abs(outputs[0] - outputs[1]).max() / read_json(one / "contract.json")["target"].get("range", 1.0))
    flipped = int((outputs[0].argmax(axis=1) != outputs[1].argmax(axis=1)).sum())
    return Likeness(files, gap, flipped, "golden")
