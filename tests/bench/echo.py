"""The floor under `tests.bench.serving`: the same server, which reads a body and sends it back. PORT says where."""

import gc
import os
import socket
from typing import Any

import uvicorn

from serve.running import BACKLOG, Server


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Send the body back."""
    message = await receive()
    if scope["type"] == "lifespan":
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    return await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    config = uvicorn.Config(
        echo, http="httptools", loop="uvloop", ws="none", lifespan="on", access_log=False, log_level="warning",
        server_header=False, backlog=BACKLOG,
    )  # fmt: skip
    Server(config).run(sockets=[socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=BACKLOG)])
