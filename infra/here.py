"""What this machine offers to serve with: containers where an engine answers, else a supervised process."""

import os
from pathlib import Path

from infra import caddy, host
from infra.caddy import Edge
from infra.containers import Containers
from infra.supervised import Supervised
from validation.contract import Service
from validation.script import Refusal, log

PROCESS_BYTES = 256 * 2**20  # of a process that serves, before a request comes: 100 MB were measured


def choose(folder: Path, image: str, service: Service) -> Supervised | Containers:
    """Take what this machine offers, or the one that DOCKER_HOST names.

    Raises Refusal when a process serves although an engine answers now, or a setting is wrong.
    """
    front = edge(service)
    as_process = Supervised(folder, front.port, service.ready_seconds)
    engine = host.engine()
    if engine is None:
        if front.exposed:
            raise Refusal(
                "no container engine answers, and a process serves this machine alone: leave GATEHOUSE_DOMAIN and"
                " GATEHOUSE_BIND out, or start an engine"
            )
        left = f"; the image {image} is left aside" if image else ""
        log(f"infra.deploy: no container engine answers, so a supervised process serves{left}")
        return as_process
    if as_process.is_up():
        raise Refusal(
            "the service runs as a process, and now an engine answers: set ENGINE=none, or take it down first"
            " (`python -m infra.deploy --environment local --remove`)"
        )
    return Containers(engine, str(folder), front, service.ready_seconds, image, memory(service))


def edge(service: Service) -> Edge:
    """Return how callers reach the service, by the environment and SERVICE. Raises Refusal for what is no address."""
    return caddy.edge(
        os.environ,
        _port(service.port),
        header_seconds=service.header_seconds,
        body_seconds=service.body_seconds,
        max_header_bytes=service.max_header_bytes,
    )


def memory(service: Service) -> int:
    """Return what a container may take: of each process its own, and as many bodies as it takes at once."""
    workers = os.environ.get("WORKERS", "")
    count = max(int(workers), 1) if workers.isascii() and workers.isdigit() else 1
    return count * (PROCESS_BYTES + int(service.concurrent * service.max_body_bytes))


def _port(usual: int) -> int:
    text = os.environ.get("GATEHOUSE_PORT", "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise Refusal(f"GATEHOUSE_PORT={text} is no port; give a number from 1 to 65535")
    return int(text)
