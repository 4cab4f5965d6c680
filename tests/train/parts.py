"""Real parts on this machine: PostgreSQL, the S3 store of `infra/compose.yaml`, and a Google Cloud Storage."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from tests.ports import free_ports

KEY, SECRET, BUCKET = "team", "as long as a secret", "mlflow"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]


def program(name: str) -> str | None:
    """Find one of PostgreSQL's programs, in PATH or where Debian puts them."""
    return shutil.which(name, path=os.pathsep.join([*map(str, PROGRAMS), os.environ.get("PATH", "")]))


def absent() -> str | None:
    """Say what is missing to start a team's server; None when all of it is here."""
    if program("initdb") is None or program("postgres") is None:
        return "PostgreSQL is not on this machine (Debian: apt-get install postgresql)"
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL cannot run as root, and setpriv is not on this machine"
    return None


@contextlib.contextmanager
def running(command: list[str], log: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the block ends, its output in a file; its children end with it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_", "PG"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment | settings, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # PostgreSQL: end now, without waiting for clients
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=20)


def wait(process: "subprocess.Popen[bytes]", log: Path, url: str) -> None:
    """Wait until a service says that it is well."""
    for _ in range(900):
        assert process.poll() is None, log.read_text()[-3000:]
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer: {log.read_text()[-3000:]}")


@contextlib.contextmanager
def postgres(home: Path) -> Iterator[dict[str, str]]:
    """Run PostgreSQL with a database of its own behind a socket in `home`; give libpq's settings."""
    lower = ["setpriv", "--reuid", UNPRIVILEGED, "--regid", "nogroup", "--clear-groups"] if os.getuid() == 0 else []
    if lower:
        shutil.chown(home, UNPRIVILEGED)
    data = str(home / "data")
    made = [str(program("initdb")), "-D", data, "-U", "mlflow", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([*lower, *made], check=True, capture_output=True, cwd=home)
    command = [str(program("postgres")), "-D", data, "-k", str(home), "-c", "listen_addresses=", "-c", "fsync=off"]
    with running([*lower, *command], home / "log") as process:
        for _ in range(300):
            if (home / ".s.PGSQL.5432").exists():
                break
            assert process.poll() is None, (home / "log").read_text()
            time.sleep(0.1)
        yield {"PGHOST": str(home), "PGUSER": "mlflow", "PGDATABASE": "postgres"}


@contextlib.contextmanager
def gcs(log: Path) -> Iterator[Callable[[str], str]]:
    """Run a Google Cloud Storage with one bucket; give what makes the URL of a path in it, for Arrow."""
    (port,) = free_ports(1)
    command = [str(Path(sys.executable).with_name("gcp-storage-emulator")), "start", "--in-memory"]
    command += ["--host=127.0.0.1", f"--port={port}", f"--default-bucket={BUCKET}"]
    with running(command, log) as process:
        wait(process, log, f"http://127.0.0.1:{port}/storage/v1/b/{BUCKET}/o")
        asked = f"endpoint_override=127.0.0.1%3A{port}&scheme=http&retry_limit_seconds=5"
        yield lambda path: f"gs://anonymous@{BUCKET}/{path}?{asked}"


@contextlib.contextmanager
def s3(home: Path) -> Iterator[str]:
    """Run the S3 store with one bucket; give its address."""
    names = ("s3.port", "s3.port.grpc", "s3.port.lance", "master.port", "master.port.grpc", "filer.port")
    names += ("filer.port.grpc", "volume.port", "volume.port.grpc", "admin.port", "admin.port.grpc")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [
        str(Path(sys.executable).with_name("weed")),
        "mini",
        f"-dir={home}",
        "-ip=127.0.0.1",
        f"-bucket={BUCKET}",
    ]
    command += [
        "-ip.bind=127.0.0.1",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",
    ]
    url = f"http://127.0.0.1:{ports['s3.port']}"
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    command += [f"-{name}={port}" for name, port in ports.items()]
    with running(command, home / "log", **keys) as process:
        wait(process, home / "log", f"{url}/healthz")
        yield url
