"""Ports for servers of tests: none of those that the kernel gives to outgoing connections, which come and go."""

import contextlib
import random
import socket
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Name free ports, all of them different."""
    low, high = map(int, RANGE.read_text(encoding="ascii").split()) if RANGE.exists() else (49_152, 65_535)
    ports = [port for port in range(10_000, 65_536) if not low <= port <= high] or list(range(10_000, 65_536))
    random.shuffle(ports)
    found: list[int] = []
    for port in ports:
        if len(found) == count:
            break
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


def free_port() -> int:
    """Name a free port."""
    return free_ports(1)[0]
