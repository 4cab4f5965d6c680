"""Run a job: read chunks in order, score them on all cores, write them in order; memory does not grow with the rows."""

import datetime
import hashlib
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy
import pyarrow as pa

from serve.bulk.parts import Parts, finished, now, opened
from serve.bulk.place import Place
from serve.bulk.scoring import Scorer
from serve.bulk.source import CHUNK, Source, find
from serve.bulk.writing import writer
from serve.loaded import Bundle

SWITCH = 0.0002  # seconds that a thread back from numpy waits for the interpreter at most; all are short in it
WAITING = 2  # chunks a thread that are read and not yet written: enough that none idles


@dataclass(frozen=True)
class Job:
    """What to score with what, and where to; `kept` are the columns that go along, None is all of them."""

    source: Place
    output: Place
    rejects: Place
    kept: tuple[str, ...] | None = ()
    rejected_at_most: float = 1.0  # a share of the rows; beyond, there is no output


Score = Callable[[pa.Table, int], tuple[pa.Table, pa.Table]]  # a chunk and the number of its first row, see Scorer


@dataclass(frozen=True)
class Engine:
    """Where chunks are scored: `threads` at once; `scorer` makes what scores one, see `here`."""

    threads: int
    scorer: Callable[[Bundle, Sequence[str], datetime.datetime, Mapping[str, str]], Score]


def here(threads: int) -> Engine:
    """Score in this process, on so many threads."""
    return Engine(threads, lambda bundle, kept, begun, _: Scorer(bundle, kept, begun).score)


@dataclass
class Counts:
    """What became of the rows."""

    rows: int = 0
    rejected: int = 0
    resumed: int = 0  # rows that an earlier, killed run had scored

    @property
    def share(self) -> float:
        """Share of the rows that were rejected; none of none is 0."""
        return self.rejected / self.rows if self.rows else 0.0


def home(output: Place) -> Path:
    """Name the folder of an output's parts: beside it, or, for a URL, below build/batch."""
    if output.is_url:
        return Path("build/batch") / hashlib.sha256(output.name.encode()).hexdigest()[:12]
    return output.path.with_name(f".{output.path.name}.parts")


def libraries_of(bundle: Bundle) -> dict[str, str]:
    """Name the versions of the libraries that the outputs of a bundle hang on, here."""
    return {"numpy": numpy.__version__, "pyarrow": pa.__version__, **bundle.model.session.libraries}


def run(
    bundle: Bundle, job: Job, engine: Engine, say: Callable[[str], None], show: Callable[[int, int | None], None]
) -> Counts:
    """Score a table into output and reject file; `show` is told how many rows are done, and how many there are.

    Where a killed run of the same job left parts, goes on behind them. Too large a share of rejects leaves the output
    as it was. Raises InputError for what is used or set up wrongly, OutsideError where a store fails.
    """
    source = find(job.source, bundle.model.inputs, job.kept)
    if source.ignored:
        say(f"{job.source}: the model takes no column {', '.join(source.ignored)}; --keep takes columns along")
    # names that collide are refused before any work
    scored, rejected = Scorer(bundle, source.kept, now()).score(pa.Table.from_batches([], source.schema), 0)
    libraries = libraries_of(bundle)
    described = {
        "source": job.source.identity(),
        "bundle": bundle.digest,
        "kept": list(source.kept),
        "suffixes": [job.output.suffix, job.rejects.suffix],
        "chunk": CHUNK,
        "libraries": libraries,
    }
    with opened(home(job.output), described) as parts:
        score = engine.scorer(bundle, source.kept, parts.begun, libraries)
        ends = ((job.output, scored.schema), (job.rejects, rejected.schema))
        counts = _score(score, engine.threads, source, ends, parts, show)
        if counts.resumed:
            say(
                f"{counts.resumed} rows were scored by a run that was killed, begun {parts.begun:%Y-%m-%d %H:%M:%S} UTC"
            )
        job.rejects.receive(_assembled(parts, job.rejects))
        if counts.share <= job.rejected_at_most:
            job.output.receive(_assembled(parts, job.output))
        else:
            _assembled(parts, job.output).unlink()
        finished(parts)
    return counts


def _assembled(parts: Parts, target: Place) -> Path:
    """Name the file in the making: beside its target, so that it can be renamed, or with the parts of a URL."""
    if target.is_url:
        return parts.folder / f"{hashlib.sha256(target.name.encode()).hexdigest()[:12]}.whole"
    return target.path.with_name(f".{target.path.name}.partial")


def _score(
    score: Score,
    threads: int,
    source: Source,
    ends: Sequence[tuple[Place, pa.Schema]],
    parts: Parts,
    show: Callable[[int, int | None], None],
) -> Counts:
    """Score the chunks that are no part yet, and write all of them in order; `ends` are output and reject file."""
    counts = Counts()
    waiting: deque[Future[tuple[pa.Table, pa.Table]]] = deque()
    with ExitStack() as stack:
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(SWITCH)
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        good, bad = (
            stack.enter_context(writer(_assembled(parts, target), target.suffix, schema)) for target, schema in ends
        )

        def compute(number: int, chunk: pa.Table) -> tuple[pa.Table, pa.Table]:
            return parts.keep(number, *score(chunk, number * CHUNK))

        def take() -> None:
            scored, rejected = waiting.popleft().result()
            good(scored)
            bad(rejected)
            counts.rows += scored.num_rows + rejected.num_rows
            counts.rejected += rejected.num_rows
            show(counts.rows, source.rows)

        for number, chunk in enumerate(source.chunks()):
            if parts.has(number):
                counts.resumed += chunk.num_rows
                waiting.append(pool.submit(parts.read, number))
            else:
                waiting.append(pool.submit(compute, number, chunk))
            if len(waiting) > WAITING * threads:
                take()
        while waiting:
            take()
    return counts
