"""Ctrl-C waits for work that may not be torn."""

import os
import signal
import threading

import pytest

from validation.unbroken import unbroken


def work(*steps) -> list[str]:
    """Do steps unbroken, a signal where one is a number; return what was done, the interrupt last."""
    done = []
    try:
        with unbroken():
            for step in steps:
                os.kill(os.getpid(), step) if isinstance(step, int) else done.append(step)
    except KeyboardInterrupt:
        done.append("interrupted")
    return done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_block_is_over(number) -> None:
    """The work is whole, then it is an interrupt; afterwards signals do what they did before."""
    before = signal.getsignal(number)
    assert work("begun", number, "whole") == ["begun", "whole", "interrupted"]
    assert signal.getsignal(number) is before


def test_the_second_signal_does_not_wait() -> None:
    """Who insists is obeyed."""
    assert work(signal.SIGINT, "one", signal.SIGTERM, "another") == ["one", "interrupted"]


def fail(error: Exception, *signals: int) -> None:
    """Fail unbroken, after signals."""
    with unbroken():
        for number in signals:
            os.kill(os.getpid(), number)
        raise error


def test_what_fails_after_the_signal_is_the_signals() -> None:
    """An error of a block that was asked to stop is told as the stop."""
    with pytest.raises(KeyboardInterrupt):
        fail(OSError("gone"), signal.SIGINT)


def test_without_a_signal_nothing_is_raised() -> None:
    """An error of the block stays its error."""
    with pytest.raises(OSError, match="gone"):
        fail(OSError("gone"))


def test_what_is_ignored_stays_ignored() -> None:
    """A job that was started to outlive its terminal is not ended by it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert work(signal.SIGINT, "done") == ["done"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_signals_are_left_alone() -> None:
    """Only the main thread may hold a signal."""
    before, done = signal.getsignal(signal.SIGINT), []

    def aside() -> None:
        with unbroken():
            done.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=aside)
    thread.start()
    thread.join()
    assert [True] == done
