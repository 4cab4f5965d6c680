"""The end of a server, looked at from within: connections are closed when nothing can be on its way on them."""

import asyncio

import pytest
import uvicorn

from serve import running
from serve.running import CLOSE, Server


@pytest.fixture
def ended(monkeypatch) -> list[int]:
    """How many connections were open whenever uvicorn's own shutdown began, which closes them."""
    found: list[int] = []

    async def shutdown(self, sockets=None) -> None:
        found.append(len(self.server_state.connections))

    monkeypatch.setattr(uvicorn.Server, "shutdown", shutdown)
    return found


def server() -> Server:
    return Server(uvicorn.Config(lambda: None))


def end(one: Server) -> asyncio.Task:
    one.servers = []
    return asyncio.get_running_loop().create_task(one.shutdown())


def test_a_kept_connection_hears_of_the_end_by_its_last_answer(ended, monkeypatch) -> None:
    """Each answer says that it closes; what is open stays open until its caller has left."""
    monkeypatch.setattr(running, "LAST_SECONDS", 3600.0)

    async def run() -> None:
        one = server()
        one.server_state.connections.add("a caller's")
        ending = end(one)
        for _ in range(3):
            await asyncio.sleep(running.TICK)
        assert [] == ended
        assert CLOSE in one.server_state.default_headers
        one.server_state.connections.clear()
        await ending

    asyncio.run(run())
    assert [0] == ended


def test_a_caller_who_stays_silent_does_not_keep_it(ended, monkeypatch) -> None:
    """After its last seconds it ends, whoever is still there."""
    monkeypatch.setattr(running, "LAST_SECONDS", 0.0)

    async def run() -> None:
        one = server()
        one.server_state.connections.add("a caller's")
        await end(one)

    asyncio.run(run())
    assert [1] == ended
