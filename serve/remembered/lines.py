"""Lines of the spool: a CRC-32, a space, JSON; what a killed writer left half is seen, wherever it was cut."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

FORMAT = 1


def encode(record: dict[str, Any]) -> bytes:
    """Write a record as a line."""
    body = msgspec.json.encode(record)
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> dict[str, Any] | None:
    """Read a line; None when it is not whole."""
    body = line[9:-1]
    if line[-1:] != b"\n" or line[:9] != b"%08x " % zlib.crc32(body):
        return None
    record = msgspec.json.decode(body)
    return record if isinstance(record, dict) else None


def read(path: Path) -> Iterator[dict[str, Any] | None]:
    """Read the lines of a file."""
    with path.open("rb") as file:
        for line in file:
            yield decode(line)
