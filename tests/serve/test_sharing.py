"""Workers share connections evenly, whoever is awake first, and leave none waiting for one that is not."""

import asyncio
import errno
import gc
import os
import signal
import socket
import ssl
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import uvloop

from serve import sharing
from serve.sharing import AT_ONCE, AWAY, SLACK, SPARE, Door, Held, Share, Tls
from tests.serve.test_workers import children, waited

TOGETHER = 24


@pytest.mark.parametrize(
    ("numbers", "leaves"),
    [([4, 1], True), ([3, 1], False), ([9, 9], False), ([1, 9], False), ([9, -1], False), ([3, -1, 0], True)],
)
def test_who_holds_more_than_another_leaves_it_to_that_one(numbers, leaves) -> None:
    """Not for a connection or two; those that take none do not count."""
    held = Held(len(numbers))
    assert not held.fewer_than(0)
    for row, number in enumerate(numbers):
        held.tell(row, number)
    assert leaves == held.fewer_than(0)


def test_who_is_gone_is_waited_for_by_nobody() -> None:
    """A worker that died held fewer."""
    held = Held(2)
    held.tell(0, 9)
    held.tell(1, 0)
    assert held.fewer_than(0)
    held.away(1)
    assert not held.fewer_than(0)


class Talk(asyncio.Protocol):
    """A protocol that keeps its connection in a set."""

    def __init__(self, kept: set) -> None:
        self.kept = kept

    def connection_made(self, transport) -> None:
        """Greet."""
        self.kept.add(self)
        transport.write(b"hello")


async def greeted(port: int) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert b"hello" == await asyncio.wait_for(reader.readexactly(5), 20)
    return writer


class Told(socket.socket):
    """A listening socket that says in which turn of the loop each connection was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.turn, self.taken = 0, []

    def accept(self):
        """Take one, and note the turn."""
        found = super().accept()
        self.taken.append(self.turn)
        return found

    async def count(self) -> None:
        """Count turns."""
        while True:
            self.turn += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize(("others", "first"), [([], AT_ONCE), ([5], 6 + SLACK), ([0], 1 + SLACK), ([AWAY], AT_ONCE)])
def test_those_that_come_at_once_begin_at_once(others, first) -> None:
    """Up to so many in a turn, and none that another worker should have; of what it should have one, after a moment."""

    async def run(listener: Told, number: int) -> None:
        kept, held = set(), Held(1 + len(others))
        for row, holds in enumerate(others, 1):
            held.tell(row, holds)
        counting = asyncio.get_running_loop().create_task(listener.count())
        door = Door(listener, Share(held, 0), kept, lambda: Talk(kept), None)
        door.open(64)
        async with asyncio.timeout(20):
            while len(kept) < number:
                await asyncio.sleep(0)
        door.close()
        counting.cancel()

    with Told() as listener, ExitStack() as callers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        for _ in range(AT_ONCE + 4):
            callers.enter_context(socket.create_connection(listener.getsockname()))
        asyncio.run(run(listener, AT_ONCE + 4))
    assert [first, first] == [Counter(listener.taken)[listener.taken[0]], max(Counter(listener.taken).values())]
    assert AT_ONCE + 4 == len(listener.taken)


class Full(socket.socket):
    """A listening socket of a process that has no descriptor left, for two tries."""

    tries = 0

    def accept(self):
        """Refuse twice."""
        self.tries += 1
        if self.tries < 3:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def test_a_process_without_descriptors_tries_again(monkeypatch, capfd) -> None:
    """The connection waits in the queue meanwhile, and the log says why."""
    monkeypatch.setattr(sharing, "EXHAUSTED", 0.01)

    async def run(listener: Full) -> None:
        kept: set = set()
        door = Door(listener, Share(), kept, lambda: Talk(kept), None)
        door.open(8)
        (await greeted(listener.getsockname()[1])).close()
        door.close()
        door.close()

    with Full() as listener:
        listener.bind(("127.0.0.1", 0))
        asyncio.run(run(listener))
    assert 3 <= listener.tries
    assert 2 == capfd.readouterr().err.count("Too many open files")


def test_what_another_does_not_take_is_taken() -> None:
    """After a moment, however few the other one holds; and the next one too."""

    async def run(listener: socket.socket) -> None:
        kept, held = set(range(9)), Held(2)
        held.tell(1, 0)
        door = Door(listener, Share(held, 0), kept, lambda: Talk(kept), None)
        door.open(8)
        for _ in range(3):
            (await greeted(listener.getsockname()[1])).close()
        door.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(run(listener))


def test_a_door_that_is_shut_takes_nobody(monkeypatch) -> None:
    """Not after a rest either; its row says so."""
    monkeypatch.setattr(sharing, "MOMENT", 1)

    async def run(listener: socket.socket) -> None:
        kept, held = set(), Held(2)
        held.tell(1, 0)
        door = Door(listener, Share(held, 0), kept, lambda: Talk(kept), None)
        door.open(8)
        kept.update(range(3))  # more than the other one holds: it is left to that one first
        _, writer = await asyncio.open_connection(*listener.getsockname())
        await asyncio.sleep(0.05)
        door.close()
        await asyncio.sleep(1.2)
        assert {0, 1, 2} == kept
        held.tell(1, 9)
        assert not held.fewer_than(1)
        writer.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(run(listener))


def tls(**limits) -> Tls:
    found = SimpleNamespace(**({"connections": 1000} | limits))
    return Tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), lambda: found)


async def gone(reader: asyncio.StreamReader) -> bool:
    return b"" == await asyncio.wait_for(reader.read(), 20)


def test_a_handshake_that_does_not_end_is_dropped() -> None:
    """After the time of a request's headers: asyncio itself would hold its descriptor for a minute."""

    async def run(listener: socket.socket) -> None:
        door = Door(listener, Share(), set(), lambda: Talk(set()), tls(header_seconds=0.05))
        door.open(8)
        for begun in (b"", b"\x16\x03\x01"):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(begun)
            assert await gone(reader)
            writer.close()
        door.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        uvloop.run(run(listener))


