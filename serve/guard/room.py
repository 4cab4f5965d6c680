"""How much is under way at once: requests whose body is whole, and the bytes of bodies that came in pieces.

Who sends slowly holds a connection and what has come so far, and no place: work begins when a body is whole. Nor can
one caller hold all the bytes. A body in one piece is not counted: the server reads only so much at once.
"""

from serve.guard.exchange import Exchange, Message, Receive
from serve.guard.refused import Refused, later
from serve.guard.settings import Limits

BUSY_SECONDS = 1.0  # until a caller who met too many others should ask again
ALL, ONE = 0.75, 0.5  # of the memory that is sized for bodies: what all callers may hold, and one; parsing has the rest


class Room:
    """Places and bytes. Where `one_name` is true, all callers have one name, and none has a part of its own."""

    def __init__(self, limits: Limits, one_name: bool) -> None:
        self._one_name = one_name
        self._under_way = 0
        self._bytes = 0
        self._of: dict[str, int] = {}
        self.follow(limits)

    def follow(self, limits: Limits) -> None:
        """Go by other limits from now on; what is under way stays counted."""
        sized, one_body = limits.concurrent * limits.max_body_bytes, limits.max_body_bytes
        self._places = limits.concurrent
        self._most, self._share = max(ALL * sized, one_body), max(ONE * sized, one_body)

    @property
    def taken(self) -> bool:
        """Whether somebody has a place."""
        return self._under_way > 0

    def enter(self, exchange: Exchange) -> bool:
        """Give a place to a request whose body is whole, until `leave`; tell whether there was one."""
        if self._under_way >= self._places:
            return False
        self._under_way += 1
        exchange.placed = True
        return True

    def must_enter(self, exchange: Exchange) -> None:
        """Give a place. Raises Refused with 503 when there is none."""
        if not self.enter(exchange):
            raise busy()

    def leave(self, exchange: Exchange) -> None:
        """Take back what a request has held."""
        self._under_way -= exchange.placed
        if exchange.held:
            self._bytes -= exchange.held
            left = self._of[exchange.holder] - exchange.held
            if left:
                self._of[exchange.holder] = left
            else:
                del self._of[exchange.holder]

    def through(self, receive: Receive, exchange: Exchange) -> Receive:
        """Return a `receive` that counts a body as it comes, and gives the request its place once it is whole.

        Raises Refused with 503, when the body is read, where there is no room for more of it.
        """

        async def counted() -> Message:
            message = await receive()
            if not exchange.placed and message["type"] == "http.request":
                more = message.get("more_body", False)
                if more or exchange.held:
                    self._hold(exchange, len(message.get("body", b"")))
                if not more:
                    self.must_enter(exchange)
            return message

        return counted

    def _hold(self, exchange: Exchange, size: int) -> None:
        mine = self._of.get(exchange.holder, 0) + size
        if self._bytes + size > self._most:
            raise later(503, "too many bodies are on their way", BUSY_SECONDS)
        if mine > self._share and not self._one_name:
            raise later(503, "too many bodies of this caller are on their way", BUSY_SECONDS)
        self._bytes += size
        self._of[exchange.holder] = mine
        exchange.held += size


def busy() -> Refused:
    """Refuse whose request is whole while too many others are worked on."""
    return later(503, "too many requests are under way", BUSY_SECONDS)
