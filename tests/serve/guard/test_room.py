"""What is under way at once: places for whole bodies, bytes for those that come in pieces, and no caller has it all."""

import asyncio
from dataclasses import replace

import pytest

from serve.guard.around import Guard
from serve.guard.keys import line_of, make
from serve.guard.settings import Settings
from tests.serve.guard.conftest import LIMITS, ROUTES, ask, echo

SLOW, OTHER, THIRD = make(), make(), make()
LINES = "\n".join(line_of(key, name, "predict") for key, name in ((SLOW, "slow"), (OTHER, "other"), (THIRD, "third")))
ROOM = replace(LIMITS, concurrent=4, burst=1000)  # of 4,000 bytes one caller may hold 2,000, all together 3,000
KEYED = Settings(ROOM, api_keys=LINES)


class Sender:
    """A caller whose body comes in the pieces that are given to `send`; the last one is None."""

    def __init__(self, guard, key: str, loop: asyncio.AbstractEventLoop) -> None:
        self._pieces: asyncio.Queue = asyncio.Queue()
        self.status = 0
        headers = [(b"authorization", f"Bearer {key}".encode()), (b"transfer-encoding", b"chunked")]
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "client": ("127.0.0.1", 1)}
        self.task = loop.create_task(guard(scope, self._receive, self._send))

    async def _receive(self):
        piece = await self._pieces.get()
        if piece == "gone":
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def _send(self, message) -> None:
        self.status = message.get("status", self.status)
        self.said = message.get("body", b"").decode()

    async def send(self, *pieces) -> None:
        """Send pieces; return when the guard has taken them."""
        for piece in pieces:
            self._pieces.put_nowait(piece)
        while not (self._pieces.empty() or self.task.done()):
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)


def run(scene, settings=KEYED, app=echo):
    """Play a scene with a guard, and what makes a sender."""

    async def play():
        guard = Guard(settings, ROUTES).around(app)
        loop = asyncio.get_running_loop()
        await scene(guard, lambda key=SLOW: Sender(guard, key, loop))

    asyncio.run(play())


def test_a_body_on_its_way_holds_no_place() -> None:
    """However many senders are slow, others are let in; each of the slow ones is answered once its body is whole."""

    async def scene(guard, sender):
        slow = [sender() for _ in range(50)]
        for one in slow:
            await one.send(b"x")
        assert 200 == (await ask(guard, authorization=f"Bearer {OTHER}")).status
        assert 200 == (await ask(guard, authorization=f"Bearer {SLOW}")).status
        for one in slow:
            await one.send(b"y", None)
        assert {(200, "xy")} == {(one.status, one.said) for one in slow}

    run(scene)


def test_a_place_is_taken_when_the_body_is_whole() -> None:
    """Beyond four that are worked on it is 503; before the last piece nobody is refused."""
    go = asyncio.Event()

    async def slow_work(scope, receive, send):
        async def first(message):
            await go.wait()
            await send(message)

        await echo(scope, receive, first)

    async def scene(guard, sender):
        senders = [sender() for _ in range(5)]
        for one in senders:
            await one.send(b"x")
        assert not any(one.task.done() for one in senders)
        for one in senders:
            await one.send(None)
        assert [0, 0, 0, 0, 503] == [one.status for one in senders]
        assert "too many requests are under way" in senders[4].said
        go.set()
        await asyncio.gather(*(one.task for one in senders))
        assert [200, 200, 200, 200, 503] == [one.status for one in senders]

    run(scene, app=slow_work)


def test_a_request_without_a_body_takes_its_place_at_once() -> None:
    """Whether the application reads or not."""
    go = asyncio.Event()

    async def page(scope, receive, send):
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def scene(guard, sender):
        five = [asyncio.create_task(ask(guard, authorization=f"Bearer {SLOW}")) for _ in range(5)]
        await five[-1]
        go.set()
        assert [200, 200, 200, 200, 503] == [answer.status for answer in await asyncio.gather(*five)]

    run(scene, app=page)


def test_one_caller_holds_half_of_the_bytes_and_not_anothers() -> None:
    """The piece that would be too much is refused, what it held is free again, and another caller is let on."""

    async def scene(guard, sender):
        first, second, third, other = sender(), sender(), sender(), sender(OTHER)
        await first.send(b"x" * 1000)
        await second.send(b"x" * 999)
        await third.send(b"x")
        await third.send(b"x")
        assert (503, True) == (third.status, "too many bodies of this caller are on their way" in third.said)
        await other.send(b"x" * 999)
        await other.send(b"x", None)
        assert 200 == other.status
        fourth = sender()
        await fourth.send(b"x")
        await first.send("gone")
        await fourth.send(b"x" * 999, None)
        assert 200 == fourth.status

    run(scene)


def test_all_callers_hold_three_quarters() -> None:
    """So that what is sized for bodies has room for what is made of them."""

    async def scene(guard, sender):
        senders = [sender(key) for key in (SLOW, SLOW, OTHER)]
        for one in senders:
            await one.send(b"x" * 1000)
        third = sender(THIRD)
        await third.send(b"x")
        assert (503, True) == (third.status, "too many bodies are on their way" in third.said)
        assert 200 == (await ask(guard, authorization=f"Bearer {THIRD}")).status
        for one in senders:
            await one.send(None)
        assert [200] * 3 == [one.status for one in senders]

    run(scene)


@pytest.mark.parametrize("settings", [KEYED, Settings(ROOM, open="insecure")])
def test_a_body_in_one_piece_counts_towards_no_part(settings) -> None:
    """A caller with many quick connections may have all places."""
    go = asyncio.Event()

    async def slow_work(scope, receive, send):
        await receive()
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def scene(guard, sender):
        more = {"content_length": "1000", "authorization": f"Bearer {SLOW}"}
        four = [asyncio.create_task(ask(guard, body=b"x" * 1000, **more)) for _ in range(4)]
        await asyncio.sleep(0)
        go.set()
        assert [200] * 4 == [answer.status for answer in await asyncio.gather(*four)]

    run(scene, settings, slow_work)


def test_on_loopback_no_caller_has_a_part() -> None:
    """All callers of this machine have one address; together they are bounded all the same."""

    async def scene(guard, sender):
        senders = [sender() for _ in range(4)]
        for one in senders[:3]:
            await one.send(b"x" * 1000)
        await senders[3].send(b"x")
        assert 503 == senders[3].status
        for one in senders[:3]:
            await one.send(None)
        assert [200, 200, 200, 503] == [one.status for one in senders]

    run(scene, Settings(ROOM, open="loopback"))


def test_one_body_always_has_room() -> None:
    """Also where the limits would leave less than one."""

    async def scene(guard, sender):
        one = sender()
        await one.send(b"x" * 600, b"x" * 400, None)
        assert 200 == one.status

    run(scene, Settings(replace(ROOM, concurrent=1), api_keys=LINES))