def test_handshakes_are_counted_as_connections() -> None:
    """Beyond what is taken, and a few more for who is then told so, the next one is dropped at once."""

    async def run(listener: socket.socket) -> None:
        door = Door(listener, Share(), set(), lambda: Talk(set()), tls(header_seconds=3600, connections=1))
        door.open(64)
        silent = [await asyncio.open_connection(*listener.getsockname()) for _ in range(1 + SPARE)]
        reader, last = await asyncio.open_connection(*listener.getsockname())
        assert await gone(reader)
        assert not any(reader.at_eof() for reader, _ in silent)
        last.close()
        silent[0][1].close()
        for _ in range(100):
            reader, last = await asyncio.open_connection(*listener.getsockname())
            if not (await asyncio.wait([asyncio.ensure_future(reader.read())], timeout=0.2))[0]:
                break  # it is kept, now that another one has left
            last.close()
        else:
            pytest.fail("a connection that left is counted still")
        for _, writer in silent:
            writer.close()
        last.close()
        door.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        uvloop.run(run(listener))


def test_what_is_no_tls_is_dropped() -> None:
    """Its connection is closed, nothing is kept of it, and no exception is left to the loop."""

    async def run(listener: socket.socket) -> None:
        left: list[dict] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context))
        kept: set = set()
        door = Door(listener, Share(), kept, lambda: Talk(kept), tls(header_seconds=60))
        door.open(8)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"hello" not in await asyncio.wait_for(reader.read(), 20)
        writer.close()
        gc.collect()  # a task whose exception nobody took says so when it goes
        await asyncio.sleep(0)
        door.close()
        assert ([], set()) == (left, kept)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        uvloop.run(run(listener))


def sockets(process: int) -> int:
    links = Path(f"/proc/{process}/fd")
    return sum(str(link.readlink()).startswith("socket:") for link in links.iterdir() if link.is_symlink())


def test_connections_that_come_together_are_shared(start, tmp_path) -> None:
    """A caller's pool, opened at once and silent: no worker has more than its share."""
    with start(WORKERS="3", READY_FILE=str(tmp_path / "ready")) as (url, process), ExitStack() as open_ones:
        assert waited((tmp_path / "ready").exists)
        workers = children(process.pid)
        before = Counter({worker: sockets(worker) for worker in workers})
        address = httpx.URL(url)
        for _ in range(TOGETHER):
            open_ones.enter_context(socket.create_connection((address.host, address.port)))

        def shares() -> list[int]:
            return [sockets(worker) - before[worker] for worker in workers]

        assert waited(lambda: sum(shares()) == TOGETHER)
        assert max(shares()) <= TOGETHER // 3 + 4


def test_a_worker_that_stands_still_keeps_nobody_waiting(start, tmp_path, golden) -> None:
    """It holds fewest, so the next ones are its own; the others take them all the same."""
    with start(WORKERS="2", READY_FILE=str(tmp_path / "ready")) as (url, process), ExitStack() as open_ones:
        assert waited((tmp_path / "ready").exists)
        for _ in range(8):
            open_ones.enter_context(httpx.Client(base_url=url)).get("/healthz")
        stopped = min(children(process.pid), key=sockets)
        os.kill(stopped, signal.SIGSTOP)
        try:
            for _ in range(10):
                client = open_ones.enter_context(httpx.Client(base_url=url, timeout=20))
                assert 200 == client.post("/predict", json=golden["rows"][0]).status_code
        finally:
            os.kill(stopped, signal.SIGCONT)
