"""Run a job: read chunks in order, score them on all cores, write them in order; memory does not grow with the rows."""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pyarrow as pa

from serve.bulk.parts import Parts, finished, now, opened
from serve.bulk.place import Place
from serve.bulk.scoring import Scorer
from serve.bulk.source import CHUNK, Source, find
from serve.bulk.writing import writer
from serve.loaded import Bundle

WAITING = 2  # chunks a thread that are read and not yet written: enough that none idles


@dataclass(frozen=True)
class Job:
    """What to score with what, and where to; `kept` are the columns that go along, None is all of them."""

    source: Place
    output: Place
    rejects: Place
    kept: tuple[str, ...] | None = ()
    threads: int = 1
    rejected_at_most: float = 1.0  # a share of the rows; beyond, there is no output


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


def run(bundle: Bundle, job: Job, say: Callable[[str], None], show: Callable[[int, int | None], None]) -> Counts:
    """Score a table into output and reject file; `show` is told how many rows are done, and how many there are.

    Where a killed run of the same job left parts, goes on behind them. Too large a share of rejects leaves the output
    as it was. Raises InputError for what is used or set up wrongly, OutsideError where a store fails.
    """
    source = find(job.source, bundle.model.inputs, job.kept)
    if source.ignored:
        say(f"{job.source}: the model takes no column {', '.join(source.ignored)}; --keep takes columns along")
    Scorer(bundle, source.kept, now())  # names that collide are refused before any work
    described = {
        "source": job.source.identity(),
        "bundle": bundle.digest,
        "kept": list(source.kept),
        "suffixes": [job.output.suffix, job.rejects.suffix],
        "chunk": CHUNK,
        "libraries": {"numpy": numpy.__version__, "pyarrow": pa.__version__, **bundle.model.session.libraries},
    }
    with opened(home(job.output), described) as parts:
        counts = _score(Scorer(bundle, source.kept, parts.begun), source, job, parts, show)
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


def _score(scorer: Scorer, source: Source, job: Job, parts: Parts, show: Callable[[int, int | None], None]) -> Counts:
    counts = Counts()
    waiting: deque[tuple[int, Future[None]]] = deque()
    scored, rejected = scorer.score(pa.Table.from_batches([], source.schema), 0)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(job.threads))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        targets = ((job.output, scored.schema), (job.rejects, rejected.schema))
        good, bad = (
            stack.enter_context(writer(_assembled(parts, target), target.suffix, schema)) for target, schema in targets
        )

        def compute(number: int, chunk: pa.Table) -> None:
            parts.keep(number, *scorer.score(chunk, number * CHUNK))

        def take() -> None:
            number, future = waiting.popleft()
            future.result()
            for kind, add in (("scored", good), ("rejected", bad)):
                table: Any = parts.read(number, kind)
                add(table)
                counts.rows += table.num_rows
                counts.rejected += table.num_rows if kind == "rejected" else 0
            show(counts.rows, source.rows)

        for number, chunk in enumerate(source.chunks()):
            if parts.has(number):
                counts.resumed += chunk.num_rows
                done: Future[None] = Future()
                done.set_result(None)
                waiting.append((number, done))
            else:
                waiting.append((number, pool.submit(compute, number, chunk)))
            if len(waiting) > WAITING * job.threads:
                take()
        while waiting:
            take()
    return counts
