"""A connection with a short way for requests that are plain, see serve/guard/short.py."""

import asyncio
from typing import Any

from serve.guard.settings import Limits
from serve.guard.short import Errand, ShortWay
from serve.guard.wire import IDLE, Wire


class Connection(Wire):
    """One connection; what `short` does not take goes the usual way."""

    short: ShortWay

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._errand: Errand | None = None  # on the short way, while its body arrives
        self._silent_since = 0.0  # when the last answer of the short way went out
        self._silence: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was under way."""
        if self._silence is not None:
            self._silence.cancel()
        if self._errand is not None:
            self.short.gone(self._errand)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Begin the body, by the short way if the request is one for it."""
        self._errand = self._let_in()
        if self._errand is None:
            super().on_headers_complete()
        else:
            self._parts += 1
            self.cycle = self._errand

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._errand is None:
            super().on_body(body)
        else:
            self._errand.content += body

    def on_message_complete(self) -> None:
        """End the request."""
        errand, self._errand = self._errand, None
        if errand is None:
            super().on_message_complete()
        else:
            self._parts += 1
            self.short.work(errand)

    def _let_in(self) -> Errand | None:
        """Let the request in by the short way; None when it is none for it, or not let in."""
        short, parser = self.short, self.parser
        if parser.get_method() != b"POST" or (self.cycle and not self.cycle.response_complete):
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length")  # none, or some beside chunks, is not for here
        if length is None or int(length) > short.most_bytes or b"transfer-encoding" in headers:
            return None
        if not self.names_host_once():
            return None
        if self.expect_100_continue or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        if parser.should_upgrade() or self.flow.write_paused or self.transport.is_closing():
            return None
        exchange = short.admit(self.url, self.client, headers, self.headers)
        return None if exchange is None else Errand(self, exchange, short)

    def answered(self, keep_alive: bool) -> None:
        """Go on after an answer of the short way."""
        if not keep_alive:
            self.transport.close()
        if self.pipeline:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._silent_since = self.loop.time()
        if self._silence is None and not self.transport.is_closing():
            self._silence = self.loop.call_later(self.timeout_keep_alive, self._end_silence)

    def _end_silence(self) -> None:
        """Close a connection that nothing came on since the last answer; one timer serves many answers."""
        self._silence = None
        left = self._silent_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._silence = self.loop.call_later(left, self._end_silence)
        elif self._parts % 3 == IDLE and self.cycle.response_complete and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_handler()  # else another request came since: its answer watches anew


def patient(limits: Limits, short: ShortWay | None = None) -> type[Wire]:
    """Make the protocol class of a server with these limits, and with a short way or without."""
    given = {"limits": limits} if short is None else {"limits": limits, "short": short}
    return type("Connection", (Wire if short is None else Connection,), given)
