"""Processes of this machine that a later run can find again, and the sockets they listen on (stdlib only).

A pid in a file says nothing: its process may be gone and the number given away. So each process inherits a lock on
the file that holds its pid. While the lock is held, the pid is the one that was written; the kernel frees it with the
process.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from validation.script import OutsideError, Refusal

TICK = 0.05  # seconds between two looks at a process or a file


def start(
    leash: Path,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    listener: socket.socket | None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, its output added to a file; `leash` tells later whether it still lives.

    `listener` is a socket it inherits; its number is given to it as LISTEN_FD. Raises OutsideError when another process
    still holds the leash.
    """
    leash.parent.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    with leash.open("a") as lock, output.open("ab") as out:
        if not _take(lock.fileno(), fcntl.LOCK_EX):
            raise OutsideError(f"{leash}: a process of an earlier run still holds it")
        lock.truncate(0)
        inherited = [lock.fileno()] + ([listener.fileno()] if listener else [])
        variables = dict(env) | ({"LISTEN_FD": str(listener.fileno())} if listener else {})
        # a session of its own and no handle of the caller's: `make pipeline | tee` ends, and Ctrl-C there stays there
        process = subprocess.Popen(
            list(command),
            env=variables,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            start_new_session=True,
        )
        try:
            lock.write(str(process.pid))
            lock.flush()
        except OSError:  # a full disk: a process that nobody can find again must not live
            process.kill()
            process.wait()
            raise
    return process


def alive(leash: Path) -> int | None:
    """Return the pid of the process on this leash, or None when it is gone.

    Raises OutsideError when the leash is held and names no process.
    """
    try:
        with leash.open("r+") as lock:
            if _take(lock.fileno(), fcntl.LOCK_SH):
                return None
            text = lock.read()
    except FileNotFoundError:
        return None
    if not text.isdigit():
        raise OutsideError(f"{leash}: held by a process it does not name; end that process (`lsof {leash}` shows it)")
    return int(text)


def stop(leash: Path, seconds: float) -> None:
    """End the process on this leash, if it lives: SIGTERM, and after `seconds` SIGKILL for it and what it started.

    Raises OutsideError when it outlives even that.
    """
    pid = alive(leash)
    if pid is not None:
        send(pid, signal.SIGTERM)
        if not wait(lambda: alive(leash) is None, seconds):
            send(-pid, signal.SIGKILL)  # its whole group: workers hold the leash as well
            if not wait(lambda: alive(leash) is None, seconds):
                raise OutsideError(f"process {pid} ({leash.stem}) does not end; end it by hand")
    leash.unlink(missing_ok=True)


def send(pid: int, signal_number: signal.Signals) -> None:
    """Send a signal to a process, or to the group -`pid`; one that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)


def wait(until: Callable[[], bool], seconds: float) -> bool:
    """Look again and again until `until` is true, for `seconds` at most; return whether it came true."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(TICK)
    return True


def listen(port: int) -> socket.socket:
    """Listen on 127.0.0.1 (port 0: a free one). Raises Refusal when the port is in use."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a former run linger in TIME_WAIT
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Refusal(f"port {port} is in use by something else; stop it, or set GATEHOUSE_PORT") from error
        raise
    return listener


def may_listen(port: int) -> None:
    """Raise Refusal when a port is in use; whether this process may listen there itself is another matter."""
    try:
        listen(port).close()
    except PermissionError:  # below 1024, where an engine may
        return


def port_of(listener: socket.socket) -> int:
    """Return the port number of a listening socket."""
    return int(listener.getsockname()[1])


def read(path: Path) -> dict[str, Any]:
    """Read the JSON object that another process keeps there; {} when there is none, as after power that failed."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def tail(path: Path, lines: int = 12) -> list[str]:
    """Return the last lines of a log; none when there is no log."""
    return path.read_text(errors="replace").splitlines()[-lines:] if path.is_file() else []


def cut(log: Path, most: int) -> None:
    """Begin a log of more than `most` bytes anew, whose writers all append to it; what it had is in LOG.1 then."""
    if not log.is_file() or log.stat().st_size <= most:
        return
    before = log.with_name(f"{log.name}.1")
    try:
        shutil.copyfile(log, before)
    except OSError:  # a full disk, which the log may have filled
        before.unlink(missing_ok=True)
    os.truncate(log, 0)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
