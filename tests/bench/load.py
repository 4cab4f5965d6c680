"""Load for `tests.bench.serving`: by wrk where it is installed, else by a small client of our own."""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Load:
    """What came back: answers a second, and seconds that half and 99 of 100 answers took; `bad` ones were no 200."""

    rate: float
    p50: float
    p99: float
    bad: int


def run(url: str, body: bytes, clients: int, seconds: float, key: str = "") -> Load:
    """Send one body again and again from so many connections, with a key if one is given."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    if shutil.which("wrk"):
        return _wrk(url, body, clients, seconds, headers)
    return asyncio.run(_own(url, body, clients, seconds, headers))


def _wrk(url: str, body: bytes, clients: int, seconds: float, headers: dict[str, str]) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'wrk.method="POST"\nwrk.body={json.dumps(body.decode())}\n')
        for name, value in headers.items():
            script.write(f'wrk.headers["{name}"]="{value}"\n')
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--latency", "--timeout", "30s"]
        done = subprocess.run([*command, "-s", script.name, url], capture_output=True, text=True, check=True)
    found = {
        share: float(number) * UNITS[unit]
        for share, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", done.stdout)
    }
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return Load(float(rate[1]) if rate else 0.0, found.get("50", 0.0), found.get("99", 0.0), int(bad[1]) if bad else 0)


async def _own(url: str, body: bytes, clients: int, seconds: float, headers: dict[str, str]) -> Load:
    host, port, path = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\n{told}content-length: {len(body)}\r\n\r\n"
    request, times, bad = head.encode() + body, [], 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal bad
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < end:
            start = time.perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            times.append(time.perf_counter() - start)
            bad += not answer.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    times.sort()
    return Load(len(times) / seconds, statistics.median(times), times[int(len(times) * 0.99)], bad)


def cpu_seconds(process: int) -> float:
    """Add up the processor seconds of a process and its children that live."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    own = (int(fields[11]) + int(fields[12])) / 100
    return own + sum(map(cpu_seconds, children(process)))


def children(process: int) -> list[int]:
    """List the processes that a process has started and that live."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def resident_mb(process: int) -> float:
    """Read the resident memory of a process, in MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1e3 if found else 0.0
