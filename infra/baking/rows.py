"""Rows to replay: recorded ones where a file is named, then rows made up from what a bundle says of its data."""

import json
import math
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from serve.bundle import read_json
from validation.script import Refusal

Row = dict[str, Any]
BATCH = 1000  # rows of a recorded file held at once


def must_hold_rows(path: Path, model: Path, most: int) -> None:
    """Read the recorded rows that may be replayed, `most` at most, and keep none: what a bake would stop at is met now.

    Raises Refusal as `recorded` does, for a row that is none of the model in this folder, and where there is no row.
    """
    names = [spec["name"] for spec in read_json(model / "contract.json")["inputs"]]
    if not sum(1 for _ in islice(recorded(path, names), most)):
        raise Refusal(f"{path} holds no row; name recorded requests, or leave it out, and rows are made up")


def recorded(path: Path, names: Sequence[str]) -> Iterator[Row]:
    """Read recorded rows: a file of Parquet or of JSON lines, or a folder of Parquet as the prediction log ships it.

    `names` are the columns that the model takes; others are left out. Raises Refusal, before the first row, where there
    is no such file, it lacks a column, or one holds neither numbers nor texts; at a row that cannot be read.
    """
    if path.suffix in (".jsonl", ".ndjson") and path.is_file():
        return _json_lines(path, names)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path] if path.is_file() else []
    if not files or any(file.suffix != ".parquet" for file in files):
        raise Refusal(f"{path} holds no recorded requests: name a .parquet or .jsonl file, or a folder of the first")
    for file in files:
        _must_hold(file, names)
    return (row for file in files for row in _parquet(file, names))


def _must_hold(file: Path, names: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise Refusal(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    absent = [name for name in names if name not in schema.names]
    if absent:
        raise Refusal(
            f"{file} lacks column {', '.join(absent)}: a log can be replayed when PREDICTION_LOG.columns in config.py"
            " names every input of the model"
        )
    for name in names:
        kind = schema.field(name).type
        if not _fits(kind):
            raise Refusal(f"{file}: column {name} holds {kind}, and a request holds numbers and texts")


def _fits(kind: Any) -> bool:
    import pyarrow as pa

    of = pa.types
    kind = kind.value_type if of.is_dictionary(kind) else kind
    texts = of.is_string(kind) or of.is_large_string(kind) or of.is_boolean(kind) or of.is_null(kind)
    return bool(texts or of.is_integer(kind) or of.is_floating(kind) or of.is_decimal(kind))


def _parquet(file: Path, names: Sequence[str]) -> Iterator[Row]:
    """Give a file's rows. A page that is damaged shows by its checksum, where it has one, or when it is decoded."""
    import pyarrow as pa
    import pyarrow.parquet

    read = 0
    try:
        with pyarrow.parquet.ParquetFile(file, page_checksum_verification=True) as opened:
            for batch in opened.iter_batches(BATCH, columns=list(names)):
                _must_hold_values(batch)
                for row in batch.to_pylist():
                    plain = {name: float(one) if isinstance(one, Decimal) else one for name, one in row.items()}
                    yield {name: None if _is_nan(value) else value for name, value in plain.items()}
                read += len(batch)
            if read != (told := opened.metadata.num_rows):
                raise pa.ArrowInvalid(f"it says that it has {told:,} rows")
    except (pa.ArrowException, OSError) as error:
        why = (str(error).splitlines() or ["no reason is given"])[0]
        raise Refusal(
            f"{file}, behind row {read}, cannot be read as Parquet: {why}; name a file that is whole, or leave it out"
        ) from None


def _must_hold_values(batch: Any) -> None:
    """Raise ArrowInvalid for a value that is none of its column's kind: pages hold bytes, and any may lie there."""
    import pyarrow as pa

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise pa.ArrowInvalid(f"column {name}: {error}") from None


def _json_lines(path: Path, names: Sequence[str]) -> Iterator[Row]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line.decode("utf-8"))
                found = {name: _plain(row[name]) for name in names}
            except (ValueError, KeyError, TypeError, RecursionError) as error:  # its text may quote a value
                why = f"it lacks {error}" if isinstance(error, KeyError) else "it is no object of numbers and texts"
                raise Refusal(
                    f"{path}, line {number} is no row of this model: {why}; mend the line or drop it"
                ) from None
            yield found


def _plain(value: Any) -> Any:
    """Return a value as a request can hold it. Raises TypeError for a list or an object, ValueError for half a sign."""
    if not isinstance(value, str | int | float | None):
        raise TypeError
    if isinstance(value, str):
        value.encode("utf-8")
    return None if _is_nan(value) else value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def made_up(model: Path, seed: int) -> Iterator[Row]:
    """Give the golden rows of a model's folder, then rows without end, each column drawn as training rows lie."""
    inputs = read_json(model / "contract.json")["inputs"]
    yield from read_json(model / "golden.json")["rows"]
    columns = read_json(model / "drift.json")["columns"]
    chance = random.Random(seed)
    drawn = [(spec["name"], *_bins(spec, columns[spec["name"]])) for spec in inputs]
    while True:
        yield {name: _drawn(chance.choices(bins, weights)[0], chance) for name, bins, weights in drawn}


def _bins(spec: dict[str, Any], counted: dict[str, Any]) -> tuple[list[Any], list[int]]:
    """List what a column may hold, each with the training rows that held it: a range, a value, or nothing."""
    bins: list[Any] = [None]
    weights = [counted["missing"] if spec["missing"] else 0]
    if spec["type"] == "number":
        whole = bool(spec["integer"])
        ends = [spec["low"], *counted["edges"], spec["high"]]
        for low, high, count in zip(ends[:-1], ends[1:], counted["counts"], strict=True):
            bins.append((math.ceil(low), max(math.ceil(low), math.floor(high)), whole) if whole else (low, high, whole))
            weights.append(count)
    else:
        rare = [value for value in spec["values"] if value not in counted["counts"]]
        bins += [*counted["counts"], *([rare] if rare else [])]
        weights += [*counted["counts"].values(), *([counted["other"]] if rare else [])]
    return bins, weights if any(weights) else [1] * len(bins)


def _drawn(what: Any, chance: random.Random) -> Any:
    if isinstance(what, tuple):
        low, high, whole = what
        return chance.randint(low, high) if whole else min(max(chance.uniform(low, high), low), high)
    return chance.choice(what) if isinstance(what, list) else what
