"""What every script shares: one door in, one door out (stdlib only).

stdout is the result, stderr is the log, the exit code is the verdict: 0 yes, 1 a gate said no, 2 used or set up
wrongly, 3 the outside failed (network, disk, server), 130 interrupted. No code comes with a traceback;
`GATEHOUSE_TRACEBACK=1` shows it.
"""

import argparse
import contextlib
import functools
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parent.parent  # the repository
BUILD = ROOT / "build"  # whatever can be made again
YES, NO, WRONG, OUTSIDE, INTERRUPTED = 0, 1, 2, 3, 130


class Refusal(Exception):
    """Something is used or set up wrongly: one sentence that says what, where and how to fix it (exit 2)."""


class OutsideError(Exception):
    """The outside failed: network, disk or server (exit 3)."""


_results: list[str] = []


def result(text: str) -> None:
    """Keep `text` for stdout; `door` prints it last, when all chatter of libraries is over."""
    _results.append(text)


def log(text: str) -> None:
    """Write one line of progress to stderr; what the data brought cannot begin a line of its own."""
    print("".join(c if c.isprintable() else " " for c in text), file=sys.stderr, flush=True)


def parser(manual: str | None) -> argparse.ArgumentParser:
    """Make an argument parser that shows a script's docstring as its manual."""
    text = manual or ""
    return argparse.ArgumentParser(
        prog=f"python -m {_name()}", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def version_number(text: str) -> int:
    """Parse a model version given on the command line.

    Raises argparse.ArgumentTypeError for anything but a whole number from 1 upwards.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no model version; `make fit` prints one (model-version=N)")
    return int(text)


def door(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Wrap a script's `main`: chatter goes to stderr, results to stdout at the end, every failure to its exit code."""

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        around, _results[:] = list(_results), []  # of a script that calls this one
        # before scikit-learn is imported: beside other work, threads that spin while they wait make a fit take minutes
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        try:
            with contextlib.redirect_stdout(sys.stderr), _terminate_as_interrupt():
                code = main(argv)
            for text in _results:
                print(text)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            return _fail(OUTSIDE, "the reader of stdout went away")
        except KeyboardInterrupt:
            return _fail(INTERRUPTED, "interrupted; nothing half-done was kept")
        except Refusal as error:
            return _fail(WRONG, str(error))
        except OutsideError as error:
            return _fail(OUTSIDE, str(error))
        except MemoryError:
            return _fail(OUTSIDE, "out of memory; use a machine with more of it, or fewer rows")
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            return _fail(OUTSIDE, f"the system refused{where}: {error.strerror or error}")
        except Exception as error:  # the last door: a fault in the code becomes a sentence too
            place = traceback.extract_tb(error.__traceback__)[-1]
            first = (str(error).strip() or "no message").splitlines()[0]
            return _fail(
                WRONG,
                f"{type(error).__name__}: {first} ({Path(place.filename).name}, line {place.lineno};"
                " GATEHOUSE_TRACEBACK=1 shows the whole way)",
            )
        finally:
            _results[:] = around

    return wrapped


def _fail(code: int, sentence: str) -> int:
    if os.environ.get("GATEHOUSE_TRACEBACK"):
        traceback.print_exc()
    log(f"{_name()}: {sentence}")
    return code


def _name() -> str:
    """Name the script that runs, as `python -m` was given it."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name if spec and not spec.name.startswith(("pytest", "xdist", "execnet")) else Path(sys.argv[0]).stem


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM (a cancelled job) unwind like Ctrl-C, so that what is half-done is taken back."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def writing(path: Path, mode: int = 0o644) -> Iterator[TextIO]:
    """Open a file under a temporary name beside `path`; it takes its name when the block ends well, else it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; it replaces `path` when the block ends well, else it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    old = folder.with_name(folder.name + ".old")
    try:
        yield folder
        folder.chmod(0o755)
        if path.exists():
            path.rename(old)
        folder.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(folder, ignore_errors=True)
        raise


def replaceable(path: Path) -> None:
    """Raise Refusal when `path` holds something that no script of ours has written."""
    if path.exists() and not (path.is_dir() and ((path / "manifest.json").is_file() or not any(path.iterdir()))):
        raise Refusal(f"{path} exists and was not made by this script; name a folder that may be replaced")


def to_json(value: Any) -> str:
    """Write `value` as JSON that is the same bytes for the same value; NaN and infinities are refused."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def digest(content: bytes) -> str:
    """SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return digest(to_json(value).encode())


def digest_of_files(paths: Sequence[Path]) -> str:
    """SHA-256 over the names (relative to the repository) and contents of files."""
    return digest_of({path.relative_to(ROOT).as_posix(): digest(path.read_bytes()) for path in paths})
