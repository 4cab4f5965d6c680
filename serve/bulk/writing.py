"""Write tables into one Parquet or CSV file that has its name only once it is whole."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from serve.bulk.arrays import decoded
from serve.bulk.errors import InputError
from serve.bulk.parts import lasting


@contextlib.contextmanager
def writer(path: Path, suffix: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that adds a table of this schema to the file.

    Raises InputError when a column's type has no form in a file of this kind.
    """
    with path.open("wb") as file, contextlib.ExitStack() as stack:
        try:
            if suffix == ".csv":
                schema = _plain(pa.Table.from_batches([], schema)).schema
                csv = stack.enter_context(pyarrow.csv.CSVWriter(file, schema))
                yield lambda table: csv.write_table(_plain(table))
            else:
                # Codes stay codes; the other columns are numbers that seldom repeat, or texts the reader knows better
                coded = [field.name for field in schema if pa.types.is_dictionary(field.type)]
                parquet = stack.enter_context(
                    pyarrow.parquet.ParquetWriter(
                        file, schema, compression="zstd", compression_level=1, use_dictionary=coded, store_schema=False
                    )
                )
                yield lambda table: parquet.write_table(table) if table.num_rows else None
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"a kept column has no form in a {suffix[1:]} file: {reason}; see --keep") from None
        stack.close()  # the footer is written by this
        lasting(file)


def _plain(table: pa.Table) -> pa.Table:
    return pa.table({name: decoded(table.column(name)) for name in table.column_names})
