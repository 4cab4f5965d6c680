"""One process of the service under its supervisor: how it is started, and told of the environment that was proven."""

import os
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import process, told
from validation.script import ROOT


@dataclass
class Child:
    """One process of the service; `deadline` (monotonic seconds) is when it must be ready, or have drained."""

    popen: subprocess.Popen[bytes]
    leash: Path
    ready_file: Path
    wish: dict[str, Any]
    started: float
    deadline: float

    def forget(self) -> None:
        """Remove the files of one that has ended."""
        self.leash.unlink(missing_ok=True)
        self.ready_file.unlink(missing_ok=True)


def start(folder: Path, name: str, command: Sequence[str], wish: dict[str, Any], listener: socket.socket) -> Child:
    """Start what is wished for; of what the service reads it knows the wish's environment alone, none of ours."""
    leash = folder / f"service-{name}.leash"
    ready_file = leash.with_suffix(".ready")
    ready_file.unlink(missing_ok=True)  # of a supervisor that had the same number, long ago
    ours = {key: text for key, text in os.environ.items() if not told.is_served(key)}
    popen = process.start(
        leash,
        command,
        env={**ours, **wish["environment"], "BUNDLE": wish["bundle"], "READY_FILE": str(ready_file)},
        cwd=ROOT,
        output=folder / "service.log",
        listener=listener,
    )
    now = time.monotonic()
    return Child(popen, leash, ready_file, wish, now, now + float(wish["ready_seconds"]))
