"""How connections are taken: those that come at once begin at once, and workers share them evenly.

An event loop of uvloop takes one a turn. Under load a turn answers all connections that have begun, so of those that
come together the last would begin after as many turns as there are, each longer than the one before. Here up to AT_ONCE
are taken in a turn.

A connection wakes every worker. So that a caller's pool of kept connections does not end with one worker while the
others idle, of those that wait on the one socket who holds fewest takes the next: a worker leaves it to those that hold
fewer, for a moment.
"""

import asyncio
import mmap
import socket
import ssl
from collections.abc import Callable, Sized
from dataclasses import dataclass, field
from typing import Any

from serve.guard import logs
from serve.guard.settings import Limits

AT_ONCE = 16  # connections that are taken in a turn of the loop, in which those that have begun wait
AWAY = -1  # of a worker that takes no connection
MOMENT = 0.001  # seconds that a connection is left to others; one that is idle needs a tenth of that
SLACK = 2  # connections more than another that are no reason to leave the next one to that
SPARE = 2  # connections beyond the limit whose handshake is taken, so that they are told why they are refused
EXHAUSTED = 1.0  # seconds until another try where the process has no descriptor left


class Held:
    """How many connections each worker holds: a number a row, in memory that is shared once they are forked."""

    def __init__(self, rows: int) -> None:
        self._numbers = memoryview(mmap.mmap(-1, 8 * rows)).cast("q")
        for row in range(rows):
            self.away(row)

    def tell(self, row: int, number: int) -> None:
        """Say how many a worker holds."""
        self._numbers[row] = number

    def away(self, row: int) -> None:
        """Say that a worker takes none, or is gone."""
        self._numbers[row] = AWAY

    def fewer_than(self, row: int) -> bool:
        """Whether a worker that takes connections holds fewer than this one, by more than SLACK."""
        own = self._numbers[row] - SLACK
        return any(AWAY < number < own for number in self._numbers)


@dataclass(frozen=True, slots=True)
class Share:
    """A worker's row in what all of them hold; without others, all is its own."""

    held: Held = field(default_factory=lambda: Held(1))
    row: int = 0


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections are encrypted, and the limits that hold when one comes."""

    context: ssl.SSLContext
    limits: Callable[[], Limits]


class Door:
    """Takes a worker's share of the connections that wait on `listener`; to uvicorn it is one of its servers.

    `connections` are those that the worker holds, `connect` makes the protocol of a new one. What is not through its
    TLS handshake cannot be told anything yet: it is dropped after the time of a request's headers, or at once where as
    many are there as may be, and a few more.
    """

    def __init__(
        self,
        listener: socket.socket,
        share: Share,
        connections: Sized,
        connect: Callable[[], asyncio.Protocol],
        tls: Tls | None,
    ) -> None:
        self._listener, self._share, self._connections, self._connect, self._tls = (
            listener, share, connections, connect, tls,
        )  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[None]] = set()
        self._closed = False

    def open(self, backlog: int) -> None:
        """Begin to take connections; called on the event loop."""
        self._listener.setblocking(False)
        self._listener.listen(backlog)
        self._tell()
        self._watch()

    def close(self) -> None:
        """Take no more. What was taken stays."""
        if not self._closed:
            self._closed = True
            self._share.held.away(self._share.row)
            self._loop.remove_reader(self._listener.fileno())

    async def wait_closed(self) -> None:
        """Return at once: there is nothing to wait for."""

    def _tell(self) -> None:
        self._share.held.tell(self._share.row, len(self._connections) + len(self._coming))

    def _watch(self) -> None:
        self._loop.add_reader(self._listener.fileno(), self._look)

    def _look(self) -> None:
        self._tell()
        for _ in range(AT_ONCE):
            if self._share.held.fewer_than(self._share.row):
                self._rest(MOMENT)
                return
            if not self._take():
                return

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._loop.call_later(seconds, self._again)

    def _again(self) -> None:
        if not self._closed:
            self._watch()
            self._take()  # whoever holds fewer had the time to

    def _take(self) -> bool:
        """Take a connection; return whether there may be another one."""
        try:
            taken, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # another worker was there before, or the caller has left
        except OSError as error:
            logs.write("error", "no connection taken", message=f"{error.strerror}; there is another try in a second")
            self._rest(EXHAUSTED)
            return False
        options: dict[str, Any] = {}
        if self._tls:
            limits = self._tls.limits()
            if len(self._connections) + len(self._coming) >= limits.connections + SPARE:
                taken.close()
                return True
            options = {"ssl": self._tls.context, "ssl_handshake_timeout": limits.header_seconds}
        coming = self._loop.create_task(self._admit(taken, options))
        self._coming.add(coming)
        coming.add_done_callback(self._coming.discard)
        self._tell()
        return True

    async def _admit(self, taken: socket.socket, options: dict[str, Any]) -> None:
        taken.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._connect, taken, **options)
        except OSError:  # what is no TLS, or leaves amid its handshake, is nobody's request
            taken.close()
