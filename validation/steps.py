"""Points of no half measures: between two of them a process may die, and what it left is the old or the new state."""

import os
import signal

_passed: dict[str, int] = {}  # how often each step was passed


def step(name: str) -> None:
    """Mark a point after which a process may die: GATEHOUSE_DIE_AT=<name>[:<n>] kills it there, the n-th time.

    What has to survive is proven by dying there; see tests/train/travel/test_crashes.py.
    """
    wanted, _, count = os.environ.get("GATEHOUSE_DIE_AT", "").partition(":")
    if wanted == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
