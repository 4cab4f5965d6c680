"""Score a table of any length with a bundle: the same contract and the same numbers as /predict.

Usage: python -m serve.batch --input rows.parquet --output scored.parquet [--bundle build/model] [--keep all]
       [--engine spark --master spark://…]

Reads   the bundle; the input, Parquet or CSV, a file or a URL, where s3://, gs:// and abfs:// need no library beside
        Arrow. It holds every column that the model takes; others are left out, unless --keep names them. NaN and, in
        CSV, an empty field are missing values.
Prints  a short table: rows, rejects, rate. Progress goes to stderr.
Writes  the output, a line for each row that keeps the contract: its number, counted from 0, the kept columns, the
        prediction, model, version, digest, and when the job began; and the reject file: number, column and reason of
        every other row. Both appear whole, the output last. A run that was killed is gone on with by the same command,
        and the output is the same to the byte; until then its parts lie beside the output, in .NAME.parts. With
        --engine spark the rows are scored by the executors of a cluster, and read and written here: the same output.
Exits   0 written, 1 a larger share of rows was rejected than --rejected-at-most allows (the output is not written, the
        reject file is), 2 used or set up wrongly, the input above all, 3 the outside failed, 130 interrupted.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serve.bulk.errors import InputError, OutsideError
from serve.bulk.job import Counts, Engine, Job, here, home, run
from serve.bulk.place import Place
from serve.bulk.source import FORMATS
from serve.bundle import BundleError
from serve.loaded import Bundle

LINE_SECONDS = 10  # between two lines of progress where stderr is no terminal


def table(counts: Counts, job: Job, seconds: float) -> str:
    """Write what became of the rows as a table in Markdown."""
    rate = f"{(counts.rows - counts.resumed) / seconds:,.0f} rows/s"
    if counts.resumed:
        rate += f", {counts.resumed:,} were there"
    rows = [
        ("rows", f"{counts.rows:,}"),
        ("scored", f"{counts.rows - counts.rejected:,}"),
        ("rejected", f"{counts.rejected:,} ({counts.share:.2%}), see {job.rejects}"),
        ("rate", rate),
    ]
    return "\n".join(["| batch | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)])


def progress() -> Callable[[int, int | None], None]:
    """Make a function that shows how many rows are done: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(unit=" rows", unit_scale=True, file=sys.stderr)

        def draw(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return draw
    said = time.monotonic()

    def say(done: int, total: int | None) -> None:
        nonlocal said
        if time.monotonic() - said >= LINE_SECONDS:
            said = time.monotonic()
            log(f"{done:,} rows" + (f" of {total:,}, {done / total:.0%}" if total else ""))

    return say


def log(text: str) -> None:
    """Write one line to stderr; what the data brought cannot begin a line of its own."""
    line = "".join(c if c.isprintable() else " " for c in text)
    print(f"serve.batch: {line}", file=sys.stderr, flush=True)  # noqa: T201  the log of the script


def asked(argv: Sequence[str] | None) -> tuple[Path, Job, argparse.Namespace]:
    """Read the command line.

    Raises InputError when two of the files are one, or one is of no known kind.
    """
    options = argparse.ArgumentParser(
        prog="python -m serve.batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--input", required=True, type=Place, help="the table: Parquet or CSV, a file or a URL")
    options.add_argument("--output", required=True, type=Place, help="where to: .parquet or .csv, a file or a URL")
    options.add_argument("--rejects", type=Place, help="the reject file; else beside the output, NAME.rejects.KIND")
    options.add_argument("--bundle", type=Path, default=Path("build/model"), help="the bundle's folder")
    options.add_argument("--keep", default="", help="columns that go along into the output, as a,b,c; or all")
    options.add_argument("--rejected-at-most", type=_share, default=1.0, help="share of the rows, 0 to 1; else 1")
    options.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="else all cores")
    options.add_argument("--engine", choices=("here", "spark"), default="here", help="where rows are scored; else here")
    options.add_argument("--master", help="the cluster, as Spark names it; else what Spark's files say, or local[*]")
    given = options.parse_args(argv)
    rejects = given.rejects or given.output.beside("rejects")
    for place in (given.input, given.output, rejects):
        if place.suffix not in FORMATS:
            raise InputError(f"{place}: batch reads and writes {' and '.join(FORMATS)} files; name one of these")
    if len({place.name for place in (given.input, given.output, rejects)}) < 3:
        raise InputError("input, output and reject file are not three files; name three")
    if given.threads < 1:
        raise InputError(f"--threads {given.threads} is no number of threads; give 1 or more")
    kept = None if given.keep == "all" else tuple(name for name in given.keep.split(",") if name)
    if given.master and given.engine != "spark":
        raise InputError("--master names a Spark cluster; give --engine spark with it")
    return given.bundle, Job(given.input, given.output, rejects, kept, given.rejected_at_most), given


@contextmanager
def engine_of(given: argparse.Namespace) -> Iterator[Engine]:
    """Give where rows are scored."""
    if given.engine == "here":
        yield here(given.threads)
        return
    from serve.bulk.elsewhere import cluster

    with cluster(given.bundle, given.master) as engine:
        yield engine


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share; give a number from 0 to 1")
    return value


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    before = signal.signal(signal.SIGTERM, _interrupt)  # a job that is cancelled ends like Ctrl-C
    try:
        folder, job, given = asked(argv)
        bundle = Bundle(folder)
        with engine_of(given) as engine:
            started = time.perf_counter()
            counts = run(bundle, job, engine, log, progress())
        print(table(counts, job, time.perf_counter() - started))  # noqa: T201  the result
    except (InputError, BundleError) as error:
        return _fail(2, str(error))
    except KeyboardInterrupt:
        return _fail(130, f"interrupted; the same command goes on where this one was, by {home(job.output)}")
    except OutsideError as error:
        return _fail(3, str(error))
    except MemoryError:
        return _fail(3, "out of memory; give fewer --threads")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _fail(3, f"the system refused{where}: {error.strerror or error}")
    finally:
        signal.signal(signal.SIGTERM, before)
    if counts.share > job.rejected_at_most:
        return _fail(
            1,
            f"{counts.rejected} of {counts.rows} rows ({counts.share:.2%}) were rejected, --rejected-at-most allows"
            f" {job.rejected_at_most:.2%}; nothing was written to {job.output}, the reasons are in {job.rejects}",
        )
    return 0


def _fail(code: int, sentence: str) -> int:
    log(sentence)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
