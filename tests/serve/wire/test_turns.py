"""Large bodies are parsed one after the other, whoever leaves or is cancelled, and an error keeps nobody's turn."""

import asyncio
import gc
import threading
import weakref
from dataclasses import replace

import msgspec
import pytest

from serve.pages import Pages
from serve.refusal import BadRequest, Gone
from serve.wire.app import Wire
from serve.wire.served import Served
from serve.wire.turns import AT_ONCE, Turns


class Slow:
    """A decoder that waits to be let go on; it counts how many are in it."""

    def __init__(self) -> None:
        self.inside, self.most, self.begun = 0, 0, []
        self._go, self._lock = threading.Semaphore(0), threading.Lock()

    def __call__(self, body: bytes) -> bytes:
        """Decode."""
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.begun.append(body)
        assert self._go.acquire(timeout=30)
        with self._lock:
            self.inside -= 1
        return body

    def let(self, count: int) -> None:
        """Let some go on."""
        self._go.release(count)

    async def has_begun(self, count: int) -> None:
        """Wait until so many have begun; the patience is for tests that fail."""
        async with asyncio.timeout(30):
            while len(self.begun) < count:
                await asyncio.sleep(0.001)


async def stays() -> dict:
    """Hear nothing of a client: it waits for its answer."""
    await asyncio.Event().wait()
    raise AssertionError


def play(scene) -> None:
    """Play a scene with turns and a slow decoder, whose threads end with it."""

    async def played() -> None:
        slow = Slow()
        try:
            await scene(Turns(), slow)
        finally:
            slow.let(100)

    asyncio.run(played())


async def settled() -> None:
    """Let all tasks come as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_so_many_at_once_and_no_more() -> None:
    """In the order in which they came; the loop is free meanwhile."""

    async def scene(turns, slow) -> None:
        bodies = [b"%d" % place for place in range(5)]
        tasks = [asyncio.create_task(turns.read(slow, body, receive=stays)) for body in bodies]
        await slow.has_begun(1)
        await settled()
        assert [b"0"] == slow.begun
        slow.let(5)
        assert bodies == await asyncio.gather(*tasks)
        assert (AT_ONCE, bodies) == (slow.most, slow.begun)

    play(scene)


def test_who_leaves_while_it_waits_is_not_parsed() -> None:
    """And holds up nobody behind it."""

    async def scene(turns, slow) -> None:
        messages: asyncio.Queue = asyncio.Queue()
        first = asyncio.create_task(turns.read(slow, b"first", receive=stays))
        await slow.has_begun(1)
        leaving = asyncio.create_task(turns.read(slow, b"leaving", receive=messages.get))
        last = asyncio.create_task(turns.read(slow, b"last", receive=stays))
        await settled()
        messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await settled()
        assert not leaving.done()
        messages.put_nowait({"type": "http.disconnect"})
        with pytest.raises(Gone):
            await leaving
        slow.let(2)
        assert [b"first", b"last"] == [await first, await last]
        assert [b"first", b"last"] == slow.begun

    play(scene)


def test_who_leaves_as_its_turn_comes_passes_it_on() -> None:
    """Whichever of the two is seen first."""

    async def scene(turns, slow) -> None:
        left = asyncio.Event()

        async def receive() -> dict:
            await left.wait()
            return {"type": "http.disconnect"}

        first = asyncio.create_task(turns.read(slow, b"first", receive=stays))
        await slow.has_begun(1)
        leaving = asyncio.create_task(turns.read(slow, b"leaving", receive=receive))
        await settled()
        first.add_done_callback(lambda _: left.set())
        slow.let(3)
        await asyncio.wait([first, leaving])
        assert b"last" == await turns.read(slow, b"last", receive=stays)

    play(scene)


@pytest.mark.parametrize("which", ["parsing", "waiting"])
def test_who_is_cancelled_lets_none_in_beside_its_thread(which) -> None:
    """A thread cannot be ended: the next one waits for it."""

    async def scene(turns, slow) -> None:
        parsing = asyncio.create_task(turns.read(slow, b"parsing", receive=stays))
        await slow.has_begun(1)
        waiting = asyncio.create_task(turns.read(slow, b"waiting", receive=stays))
        last = asyncio.create_task(turns.read(slow, b"last", receive=stays))
        await settled()
        cancelled = parsing if which == "parsing" else waiting
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await settled()
        assert [b"parsing"] == slow.begun
        slow.let(3)
        assert b"last" == await last
        assert AT_ONCE == slow.most

    play(scene)


def test_an_error_keeps_neither_the_turn_nor_what_was_parsed() -> None:
    """What the decoder held is free at once, not when the collector comes by."""

    class Tree(list):
        """A list that can be watched."""

    watched = []

    def fails() -> None:
        tree = Tree()
        watched.append(weakref.ref(tree))
        raise BadRequest(422, "no row")

    async def scene(turns, slow) -> None:
        for _ in range(3):
            with pytest.raises(BadRequest):
                await turns.read(fails, receive=stays)
        async with asyncio.timeout(30):  # the thread may hold the last one for a moment
            while any(tree() is not None for tree in watched):
                await asyncio.sleep(0.001)
        assert 3 == len(watched)

    gc.disable()
    try:
        play(scene)
    finally:
        gc.enable()


def test_large_requests_wait_for_each_other_and_small_ones_do_not(bundle, golden) -> None:
    """Of the whole application; the one that left meanwhile is counted as gone, all others are answered."""
    row = golden["rows"][-1]
    large = msgspec.json.encode({"records": [row] * 400})
    served = Served(bundle, Pages(bundle))
    decode, layout = served.posts["/predict"].decode, bundle.counts.layout
    app, leaving = Wire(served), asyncio.Event()

    async def ask(path: str, body: bytes, gone: asyncio.Event | None = None) -> list:
        messages = [{"type": "http.request", "body": body}]
        sent: list = []

        async def receive() -> dict:
            if messages:
                return messages.pop()
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            sent.append(message)

        await app({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
        return [message.get("status") or len(message["body"]) for message in sent]

    async def scene(_, slow) -> None:
        waits = replace(served.posts["/predict"], decode=lambda body, kind: decode(slow(body), kind))
        served.posts["/predict"] = waits
        gone = bundle.counts.total()[layout.errors + layout.kinds.index("gone")]
        asked = [asyncio.create_task(ask("/predict", large)) for _ in range(15)]
        left = asyncio.create_task(ask("/predict", large, leaving))
        await slow.has_begun(1)
        [status, _] = await ask("/invocations", msgspec.json.encode({"dataframe_records": [row]}))
        assert 200 == status
        leaving.set()
        assert [] == await left
        assert gone + 1 == bundle.counts.total()[layout.errors + layout.kinds.index("gone")]
        slow.let(15)
        answers = await asyncio.gather(*asked)
        assert [200] * 15 == [status for status, _ in answers]
        assert (AT_ONCE, 15) == (slow.most, len(slow.begun))

    play(scene)
