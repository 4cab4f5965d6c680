"""Measure the service against an echo on the same server, and against peers whose programs are given.

Usage: python -m tests.bench.serving --bundle build/model [--seconds 3] [--rounds 3] [--other BUNDLE]
       [--mlflow ENV/bin/mlflow] [--bentoml ENV/bin/bentoml]

Reads   a bundle of this repository, and another one of the same columns to be served beside it; a peer serves the same
        pipeline, fitted again, in scikit-learn's form. BentoML wants an environment of its own, with scikit-learn and
        pandas as locked here.
Prints  tables in Markdown: medians of alternating rounds, with the machine's load; what it does goes to stderr.
Exits   0 always, unless something breaks: a benchmark decides nothing.

The ratios count, since both sides share the machine and its moods; processor time of the server per request is the
figure least touched by them. wrk makes the load where it is installed.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from serve.loaded import Bundle
from tests.bench.load import Load, cpu_seconds, resident_mb, run
from tests.bench.peers import peers

CLIENTS = (1, 16, 64)
MANY = 100  # rows of a larger request
PAIRS = 3  # a round, of a second of such requests and one of bare calls: close together, so that both share a mood


def say(what: str) -> None:
    """Tell on stderr what is done."""
    sys.stderr.write(f"tests.bench.serving: {what}\n")


@contextmanager
def server(command: list[str], health: str, **settings: str) -> Iterator[tuple[str, int, float]]:
    """Start a server; give its address, process and the seconds until it answered."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    began = time.perf_counter()
    command = [word.replace("PORT", port) for word in command]
    environment = os.environ | settings | {"PORT": port, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)  # stdout is for the tables
    try:
        while time.perf_counter() - began < 120:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{health}", timeout=5)
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"tests.bench.serving: {' '.join(command)} ended by itself") from None
                time.sleep(0.005)
        yield f"http://127.0.0.1:{port}", process.pid, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(timeout=60)


def measured(url: str, process: int, body: bytes, clients: int, seconds: float, key: str = "") -> tuple[Load, float]:
    """Load a server; return what came back, and its processor seconds a request."""
    before = cpu_seconds(process)
    load = run(url, body, clients, seconds, key)
    return load, (cpu_seconds(process) - before) / max(load.rate * seconds, 1)


def bare(bundle: Bundle, rows: list[dict], seconds: float) -> float:
    """Return the seconds that the model alone takes for decoded rows, the median of many calls."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        bundle.model.outputs({name: [row[name] for row in rows] for name in bundle.rows.names})
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] + ["---:"] * (len(head) - 1), *rows)) + "\n"


def middle(found: list[tuple[Load, float]], field: Callable[[tuple[Load, float]], float]) -> float:
    """Return the median of a figure over rounds."""
    return statistics.median(map(field, found))


def line(name: str, clients: int, found: list[tuple[Load, float]], floor: list[tuple[Load, float]]) -> list[str]:
    """Write a server's figures at a number of clients, with its ratios to the floor's."""
    fields = (lambda f: f[0].rate, lambda f: f[0].p50, lambda f: f[0].p99, lambda f: f[1])
    own, its = ([middle(rounds, field) for field in fields] for rounds in (found, floor))
    shown = [f"{own[0]:,.0f}", f"{own[1] * 1e3:.2f}", f"{own[2] * 1e3:.2f}", f"{own[3] * 1e6:.0f}"]
    bad = sum(load.bad for load, _ in found)
    return [
        f"{name}{f' ({bad} bad)' if bad else ''}", str(clients),
        *(f"{text} ({one / max(other, 1e-9):.2f})" for text, one, other in zip(shown, own, its, strict=True)),
    ]  # fmt: skip


def main() -> int:
    """Run the benchmark."""
    manual = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    manual.add_argument("--bundle", type=Path, default=Path("build/model"))
    manual.add_argument("--seconds", type=float, default=3, help="of load, each")
    manual.add_argument("--rounds", type=int, default=3)
    manual.add_argument("--other", type=Path, help="another bundle, as one of another runtime")
    manual.add_argument("--mlflow", help="the mlflow program to measure `mlflow models serve` of")
    manual.add_argument("--bentoml", help="the bentoml program to measure `bentoml serve` of")
    given = manual.parse_args()
    bundle = Bundle(given.bundle)
    golden = bundle.model.golden_rows
    hundred = [golden[place % len(golden)] for place in range(MANY)]
    many = json.dumps({"records": hundred}).encode()
    starts, memory, found, pairs = [], [], {}, []
    with ExitStack() as stack:
        for _ in range(3):
            with server([sys.executable, "-m", "serve.app"], "/readyz", BUNDLE=str(given.bundle)) as (_, _, took):
                starts.append(took)
        asked = stack.enter_context(peers(given.bundle, given.other, golden[-1], given.mlflow, given.bentoml))
        servers = {
            name: stack.enter_context(server(peer.command, peer.ready, **peer.settings)) for name, peer in asked.items()
        }
        for turn in range(given.rounds):
            for clients in CLIENTS:
                for name, (url, process, _) in servers.items():
                    one = asked[name]
                    load = measured(url + one.path, process, one.body, clients, given.seconds, one.key)
                    found.setdefault((name, clients), []).append(load)
            url, process, _ = servers["gatehouse"]
            for _ in range(PAIRS):
                load, cpu = measured(url + "/predict", process, many, 16, 1)
                alone = bare(bundle, hundred, 1)
                pairs.append((1e3 / load.rate, cpu * 1e3, 1 / load.rate / alone, cpu / alone))
            say(f"round {turn + 1} of {given.rounds} done; load of the machine {os.getloadavg()[0]:.1f}")
        memory.append(resident_mb(servers["gatehouse"][1]))
    head = ["server (ratio to the echo)", "clients", "requests/s", "p50, ms", "p99, ms", "server CPU, µs a request"]
    rows = [
        line(name, clients, found[name, clients], found["echo", clients]) for clients in CLIENTS for name in servers
    ]
    sys.stdout.write(table(head, rows) + "\n")
    wall, cpu, wall_ratio, cpu_ratio = (statistics.median(each) for each in zip(*pairs, strict=True))
    figures = [
        *([f"seconds to the first answer, {name}", f"{took:.2f}"] for name, (_, _, took) in servers.items()),
        [
            f"{MANY} rows, 16 clients: ms a request (ratio to the bare model call)",
            f"{wall:.2f} ({wall_ratio:.2f})",
        ],
        [f"{MANY} rows: server CPU, ms a request (ratio)", f"{cpu:.2f} ({cpu_ratio:.2f})"],
        ["seconds to ready, best and median of 3", f"{min(starts):.2f}, {statistics.median(starts):.2f}"],
        ["resident after the load, MB", f"{memory[0]:.0f}"],
        ["load of the machine at the end", f"{os.getloadavg()[0]:.1f}"],
    ]
    sys.stdout.write(table(["figure", "value"], figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
