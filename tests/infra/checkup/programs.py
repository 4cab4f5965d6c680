"""Programs that a test lends to a PATH of its own."""

from pathlib import Path


def lend(folder: Path, **scripts: str) -> None:
    """Write programs, each one line or more of sh, into folder/bin."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, script in scripts.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
