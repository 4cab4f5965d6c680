"""A commit checked out in a temporary folder, and programs run there; whatever happens, both are gone afterwards.

It is a worktree of the caller's clone, so large-file filters, partial clones and credentials are those of the clone.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from validation.script import ROOT, OutsideError, Refusal, log

GRACE = 10  # seconds that an interrupted program has to put away what it has begun
FETCH = 600  # seconds
# What would lead a program out of the checkout: another store, another repository, the caller's place in make or a run
LEADS_OUT = re.compile(r"MLFLOW_|GITHUB_|GIT_|PYTHON(PATH|HOME)$|BASE_COMMIT$|MAKE|MFLAGS$|VENV$|VIRTUAL_ENV$")


def call(
    command: Sequence[str | Path], folder: Path, *, quiet: bool = False, seconds: float | None = None, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Run a program in `folder`, with `more` in its environment; it ends with the caller, and all that it started.

    Its stdout is returned, its stderr too when `quiet`, else that is the caller's. Raises OutsideError after `seconds`.
    """
    kept = {name: value for name, value in os.environ.items() if not LEADS_OUT.match(name)}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=kept | {"GIT_TERMINAL_PROMPT": "0"} | more,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise OutsideError(f"`{command[0]} {command[1]}` did not end within {seconds:g} s") from None
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _end(process: "subprocess.Popen[str]") -> None:
    with _undisturbed(), contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)  # git and fit take back what is half-done
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def at_commit(commit: str) -> Iterator[Path]:
    """Check out a commit; give the folder that is this project's there.

    Raises Refusal when this clone does not have the commit and cannot fetch it.
    """
    inside = _git("rev-parse", "--show-prefix")
    if inside.returncode:
        raise Refusal(f"no commit can be checked out: {_last(inside.stderr)}; run this in a git clone of the project")
    _bring(commit)
    scratch = Path(tempfile.mkdtemp(prefix="gatehouse-"))
    tree = scratch / f"at-{commit[:12]}"
    try:
        added = _git("-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--quiet", "--detach", tree, commit)
        if added.returncode:
            raise OutsideError(f"commit {commit[:12]} cannot be checked out: {_last(added.stderr)}")
        yield tree / inside.stdout.strip()
    finally:
        with _undisturbed():
            _git("worktree", "remove", "--force", "--force", tree)  # twice: also one that git was still making
            shutil.rmtree(scratch, ignore_errors=True)


def _bring(commit: str) -> None:
    """Fetch a commit that this clone lacks."""
    present = ("cat-file", "-e", f"{commit}^{{commit}}")
    if _git(*present).returncode == 0:
        return
    # A depth would make a full clone a shallow one
    shallow = _git("rev-parse", "--is-shallow-repository").stdout.strip() == "true"
    log(f"this clone does not have commit {commit[:12]}; it is fetched")
    depth = ["--depth=1"] if shallow else []
    fetched = _git("fetch", "--quiet", "--no-write-fetch-head", "--no-tags", *depth, "origin", commit)
    if fetched.returncode or _git(*present).returncode:
        raise Refusal(
            f"this clone does not have commit {commit[:12]}, and it cannot be fetched ({_last(fetched.stderr)});"
            " clone with the whole history: `fetch-depth: 0` of the checkout action, or `git fetch --unshallow`"
        )


def _git(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return call(["git", *arguments], ROOT, quiet=True, seconds=FETCH)


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["git said nothing"])[-1]


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM while something is put away; a second one must not stop that half-way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
