"""One process that answers: from its start, over reloads, to the end of its last request."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn

from serve.guard.around import Guard
from serve.guard.server import configure
from serve.guard.settings import Limits
from serve.renewal import Renewal, forget, tell
from serve.seen import traces
from serve.seen.watched import watch
from serve.sharing import Door, Share, Tls
from serve.wire.app import Wire
from serve.wire.short import Short

DRAIN_SECONDS = 20
BACKLOG = 2048  # connections that wait to be accepted
FORGET_SECONDS = 1.0  # from a reload until what the old bundle left is collected: by then its requests have ended
LAST_SECONDS = 1.0  # from SIGTERM until connections that stay silent are closed
TICK = 0.1  # seconds between two looks at what is asked for
CLOSE = (b"connection", b"close")
UNDONE = 1  # the exit code when requests were given up


class Server(uvicorn.Server):
    """uvicorn's server, but for its begin and its end.

    It takes connections as `serve.sharing` says, and closes none that is silent while a request on it is on its way.
    """

    def __init__(
        self, config: uvicorn.Config, share: Share | None = None, at_work: Callable[[], bool] = lambda: True
    ) -> None:
        super().__init__(config)
        self._share, self._at_work = share or Share(), at_work
        self.undone = False  # whether requests were still worked on when the patience was over

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer until the end is asked for; a thread that is at work still when all is over holds nothing up."""
        loop, hands = asyncio.get_running_loop(), ThreadPoolExecutor()
        loop.set_default_executor(hands)
        try:
            await super().serve(sockets)
        finally:
            hands.shutdown(wait=False, cancel_futures=True)
            loop.set_default_executor(ThreadPoolExecutor())  # a loop joins the threads of the one that it has

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup([])
        tls = Tls(self.config.ssl, self._limits) if self.config.ssl else None
        for listener in sockets or []:
            door = Door(listener, self._share, self.server_state.connections, self._connect, tls)
            door.open(BACKLOG)
            self.servers.append(door)  # type: ignore[arg-type]  # it closes as one of asyncio's does

    def _connect(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _limits(self) -> Limits:
        kind: Any = self.config.http_protocol_class  # of serve/guard/connection.py; a reload changes its limits
        found: Limits = kind.limits
        return found

    def close_doors(self) -> None:
        """Take no connection any more, and let each answer say that it is the last one of its connection."""
        for server in self.servers:
            server.close()
        self.config.encoded_headers.append(CLOSE)
        self.server_state.default_headers.append(CLOSE)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave callers LAST_SECONDS for a request that hears of the end by its answer; then end as uvicorn does."""
        self.close_doors()
        end = time.monotonic() + LAST_SECONDS
        while self.server_state.connections and time.monotonic() < end:
            await asyncio.sleep(TICK)
        await super().shutdown(sockets)

    async def _wait_tasks_to_complete(self) -> None:
        try:
            await super()._wait_tasks_to_complete()
        except asyncio.CancelledError:  # the patience is over
            self.undone = self._at_work()
            raise


class Running:
    """A server of one application on a listening socket, of which a worker has a share."""

    def __init__(self, app: Wire, guard: Guard, listener: socket.socket, share: Share | None = None) -> None:
        self._app, self._guard, self._listener = app, guard, listener
        options = {"loop": "uvloop", "lifespan": "on", "backlog": BACKLOG, "timeout_graceful_shutdown": DRAIN_SECONDS}
        watched, self._last_words = watch(app, guard)
        # a trace has its span around all that happens to a request, which only the usual way shows it
        short = None if traces.is_on(os.environ) else Short(app, guard)
        self._config = configure(watched, guard.settings, short, **options)
        self._server = Server(self._config, share, guard.at_work)
        self._task: asyncio.Task[None] | None = None

    def serve(self) -> int:
        """Serve until SIGTERM, and drain; return the exit code.

        It is UNDONE when requests had to be given up, their bodies whole, and 3 when the server did not start.
        """
        # uvicorn drains by its own handler, then raises the signal anew: without ours the process would end by it
        signal.signal(signal.SIGTERM, self._end)
        self._server.run(sockets=[self._listener])
        for say in self._last_words:
            say()
        if not self._server.started:
            return 3
        return UNDONE if self._server.undone else 0

    def _end(self, *_: object) -> None:
        self._app.ready = False
        self._server.should_exit = True

    def follow(self, renewal: Renewal) -> None:
        """Swap the bundle whenever another one is loaded; called on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._follow(renewal))

    async def _follow(self, renewal: Renewal) -> None:
        while True:
            await asyncio.sleep(TICK)
            version = renewal.served.bundle.version
            if renewal.look():
                self._app.take(renewal.served)
                self._config.http.limits = self._guard.settings.limits  # type: ignore[union-attr]  # serve/guard/connection.py
                tell(version, renewal.served.bundle)
                asyncio.get_running_loop().call_later(FORGET_SECONDS, forget)

    def retire_on(self, number: signal.Signals) -> None:
        """End by this signal without closing a connection on anybody; called on the event loop."""
        loop = asyncio.get_running_loop()

        def retire() -> None:
            self._task = loop.create_task(self._retire())

        loop.add_signal_handler(number, retire)

    async def _retire(self) -> None:
        """Take no connection any more, and close each one by the answer to its next request, which says so.

        To close one that is silent could meet a request on its way. What stays silent is closed by the usual bounds.
        """
        while not self._server.started:
            await asyncio.sleep(TICK)
        self._server.close_doors()
        await asyncio.sleep(TICK)  # who was taken a moment ago is in the list by then
        while self._server.server_state.connections:
            await asyncio.sleep(TICK)
        self._end()


def leave(code: int) -> int:
    """End the process at once: no thread that loads a bundle, or works on for nobody, is waited for."""
    sys.stderr.flush()
    os._exit(code)
