"""Ship the finished files of a prediction log's spool as Parquet. The service runs this itself; a sidecar may, too.

Usage: python -m serve.ship --spool /spool --to s3://bucket/log

Reads   the spool: finished files, and those that a dead process left.
Writes  predictions/date=YYYY-MM-DD/NAME.parquet and feedback/date=…, below --to: a folder, or a URL that fsspec knows;
        s3://, gs:// and abfs:// need no library beside Arrow. NAME is the spool file's, which is removed when both are
        there: a run that was killed writes the same bytes under the same name again, so nothing is there twice.
Prints  predictions=…, feedback=…, files=…, and torn=…: lines that a killed writer left half, which are left out.
Exits   0 shipped, or another run does it; 2 used or set up wrongly; 3 the store or the disk failed, what is left waits.
"""

import argparse
import fcntl
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from serve.remembered.segments import BROKEN, finished, take_over
from serve.remembered.settings import LOCK

NAMES = ("predictions", "feedback", "files", "torn")  # what is counted


def log(sentence: str) -> None:
    """Write one line to stderr."""
    print(f"serve.ship: {sentence}", file=sys.stderr, flush=True)  # noqa: T201  the log of the script


def ship(spool: Path, to: str, counts: "Counter[str]") -> None:
    """Ship every finished file of a spool, and count what went. Raises StoreError, NoStore and OSError."""
    import io

    import pyarrow.parquet

    from serve.remembered.store import Store
    from serve.remembered.tables import Unreadable, tables

    store = Store(to)
    for path in finished(spool):
        try:
            made, torn = tables(path)
        except Unreadable as error:
            log(f"{error}; it is set aside as {BROKEN}")
            path.replace(path.with_suffix(BROKEN))
            continue
        date = f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}"
        for kind, table in made.items():
            buffer = io.BytesIO()
            pyarrow.parquet.write_table(table, buffer, compression="zstd", store_schema=False)
            store.put(f"{kind}/date={date}/{path.stem}.parquet", buffer.getvalue())
        path.unlink()
        counts.update({kind: table.num_rows for kind, table in made.items()}, files=1, torn=torn)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = argparse.ArgumentParser(
        prog="python -m serve.ship", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--spool", type=Path, required=True, help="the folder where records wait")
    options.add_argument("--to", required=True, help="a folder, or a URL")
    given = options.parse_args(argv)
    try:
        held = os.open(given.spool / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        log(f"{given.spool} is no spool: {error.strerror}")
        return 2
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        take_over(given.spool)
        return _shipped(given.spool, given.to)
    except BlockingIOError:
        log(f"{given.spool}: another run ships it")
        return 0
    finally:
        os.close(held)


def _shipped(spool: Path, to: str) -> int:
    from serve.remembered.store import NoStore, StoreError

    counts: Counter[str] = Counter()
    try:
        ship(spool, to, counts)
    except ImportError as error:
        log(f"{error.name} is not installed here; install serve/remembered/requirements.txt")
        return 2
    except NoStore as error:
        log(str(error))
        return 2
    except (StoreError, OSError) as error:
        log(f"{error}; what is left waits in {spool}")
        return 3
    finally:
        print("\n".join(f"{name}={counts[name]}" for name in NAMES))  # noqa: T201  the result
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
