"""A server that is slow, silent, broken, broken half-way, or wants a login: a sentence, and nothing half-registered."""

import shutil
import subprocess
import sys
import time

import pytest

from tests.conftest import Ran, Workspace
from tests.train.proxy import Fault, fails, proxy, slow
from tests.train.team import Team, member

QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
# Does what `fit` does once a model is proven, and tells the versions that there are then, and whether each is whole
FIT = """
import shutil, sys
from pathlib import Path
from train import following, registry
from train.view import Run
from validation import contract
from validation.script import door, result
def main(argv):
    config = contract.load()
    seen = registry.view(config)
    if not seen.versions:
        [folder] = Path("build/models").iterdir()
        mark = {"fingerprint": "f", "model-digest": folder.name}
        registry.register(config, folder, Run({"p": 1}, {"m": 0.5}, mark, "d" * 64, "data"), mark)
    versions = following.follow(config).versions
    shutil.move("build/models", "build/kept")
    whole = [registry.model_folder(one).name == one.digest for one in versions.values()]
    shutil.rmtree("build/models")
    shutil.move("build/kept", "build/models")
    result(f"{sorted(versions)} {whole}")
    return 0
sys.exit(door(main)([]))
"""


def fit(workspace: Workspace) -> Ran:
    """Register the workspace's sealed folder, or find it registered."""
    done = subprocess.run(
        [sys.executable, "-c", FIT],
        cwd=workspace.root, env=workspace.environment(), text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def sentence(ran: Ran, code: int, *parts: str) -> None:
    """Ask for an exit code with nothing on stdout and one sentence, without a traceback."""
    assert (code, "") == (ran.code, ran.out), ran.err
    last = ran.err.splitlines()[-1]
    assert [] == [part for part in parts if part not in last], last
    assert "Traceback" not in ran.err


@pytest.fixture
def ours(chain: Workspace, workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """A workspace with a sealed folder, and a model that the server has not heard of."""
    workspace.change("config.py", 'name="income"', f'name="{request.node.name.replace("[", "-").rstrip("]")}"')
    shutil.copytree(chain.root / "build/models", workspace.root / "build/models")
    return workspace


@pytest.mark.server
def test_a_slow_server_is_waited_for(ours: Workspace, team: Team) -> None:
    """A tenth of a second more for each answer: everything takes longer, and works."""
    with proxy(team.url, slow) as between:
        ran = fit(member(ours, between.url))
    assert (0, "[1] [True]\n") == (ran.code, ran.out), ran.err


@pytest.mark.server
def test_a_silent_server_is_given_up(ours: Workspace, team: Team) -> None:
    """One that takes a request and never answers: exit 3 after the tries that are allowed."""
    with proxy(team.url, lambda number, what: "silence") as between:
        began = time.monotonic()
        ran = fit(member(ours, between.url, MLFLOW_HTTP_REQUEST_TIMEOUT="2", **QUICK))
        assert time.monotonic() - began < 120
    sentence(ran, 3, "did not answer within 2 s, MLFLOW_HTTP_REQUEST_TIMEOUT")


@pytest.mark.server
def test_a_broken_server_leaves_nothing(ours: Workspace, team: Team) -> None:
    """Status 500 to everything: exit 3; once it is well, the same command works."""
    with proxy(team.url, fails) as between:
        sentence(fit(member(ours, between.url, **QUICK)), 3, "failed with status 500", "run this again")
        between.heal()
        ran = fit(member(ours, between.url))
    assert (0, "[1] [True]\n") == (ran.code, ran.out), ran.err


def breaking_at(step: str) -> Fault:
    """Fail with 500 from the first request on that holds `step`."""
    broken: list[str] = []

    def fault(number: int, what: str) -> str:
        broken.extend([what] if step in what else [])
        return "500" if broken else ""

    return fault


STEPS = (
    "runs/create",
    "log-batch",
    "PUT ",
    "PATCH ",
    "model-versions/create",
    "runs/update",
    "registered-models/alias",
)


@pytest.mark.server
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.strip().replace("/", "-"))
def test_a_server_that_breaks_half_way_has_no_version_or_a_whole_one(ours: Workspace, team: Team, step: str) -> None:
    """Whichever request is the first to fail: exit 3, and running again ends with one complete version."""
    with proxy(team.url, breaking_at(step)) as between:
        sentence(fit(member(ours, between.url, **QUICK)), 3, "the tracking server http://127.0.0.1")
        assert [] != [what for what in between.asked if step in what]
    ran = fit(member(ours, team.url))
    assert (0, "[1] [True]\n") == (ran.code, ran.out), ran.err


@pytest.mark.server
def test_a_server_with_logins_asks_for_one(ours: Workspace, team: Team) -> None:
    """Nobody, a wrong password, somebody who may only read: a sentence each that says what to set or to grant."""
    assert (0, "[1] [True]\n") == ((ran := fit(member(ours, team.url))).code, ran.out), ran.err
    sentence(
        fit(member(ours, team.url, None)), 2, "wants a login", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
    )
    sentence(fit(member(ours, team.url, ("admin", "wrong"))), 2, "does not know the user 'admin'")
    reader = ("reader", "reads and reads and reads")
    made = team.client("users/create", username=reader[0], password=reader[1])
    assert made.status_code == 200, made.text
    ran = fit(member(ours, team.url, reader))
    assert (0, "[1] [True]\n") == (ran.code, ran.out), ran.err  # nothing to write: it is registered
    ours.change("config.py", 'name="test_', 'name="another_test_')
    sentence(fit(member(ours, team.url, reader)), 2, "does not let the user 'reader' do this", "grant")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlflow.example.org", "is no address of a server"),
        ("http://", "is no address of a server"),
        ("http://host:port", "is no address of a server"),
        ("ftp://host/x", "is no address of a server"),
        ("https://me:hush@mlflow.example.org", "holds a login"),
    ],
)
def test_an_address_that_is_none_is_refused(workspace: Workspace, uri: str, said: str) -> None:
    """Exit 2 before anything is fitted; a login in it is not repeated in the log."""
    ran = member(workspace, uri).run("train.promote", "--model-version", "1")
    sentence(ran, 2, "MLFLOW_TRACKING_URI", said)
    assert "hush" not in ran.err
