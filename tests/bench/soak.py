"""Ask a service a million times, and look whether its memory grows.

Usage: python -m tests.bench.soak --bundle build/model [--requests 1000000] [--workers 1] [--other BUNDLE]

Reads   a bundle; OTHER is one of another version, to which and back the service is reloaded between the spells.
Prints  a table in Markdown, requests so far and resident memory of all processes, and the ratio of the last line to the
        first after the warm-up; what it does goes to stderr.
Exits   0 always, unless something breaks: a benchmark decides nothing.

The golden rows are asked by turns, one a spell; in every fifth spell the row breaks the contract. wrk makes the load
where it is installed.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from serve.loaded import Bundle
from tests.bench.load import children, resident_mb, run
from tests.bench.serving import server, table
from tests.serves import serves

CLIENTS = 16
SPELL_SECONDS = 2.0  # of load between two looks
LINES = 12  # of the table
WARM = 0.1  # of the requests, before memory counts


def say(what: str) -> None:
    """Tell on stderr what is done."""
    sys.stderr.write(f"tests.bench.soak: {what}\n")


def memory_mb(process: int) -> float:
    """Add up the resident memory of a process and its children; what they share is counted for each."""
    return resident_mb(process) + sum(resident_mb(child) for child in children(process))


def version(url: str) -> int:
    """Ask which version serves."""
    return int(serves(url)["model_version"])


def reload(url: str, process: int, link: Path, bundle: Path) -> None:
    """Let the link name another bundle, and wait until that one answers."""
    before = version(url)
    link.with_name("next").symlink_to(bundle.resolve())
    link.with_name("next").replace(link)
    os.kill(process, signal.SIGHUP)
    while version(url) == before:
        time.sleep(0.1)


def soak(url: str, process: int, rows: list[dict], requests: int, between: list[Path], link: Path) -> list[list[float]]:
    """Ask by spells; return the requests so far and the memory after each."""
    found, done, spell = [], 0.0, 0
    while done < requests:
        row = rows[spell % len(rows)]
        body = json.dumps(row | {"unknown": 1} if spell % 5 == 4 else row).encode()
        done += run(f"{url}/predict", body, CLIENTS, SPELL_SECONDS).rate * SPELL_SECONDS
        spell += 1
        if between:
            reload(url, process, link, between[spell % 2])
        found.append([done, memory_mb(process)])
        if spell % 20 == 0:
            say(f"{done:,.0f} of {requests:,} requests, {found[-1][1]:.1f} MB")
    return found


def main() -> int:
    """Run the benchmark."""
    manual = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    manual.add_argument("--bundle", type=Path, default=Path("build/model"))
    manual.add_argument("--requests", type=int, default=1_000_000)
    manual.add_argument("--workers", type=int, default=1)
    manual.add_argument("--other", type=Path, help="a bundle of another version")
    given = manual.parse_args()
    rows = Bundle(given.bundle).model.golden_rows
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "bundle"
        link.symlink_to(given.bundle.resolve())
        command, settings = [sys.executable, "-m", "serve.app"], {"BUNDLE": str(link), "WORKERS": str(given.workers)}
        with server(command, "/readyz", **settings) as (url, process, _):
            between = [given.bundle, given.other] if given.other else []
            found = soak(url, process, rows, given.requests, between, link)
    warm = next(place for place, (done, _) in enumerate(found) if done >= WARM * found[-1][0])
    step = max((len(found) - warm) // LINES, 1)
    shown = [*found[warm:-1:step], found[-1]]
    lines = [[f"{done:,.0f}", f"{memory:.1f}"] for done, memory in shown]
    reloads = f", {len(found)} reloads" if given.other else ""
    sys.stdout.write(table(["requests", "resident, MB"], lines))
    sys.stdout.write(f"\nlast to first after the warm-up: {found[-1][1] / found[warm][1]:.3f}{reloads}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
