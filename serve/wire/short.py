"""Predictions by the short way of serve/guard/short.py: decoded as they arrive, answered as their batch is scored."""

import logging
from collections.abc import Mapping
from time import perf_counter

from serve.guard.around import Address, Guard
from serve.guard.exchange import Exchange
from serve.guard.refused import POLICIES, Header
from serve.guard.short import Errand, Heads
from serve.refusal import BadRequest
from serve.wire.app import INLINE_BYTES, Wire, media
from serve.wire.protocol import JSON, Protocol
from serve.wire.scored import Scored

log = logging.getLogger("serve.wire")


class Short:
    """Works on predictions of an application, behind its guard, from headers to answer."""

    def __init__(self, app: Wire, guard: Guard) -> None:
        self._app, self._guard = app, guard
        self.most_bytes = INLINE_BYTES
        self.heads = Heads(JSON, guard.always)

    def admit(
        self, url: bytes, client: Address, headers: Mapping[bytes, bytes], pairs: list[Header]
    ) -> Exchange | None:
        """Let a request in that asks for predictions."""
        path, served = url.decode("latin-1"), self._app.served
        if not isinstance(served.posts.get(path), Protocol) or path in POLICIES or "%" in path:
            return None
        if int(headers[b"content-length"]) > served.limit:
            return None
        return self._guard.admit(path, client, headers, pairs)

    def work(self, errand: Errand) -> None:
        """Decode the body, and have its rows scored; what cannot be decoded is refused by the usual way."""
        if not self._guard.begin(errand.exchange):
            errand.hand_over()
            return
        served = self._app.served
        taker = served.posts.get(errand.path.decode("latin-1"))
        if not isinstance(taker, Protocol):  # a reload has taken the route away
            errand.hand_over()
            return
        try:
            asked = taker.decode(errand.content, media(errand.pairs) if taker.typed else b"")
        except BadRequest:
            errand.hand_over()
            return
        except Exception:  # the connection must live, and the usual way has the answer
            log.exception("a request could not be decoded")
            errand.hand_over()
            return
        served.under_way += 1
        served.counts.began()
        began = perf_counter()

        def tell(scored: Scored | Exception, start: int) -> None:
            served.under_way -= 1
            try:
                if isinstance(scored, Exception):
                    raise scored
                content = taker.answer(scored, start, asked)
            except Exception as error:  # whatever the runtime raised: the usual way tells it, and tries nothing again
                served.counts.left()
                errand.hand_over(error)
                return
            try:
                errand.answer(content)
            finally:
                self._guard.leave(errand.exchange)
                self._app.counted(served, taker.name, 200, began)

        score = served.batcher.one if asked.one else served.batcher.many
        score(asked.values, errand.exchange.id.decode() if served.log else "", tell)

    def gone(self, errand: Errand) -> None:
        """Count a request whose client left before its body was there."""
        counts = self._app.served.counts
        counts.began()
        counts.failed("gone")
        counts.left()
        self._guard.leave(errand.exchange)
