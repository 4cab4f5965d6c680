"""Work that a signal may not tear: Ctrl-C waits until it is whole."""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended, however it ends; the second of them does not wait.

    Raises KeyboardInterrupt at the end of a block in which one of them came.
    """
    came = False

    def note(*_: object) -> None:
        nonlocal came
        if came:
            raise KeyboardInterrupt
        came = True

    before: dict[int, Any] = {}
    try:
        # Outside the main thread signals are somebody else's, and what is ignored stays ignored
        with contextlib.suppress(ValueError):
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, note)
        yield
    finally:
        for given, handler in before.items():
            signal.signal(given, handler)
        if came:
            raise KeyboardInterrupt
