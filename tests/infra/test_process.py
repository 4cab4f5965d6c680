"""Processes on a leash: found again by whoever comes later, and never mistaken for another one."""

import os
import signal
import subprocess
import sys

import pytest

from infra import process
from validation.script import OutsideError, Refusal

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = os.fork()
open(f"{os.environ['TOLD']}/{os.getpid()}", "w").close()
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path):
    """Start a Python program on a leash; it is gone after the test."""
    leash = tmp_path / "one.leash"

    def begin(program):
        env = {**os.environ, "TOLD": str(tmp_path)}
        command = [sys.executable, "-c", program]
        return leash, process.start(leash, command, env=env, cwd=tmp_path, output=tmp_path / "one.log", listener=None)

    yield begin
    process.stop(leash, 5)


def test_a_leash_names_its_process_while_it_lives(start):
    """The pid comes back as long as the process runs, and None as soon as it is dead, reaped or not."""
    leash, popen = start("import time; time.sleep(600)")
    assert process.alive(leash) == popen.pid
    popen.kill()
    assert process.wait(lambda: process.alive(leash) is None, 20)
    popen.wait()


def test_a_pid_that_was_given_away_is_not_believed(tmp_path):
    """A file with the number of somebody else's process is no leash: nothing is killed."""
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    leash = tmp_path / "old.leash"
    leash.write_text(str(bystander.pid))
    assert process.alive(leash) is None
    process.stop(leash, 1)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_held_leash_takes_no_second_process(start):
    """Two processes never share one name."""
    start("import time; time.sleep(600)")
    with pytest.raises(OutsideError, match="still holds it"):
        start("pass")


def test_what_ignores_sigterm_is_killed_with_its_workers(start, tmp_path):
    """SIGTERM first; after that nobody of the group is left."""
    leash, popen = start(STUBBORN)
    assert process.wait(lambda: len([path for path in tmp_path.iterdir() if path.name.isdigit()]) == 2, 20)
    process.stop(leash, 0.3)
    assert popen.wait() == -signal.SIGKILL
    assert not leash.exists()


def test_a_port_is_taken_once():
    """The second listener gets one sentence."""
    with process.listen(0) as first:
        port = process.port_of(first)
        with pytest.raises(Refusal, match=f"port {port} is in use by something else"):
            process.listen(port)
    process.listen(port).close()


def test_a_port_that_an_engine_alone_may_open_is_no_fault(monkeypatch):
    """Below 1024 this user may not listen, and need not; what is taken is still said."""

    def refused(_):
        raise PermissionError(13, "Permission denied")

    with process.listen(0) as first, pytest.raises(Refusal, match="in use by something else"):
        process.may_listen(process.port_of(first))
    monkeypatch.setattr(process, "listen", refused)
    process.may_listen(80)


def test_a_log_that_is_not_there_has_no_last_lines(tmp_path):
    """No log, no lines; else the last ones."""
    assert [] == process.tail(tmp_path / "none.log")
    (tmp_path / "some.log").write_text("".join(f"{number}\n" for number in range(99)))
    assert ["97", "98"] == process.tail(tmp_path / "some.log", lines=2)
