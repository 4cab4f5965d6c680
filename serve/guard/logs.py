"""The service's log: one JSON object a line on stderr, and nothing of a request in it but its id and its route."""

import datetime
import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

FRAMES = 4  # of an error, the innermost ones


def write(level: str, event: str, **facts: Any) -> None:
    """Write one line."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    line = msgspec.json.encode({"time": now, "level": level, "event": event} | facts)
    try:
        print(line.decode(), file=sys.stderr, flush=True)  # noqa: T201  the log of the service
    except OSError:  # nobody reads it any more: no reason to stop serving
        return


def crash(error: BaseException) -> dict[str, Any]:
    """Say what broke and where, without the message: it may quote the request."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return {
        "error": type(error).__name__,
        "where": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)],
    }


class ServerLines(logging.Handler):
    """Bring what the HTTP server logs into the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line for a record."""
        more = crash(record.exc_info[1]) if record.exc_info and record.exc_info[1] else {}
        write(record.levelname.lower(), "server", message=record.getMessage().strip(), **more)


def take_over() -> None:
    """Let the HTTP server log by this module: errors alone, for strangers cause its warnings as they like."""
    logger = logging.getLogger("uvicorn")
    logger.handlers, logger.propagate = [ServerLines()], False
    logger.setLevel(logging.ERROR)
