"""Measure what another worker brings, and what it costs in memory.

Usage: python -m tests.bench.workers [--bundle build/model] [--counts 1 2] [--seconds 3] [--rounds 3]

Prints  a table in Markdown: medians of alternating rounds of requests of 100 rows, which leave the load's own program
        little of the cores, with the ratio to one worker. Memory is proportional: what several processes share counts
        once.
Exits   0 always, unless something breaks: a benchmark decides nothing.
"""

import argparse
import json
import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path

from serve.loaded import Bundle
from tests.bench.load import Load, children
from tests.bench.serving import MANY, measured, middle, say, server, table

CLIENTS = 16  # for each worker


def proportional_mb(process: int) -> float:
    """Add up the proportional memory of a process and its children, in MB."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    return (int(found[1]) / 1e3 if found else 0.0) + sum(map(proportional_mb, children(process)))


def main() -> int:
    """Run the benchmark."""
    manual = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    manual.add_argument("--bundle", type=Path, default=Path("build/model"))
    manual.add_argument("--counts", type=int, nargs="+", default=range(1, len(os.sched_getaffinity(0)) + 1))
    manual.add_argument("--seconds", type=float, default=3, help="of load, each")
    manual.add_argument("--rounds", type=int, default=3)
    given = manual.parse_args()
    golden = Bundle(given.bundle).model.golden_rows
    body = json.dumps({"records": [golden[place % len(golden)] for place in range(MANY)]}).encode()
    found: dict[int, list[tuple[Load, float]]] = {}
    with ExitStack() as stack:
        command, bundle = [sys.executable, "-m", "serve.app"], str(given.bundle)
        servers = {
            count: stack.enter_context(server(command, "/readyz", BUNDLE=bundle, WORKERS=str(count)))
            for count in given.counts
        }
        for turn in range(given.rounds):
            for count, (url, process, _) in servers.items():
                load = measured(url + "/predict", process, body, CLIENTS * count, given.seconds)
                found.setdefault(count, []).append(load)
            say(f"round {turn + 1} of {given.rounds} done; load of the machine {os.getloadavg()[0]:.1f}")
        memory = {count: proportional_mb(process) for count, (_, process, _) in servers.items()}
    first = min(found)
    figures = {
        count: [middle(loads, lambda f: f[0].rate), middle(loads, lambda f: f[1])] for count, loads in found.items()
    }
    rows = [
        [
            str(count),
            f"{rate:,.0f} ({rate / figures[first][0]:.2f})",
            f"{cpu * 1e3:.2f} ({cpu / figures[first][1]:.2f})",
            f"{memory[count]:.0f} ({memory[count] / memory[first]:.2f})",
        ]
        for count, (rate, cpu) in figures.items()
    ]
    head = ["workers", "requests/s", "server CPU, ms a request", "memory of all, MB"]
    sys.stdout.write(table(head, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
