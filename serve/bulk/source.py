"""The table to score, Parquet or CSV, file or URL: its columns are checked once, its rows come in chunks."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from serve.bulk.errors import InputError
from serve.bulk.place import Place

CHUNK = 65_536  # rows scored together and kept as one part: half a second of computing, a few megabytes
FORMATS = (".parquet", ".csv")
READ_AHEAD = 1 << 20  # bytes of a Parquet column, or of a CSV file, read at once
Spec = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A table: the columns that the model takes, and those kept for the output; `rows` is None while nobody knows."""

    place: Place
    specs: Sequence[Spec]
    kept: Sequence[str]
    ignored: Sequence[str]
    schema: pa.Schema
    rows: int | None

    def chunks(self) -> Iterator[pa.Table]:
        """Read the table in order, CHUNK rows at a time, the last ones fewer.

        Raises InputError where the file turns out to be none of its kind.
        """
        waiting: list[pa.RecordBatch] = []
        held = 0
        with self.place.opened() as file, _readable(self.place):
            for batch in self._batches(file):
                waiting.append(batch)
                held += batch.num_rows
                while held >= CHUNK:
                    table = pa.Table.from_batches(waiting, self.schema)
                    yield table.slice(0, CHUNK)
                    waiting, held = table.slice(CHUNK).to_batches(), held - CHUNK
        if held:
            yield pa.Table.from_batches(waiting, self.schema)

    def _batches(self, file: Any) -> Iterator[pa.RecordBatch]:
        if self.place.suffix == ".csv":
            yield from _csv(file, self.schema)
        else:
            parquet = _parquet(file, self.specs)
            # one thread, and no more of a row group than is being decoded: memory does not grow with the row groups
            for batch in parquet.iter_batches(CHUNK, columns=self.schema.names, use_threads=False):
                yield batch.select(self.schema.names)


def find(place: Place, specs: Sequence[Spec], kept: Sequence[str] | None) -> Source:
    """Look at a table's columns; `kept` names those that go along, None all of them.

    Raises InputError when the file is missing, no table, or lacks a column, or one holds another type.
    """
    with place.opened() as file, _readable(place):
        if place.suffix == ".csv":
            schema, rows = pyarrow.csv.open_csv(file, _reading()).schema, None
        else:
            parquet = _parquet(file, specs)
            schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
        names = schema.names  # which are decoded here
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise InputError(f"{place}: column {twice[0]} is there twice; rename one of them")
    inputs = [spec["name"] for spec in specs]
    absent = [name for name in (*inputs, *(kept or ())) if name not in schema.names]
    if absent:
        raise InputError(f"{place} lacks column {', '.join(absent)}; it holds {', '.join(schema.names)}")
    along = list(schema.names if kept is None else dict.fromkeys(kept))
    if place.suffix == ".csv":
        texts = pa.dictionary(pa.int32(), pa.string())
        categories = {spec["name"] for spec in specs if spec["type"] != "number"}
        schema = pa.schema([(name, texts if name in categories else pa.string()) for name in schema.names])
    else:
        for spec in specs:
            _fits(place, spec, schema.field(spec["name"]).type)
    wanted = [*inputs, *(name for name in along if name not in inputs)]
    ignored = [name for name in schema.names if name not in wanted]
    return Source(place, specs, along, ignored, pa.schema([schema.field(name) for name in wanted]), rows)


def _parquet(file: Any, specs: Sequence[Spec]) -> pyarrow.parquet.ParquetFile:
    # Texts as codes and their dictionary: each value is looked at once a chunk, not once a row
    held = pyarrow.parquet.read_metadata(file).schema.to_arrow_schema().names
    categories = [spec["name"] for spec in specs if spec["type"] != "number" and spec["name"] in held]
    return pyarrow.parquet.ParquetFile(file, read_dictionary=categories, buffer_size=READ_AHEAD, pre_buffer=False)


def _reading() -> pyarrow.csv.ReadOptions:
    return pyarrow.csv.ReadOptions(block_size=READ_AHEAD, use_threads=False)


def _csv(file: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    # Numbers come as texts: one that is none rejects its row, not its file. An empty field is a missing value
    convert = pyarrow.csv.ConvertOptions(
        column_types=schema, include_columns=schema.names, null_values=[""], strings_can_be_null=True
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    with pyarrow.csv.open_csv(file, _reading(), parse, convert) as reader:
        yield from reader


def _fits(place: Place, spec: Spec, held: pa.DataType) -> None:
    is_ = pa.types
    kind = held.value_type if is_.is_dictionary(held) else held
    if spec["type"] == "number":
        fits, wanted = is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind), "numbers"
    else:
        fits, wanted = is_.is_string(kind) or is_.is_large_string(kind), "texts"
    if not fits and not is_.is_null(kind):
        raise InputError(f"{place}: column {spec['name']} holds {kind}, the model takes {wanted}; convert it")


@contextlib.contextmanager
def _readable(place: Place) -> Iterator[None]:
    """Turn what the parsers say into one sentence about the file."""
    try:
        yield
    except UnicodeDecodeError:
        raise InputError(
            f"{place}: the names of its columns are no UTF-8; is it compressed, or in another encoding?"
        ) from None
    except pa.ArrowInvalid as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{place} cannot be read as {Path(place.name).suffix[1:]}: {reason}") from None
    except pa.ArrowNotImplementedError as error:
        raise InputError(f"{place} cannot be read: {str(error).splitlines()[0]}") from None
