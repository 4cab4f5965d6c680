"""A team's server on this machine, with logins, on PostgreSQL and an S3 store; one for all workers of a test run.

Its settings are those of `infra/compose.yaml`. A process of its own, `python -m tests.train.team FOLDER`, keeps it for
as long as a worker is alive that has put its number into FOLDER.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
from filelock import FileLock

from tests.conftest import REPOSITORY, Workspace
from tests.ports import free_ports
from tests.train.parts import BUCKET, KEY, SECRET, postgres, running, s3, wait

ADMIN = ("admin", "a long password: 100% @/#")


@dataclass(frozen=True)
class Team:
    """A server that answers, and the store behind it."""

    url: str
    store: str

    @property
    def s3(self) -> Any:
        """A client of the S3 store."""
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.store, **keys)

    def client(self, path: str, user: tuple[str, str] = ADMIN, **body: Any) -> httpx.Response:
        """Post to the server's API as somebody."""
        return httpx.post(f"{self.url}/api/2.0/mlflow/{path}", auth=user, json=body, timeout=60, trust_env=False)

    def objects(self, ending: str) -> list[str]:
        """Name the objects of the S3 store by how they end."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [one["Key"] for page in pages for one in page.get("Contents", []) if one["Key"].endswith(ending)]


@dataclass(frozen=True)
class Member(Workspace):
    """A copy of the repository whose owner works with a server; empty settings are not set."""

    settings: tuple[tuple[str, str], ...]

    def environment(self) -> dict[str, str]:
        """What every workspace has, and the way to the server."""
        unwanted = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
        kept = {name: value for name, value in super().environment().items() if name not in unwanted}
        return kept | dict(self.settings)


def member(workspace: Workspace, url: str, user: tuple[str, str] | None = ADMIN, **more: str) -> Member:
    """Let a workspace work with a server."""
    login = dict(zip(("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"), user or (), strict=False))
    return Member(workspace.root, tuple((login | {"MLFLOW_TRACKING_URI": url} | more).items()))


@contextlib.contextmanager
def team() -> Iterator[Team]:
    """Run all of it."""
    with contextlib.ExitStack() as parts:
        home = Path(tempfile.mkdtemp(prefix="gatehouse-"))  # short: a socket's path has 107 characters at most
        parts.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)
        for name in ("postgres", "s3"):
            (home / name).mkdir(mode=0o700)
        database = parts.enter_context(postgres(home / "postgres"))
        store = parts.enter_context(s3(home / "s3"))
        [port] = free_ports(1)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--app-name", "basic-auth", "--backend-store-uri", "postgresql+psycopg2://"]
        command += ["--artifacts-destination", f"s3://{BUCKET}"]
        settings = database | {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "MLFLOW_S3_ENDPOINT_URL": store,
            "MLFLOW_AUTH_CONFIG_PATH": str(REPOSITORY / "infra/mlflow/users.ini"),
            "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN[0],
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "for the sessions of a test",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        process = parts.enter_context(running(command, home / "log", **settings))
        url = f"http://127.0.0.1:{port}"
        wait(process, home / "log", f"{url}/health")
        yield Team(url, store)


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[Team]:
    """Give the server that all workers share; the first starts it, and the last sees it end."""
    folder.mkdir(exist_ok=True)
    mine, told, log = folder / f"{os.getpid()}.user", folder / "team.json", folder / "log"
    with FileLock(folder / "lock"):
        mine.touch()
        if not told.exists():
            command = [sys.executable, "-m", "tests.train.team", str(folder)]
            with log.open("wb") as output:
                keeper = subprocess.Popen(
                    command,
                    cwd=REPOSITORY,
                    stdout=output,
                    stderr=output,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            while not told.exists():
                assert keeper.poll() is None, log.read_text()[-3000:]
                time.sleep(0.1)
    try:
        yield Team(**json.loads(told.read_text()))
    finally:
        with FileLock(folder / "lock"):
            mine.unlink()
            while told.exists() and not list(folder.glob("*.user")):
                time.sleep(0.1)


def keep(folder: Path) -> None:
    """Run a server while anybody in `folder` uses it."""
    told = folder / "team.json"
    with team() as found:
        fresh = told.with_suffix(".new")
        fresh.write_text(json.dumps({"url": found.url, "store": found.store}))
        fresh.rename(told)
        while any(_alive(int(user.stem)) for user in folder.glob("*.user")):
            time.sleep(0.3)
    told.unlink()


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
