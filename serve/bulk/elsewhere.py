"""Score chunks on a Spark cluster: this process reads and writes in order, as ever, and the executors compute.

A chunk travels as Arrow to whichever executor is free, and its rows come back the same way. So rows are numbered,
parts kept and files written by the one process that does so without a cluster, and the output is the same to the byte.
Executors need the Python and the libraries of this process (numpy, pyarrow, onnxruntime, msgspec); our own code, and
the bundle, are sent to them.
"""

import contextlib
import datetime
import os
import signal
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from serve.bulk.errors import InputError, OutsideError
from serve.bulk.job import Engine
from serve.bulk.scoring import Scorer
from serve.loaded import Bundle

HOW = "pip install --require-hashes -r serve/bulk/spark/requirements.txt"
CODE, BUNDLE = "gatehouse-serve.zip", "gatehouse-bundle.zip"
OWN = {  # what this module needs of Spark; all else is the cluster's, and whoever runs it says so in Spark's own files
    "spark.ui.showConsoleProgress": "false",
    "spark.python.worker.reuse": "true",  # a bundle is loaded once a worker
}
MESSAGE_MB = "256"  # a chunk with long kept columns has to fit

_scorers: dict[tuple[object, ...], Scorer] = {}  # of a worker; it serves one job after the other


@contextlib.contextmanager
def cluster(folder: Path, master: str | None) -> Iterator[Engine]:
    """Connect to a cluster and give the engine that scores there by the bundle in `folder`.

    Raises InputError where Spark, or the Java that it needs, is not installed, OutsideError where no cluster answers.
    """
    with tempfile.TemporaryDirectory() as temporary, _context(master) as context:
        code, own = Path(temporary) / CODE, Path(temporary) / BUNDLE
        room = Path(__file__).parents[1]
        _pack(code, room.parent, [room, *room.rglob("*.py"), *(path for path in room.rglob("*") if path.is_dir())])
        _pack(own, folder, folder.rglob("*"))
        with _answering():
            context.addPyFile(str(code))
            context.addFile(str(own))
            threads = max(1, int(context.defaultParallelism))

        def scorer(bundle: Bundle, kept: Sequence[str], begun: datetime.datetime, libraries: Mapping[str, str]) -> Any:
            told = (bundle.digest, tuple(kept), begun, dict(libraries))

            def score(chunk: pa.Table, first: int) -> tuple[pa.Table, pa.Table]:
                work = context.parallelize([_packed(chunk)], 1).map(lambda packed: _score(told, packed, first))
                with _answering():
                    [(scored, rejected)] = work.collect()
                return _unpacked(scored), _unpacked(rejected)

            return score

        yield Engine(threads, scorer)


def _score(told: tuple[Any, ...], packed: bytes, first: int) -> tuple[bytes, bytes]:
    """Score a chunk on an executor."""
    digest, kept, begun, libraries = told
    key = (digest, kept, begun)
    if key not in _scorers:
        _scorers.clear()
        _scorers[key] = _loaded(digest, kept, begun, libraries)
    scored, rejected = _scorers[key].score(_unpacked(packed), first)
    return _packed(scored), _packed(rejected)


def _loaded(digest: str, kept: Sequence[str], begun: datetime.datetime, libraries: Mapping[str, str]) -> Scorer:
    from pyspark import SparkFiles

    from serve.bulk.job import libraries_of

    with tempfile.TemporaryDirectory() as temporary:
        with zipfile.ZipFile(SparkFiles.get(BUNDLE)) as archive:
            archive.extractall(temporary)
        bundle = Bundle(Path(temporary))  # checks every byte
        scorer = Scorer(bundle, kept, begun)
    if bundle.digest != digest:
        raise InputError(f"the executor got bundle {bundle.digest[:12]}, not {digest[:12]}; run the same command again")
    for name, version in libraries_of(bundle).items():
        if libraries[name] != version:
            raise InputError(f"the executor has {name} {version}, the driver {libraries[name]}; install the same one")
    return scorer


@contextlib.contextmanager
def _context(master: str | None) -> Iterator[Any]:
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.errors import PySparkException
    except ImportError:
        raise InputError(f"--engine spark needs pyspark, which is not installed; {HOW}") from None
    conf = SparkConf().setAppName("serve.batch").setAll(list(OWN.items()))
    conf.setIfMissing("spark.rpc.message.maxSize", MESSAGE_MB)
    if master:
        conf.setMaster(master)
    if not conf.contains("spark.master"):
        conf.setMaster("local[*]")
    if str(conf.get("spark.master")).startswith("local"):  # no port of it is open to others
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        for name in ("spark.driver.bindAddress", "spark.driver.host"):
            conf.setIfMissing(name, "127.0.0.1")
        conf.setIfMissing("spark.ui.enabled", "false")
    interrupt = signal.getsignal(signal.SIGINT)  # Spark puts a handler of its own in its place
    try:
        with _stdout_is_stderr():
            context = SparkContext(conf=conf)
    except PySparkException as error:
        raise InputError(f"Spark does not start, is Java 17 or later installed? {_first(error)}") from None
    except Exception as error:  # whatever the gateway raised
        raise OutsideError(f"the cluster {conf.get('spark.master')} does not answer: {_first(error)}") from None
    try:
        with _answering():
            context.setLogLevel("ERROR")
        yield context
    finally:
        signal.signal(signal.SIGINT, interrupt)
        with contextlib.suppress(Exception):  # one whose cluster is gone cannot be stopped, and says so at length
            context.stop()


@contextlib.contextmanager
def _stdout_is_stderr() -> Iterator[None]:
    """Let a program that is started meanwhile write to stderr what it writes to stdout: that is for the result."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # an executor's error arrives as the text of a Java exception
        said = [line for line in str(error).splitlines() if "Error: " in line and "Exception:" not in line]
        reason = said[-1].strip() if said else _first(error)
        kind, _, sentence = reason.rpartition("Error: ")
        if kind.endswith(("errors.Input", "ModuleNotFound", "Bundle")):
            raise InputError(f"an executor cannot score: {sentence}") from None
        raise OutsideError(f"the cluster failed, or does not answer: {reason}") from None


def _first(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _pack(target: Path, folder: Path, paths: Iterable[Path]) -> None:
    """Pack files and folders; a folder without an entry of its own is no package to who imports from an archive."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(paths):
            archive.write(path, path.relative_to(folder))


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue().to_pybytes())


def _unpacked(packed: bytes) -> pa.Table:
    with pyarrow.ipc.open_stream(packed) as reader:
        return reader.read_all()
