"""What a running service says of itself, and what an ASGI application says without one."""

import asyncio
from typing import Any

import httpx


def serves(url: str) -> dict[str, Any]:
    """Ask a service for its `/version`, as JSON."""
    answer = httpx.get(f"{url}/version", headers={"accept": "application/json"}, timeout=20, trust_env=False)
    return answer.json()


def answer_of(app: Any, path: str) -> httpx.Response:
    """Ask an ASGI application for a path."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            return await client.get(path)

    return asyncio.run(ask())
