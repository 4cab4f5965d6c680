"""A workspace is a copy of this repository to do as one likes in; `chain` is one where the chain has run."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd
import pytest
from filelock import FileLock

from tests import browser, kept
from tests.part import part_of
from tests.ports import free_port
from train.travel import ledger, rows
from train.view import View
from validation.contract import Config
from validation.script import Refusal, digest_of, to_json

EXAMPLE = ("data/census.parquet", "income")
OF_THE_EXAMPLE = {
    "config",
    "frame",
    "workspace",
    "chain",
    "skops_chain",
    "checkout",
}  # whatever needs one of these knows its columns

REPOSITORY = Path(__file__).resolve().parent.parent

# Runs several scripts in one process, so that the libraries are imported once
DRIVER = """
import contextlib, importlib, io, json, sys
done = []
for module, *arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = importlib.import_module(module).main(arguments)
        except SystemExit as exit:
            code = exit.code
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""


@dataclass(frozen=True)
class Ran:
    """What one script did."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Workspace:
    """A copy of the repository."""

    root: Path

    def environment(self) -> dict[str, str]:
        """The caller's environment without what would lead out of the workspace."""
        unwanted = ("MLFLOW_TRACKING_URI", "PYTHONPATH", "GATEHOUSE_TRACEBACK")
        return {
            name: value
            for name, value in os.environ.items()
            if name not in unwanted and not name.startswith(("GITHUB_", "GIT_"))
        }

    def start(self, *arguments: str, **more: object) -> "subprocess.Popen[str]":
        """Start `python -m ...`."""
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.root, env=self.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,
        )  # fmt: skip

    def run(self, *arguments: str, **more: object) -> Ran:
        """Run `python -m ...` as a user would."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=300)
        return Ran(process.returncode, out, err)

    def run_all(self, *scripts: Sequence[str]) -> list[Ran]:
        """Run several scripts in one process, whatever their exit codes."""
        command = [sys.executable, "-c", DRIVER, json.dumps(scripts)]
        done = subprocess.run(
            command, cwd=self.root, env=self.environment(), text=True, capture_output=True, timeout=600
        )
        assert 0 == done.returncode, done.stderr[-3000:]
        return [Ran(*fields) for fields in json.loads(done.stdout)]

    def view(self) -> View:
        """What the registry of this workspace holds."""
        with rows.opened(self.root / ".mlflow/mlflow.db") as connection:
            return rows.read_view(connection, "income")

    def lines(self) -> list[ledger.Line]:
        """The ledger of this workspace."""
        return ledger.read(self.root / ".mlflow/ledger.jsonl")

    def change(self, name: str, old: str, new: str) -> None:
        """Change the text of a file; `old` must be there."""
        path = self.root / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new))

    def forge(self, gate: str, **fields: object) -> None:
        """Change fields of a verdict file and make its seal anew, as no script would."""
        path = self.root / f"build/verdicts/{gate}.json"
        content = json.loads(path.read_text()) | fields
        del content["seal"]
        path.write_text(to_json(content | {"seal": digest_of(content)}))


def copy_of(source: Path, target: Path) -> Workspace:
    """Copy the rooms; tests, caches and history stay behind."""
    for name in ("config.py", "requirements.txt", ".python-version", "data", "train", "validation", "serve", "infra"):
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (source / name).is_file():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)
    return Workspace(target)


def without_onnx(workspace: Workspace) -> None:
    """Let train/model.py hand the categories to the boosting itself, which no converter knows."""
    workspace.change("train/model.py", '[("encode", encode), (ESTIMATOR, estimator)]', "[(ESTIMATOR, estimator)]")
    workspace.change("train/model.py", "estimator = kind(", "estimator = kind(categorical_features=categories, ")


LONG = ("act", "server", "engine", "spark")  # marks of tests that take minutes, and are few in a file; longest first


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start one process more than there are cores: a third of the time tests wait for processes and clocks."""
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", len(os.sched_getaffinity(0)) + 1))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long: begun last, it would be alone at the end, the other cores idle.

    Of several machines that share the tests, PART tells which part this one runs.
    """
    tests = Counter(item.path for item in items)
    turn: dict[Path, int] = {}
    for item in items:
        marked = [place for place, mark in enumerate(LONG) if item.get_closest_marker(mark)]
        turn[item.path] = min([turn.get(item.path, len(LONG)), *marked])
    items.sort(key=lambda item: (turn[item.path], -tests[item.path], item.path))
    try:
        ours = set(part_of(list(dict.fromkeys(item.path for item in items)), os.environ.get("PART", "")))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    config.hook.pytest_deselected(items=[item for item in items if item.path not in ours])
    items[:] = [item for item in items if item.path in ours]
    _skip_the_example(items)


def _skip_the_example(items: list[pytest.Item]) -> None:
    """Skip, aloud, what is about the bundled example where config.py describes somebody's own data."""
    try:
        own = kept.config()
    except Refusal as refusal:
        raise pytest.UsageError(str(refusal)) from None
    if (own.data, own.target.name) == EXAMPLE:
        return
    skip = pytest.mark.skip(reason=f"about the bundled example; config.py describes {own.data}")
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if names & OF_THE_EXAMPLE and "fork" not in names:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def config() -> Config:
    """The contract of the bundled example."""
    return kept.config()


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """The bundled data; copy before changing them."""
    return kept.frame()


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """A Chromium, started once for a module: its driver keeps an event loop, which others would trip over."""
    with browser.started() as opened:
        yield opened


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A fresh copy of the repository."""
    return copy_of(REPOSITORY, tmp_path / "workspace")


JUDGES = [[f"validation.{gate}", "--model-version", "1"] for gate in ("performance", "fairness", "behaviour", "parity")]
CHAIN: list[list[str]] = [
    ["validation.schema"],
    ["validation.dataset"],
    ["train.fit"],
    *JUDGES,
    ["validation.report", "--model-version", "1"],
    ["serve.export", "--model-version", "1", "--to", "build/model"],
    ["train.promote", "--model-version", "1"],
]


def once(factory: pytest.TempPathFactory, name: str, prepare: Callable[[Workspace], None]) -> Workspace:
    """Run the whole chain in a prepared copy of the repository, once for all tests and workers."""
    shared = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    root = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not (root / "done").exists():
            workspace = copy_of(REPOSITORY, root)
            prepare(workspace)
            for script, ran in zip(CHAIN, workspace.run_all(*CHAIN), strict=True):
                assert 0 == ran.code, f"{script}: {ran.err}"
            (root / "done").touch()
    return Workspace(root)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the whole chain has run once; shared by all tests and workers: read it, copy it."""
    return once(tmp_path_factory, "chain", lambda workspace: None)


@pytest.fixture(scope="session")
def skops_chain(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same for a pipeline without an ONNX form."""
    return once(tmp_path_factory, "skops-chain", without_onnx)


@pytest.fixture
def chain_copy(chain: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the workspace in which the chain has run."""
    shutil.copytree(chain.root, tmp_path / "chain")
    return Workspace(tmp_path / "chain")


@pytest.fixture
def serving(chain: Workspace) -> Iterator[Callable[..., str]]:
    """Start a service of the chain's bundle, with settings by their names; give its address."""
    started = []

    def start(bundle: Path | None = None, **settings: str) -> str:
        port = free_port()
        environment = chain.environment() | {"BUNDLE": str(bundle or chain.root / "build/model"), "PORT": str(port)}
        process = subprocess.Popen([sys.executable, "-m", "serve.app"], cwd=chain.root, env=environment | settings)
        started.append(process)
        url = f"{'https' if 'TLS_CERT_FILE' in settings else 'http'}://127.0.0.1:{port}"
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz", trust_env=False, verify=False).status_code == 200:  # noqa: S501
                    return url
            except httpx.HTTPError:
                assert process.poll() is None, "the service ended before it was ready"
                time.sleep(0.05)
        raise AssertionError("the service is not ready after 30 s")

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=30)
