"""Moving a team from the embedded store to a server: everything arrives once, whatever happens on the way."""

import json
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from tests.conftest import Ran, Workspace
from tests.train.proxy import Proxy, proxy
from tests.train.team import Team, member

pytestmark = pytest.mark.server
# Registers one sealed folder five times; 2 and 5 are deleted again
FILL = """
from pathlib import Path
from train import registry
from train.view import Run
from validation import contract
config = contract.load()
[folder] = Path("build/models").iterdir()
for number in (1, 2, 3, 4, 5):
    mark = {"fingerprint": f"f{number}", "model-digest": folder.name}
    run = Run({"number": number, "text": "a = 1, ä"}, {"m": number / 3}, mark, "d" * 64, "data")
    assert number == registry.register(config, folder, run, mark)
with registry.opened() as mlflow:
    for number in "25":
        mlflow.MlflowClient().delete_model_version(config.model.name, number)
    for alias, number in {"anchor": 1, "champion": 3, "challenger": 4}.items():
        mlflow.MlflowClient().set_registered_model_alias(config.model.name, alias, number)
"""
MIGRATE = """
import sys
from train.migrate import migrate
from validation import contract
from validation.script import door, result
def main(argv):
    result(migrate(contract.load(), argv[0]))
    return 0
sys.exit(door(main)(sys.argv[1:]))
"""
# Tells all that a registry knows, without what a server names by itself
TELL = """
import json, sys
from mlflow import MlflowClient
name = sys.argv[1]
client, told = MlflowClient(), {}
model = client.get_registered_model(name)
for one in client.search_model_versions(f"name = '{name}'"):
    run, logged = client.get_run(one.run_id), client.get_logged_model(one.source.removeprefix("models:/"))
    assert logged.source_run_id == one.run_id and run.outputs.model_outputs[0].model_id == logged.model_id
    old = {tag: one.tags.get(tag) for tag in ("migrated-run-id", "migrated-model-id", "migrated-created-at")}
    times = [run.info.start_time, run.info.end_time]
    inputs = [[data.dataset.digest, data.dataset.source, sorted(tag.key for tag in data.tags)]
              for data in run.inputs.dataset_inputs]
    plain = lambda tags: {key: value for key, value in tags.items() if not key.startswith("migrated-")}
    told[one.version] = {
        "ids": [old["migrated-run-id"] or one.run_id, old["migrated-model-id"] or logged.model_id],
        "run": [run.info.run_name, run.info.status, times, run.data.params, run.data.metrics, plain(run.data.tags)],
        "inputs": inputs, "logged": [logged.name, plain(logged.tags)], "tags": plain(one.tags),
    }
print(json.dumps([told, {alias: str(number) for alias, number in model.aliases.items()}], sort_keys=True))
"""


# Registers one more version on the server, from the files of the champion that it gives
NEXT = """
from train import registry
from train.view import Run
from validation import contract
config = contract.load()
champion = registry.view(config).champion()
run = Run({}, {}, {}, "d" * 64, "data")
print(registry.register(config, registry.model_folder(champion), run, {"model-digest": champion.digest}))
"""
# Counts what a server holds of each run and model that was moved
COUNT = """
import sys
from collections import Counter
from mlflow import MlflowClient
client = MlflowClient()
versions = client.search_model_versions(f"name = '{sys.argv[1]}'")
[place] = [one.experiment_id for one in client.search_experiments() if one.name == "gatehouse"]
runs = Counter(run.data.tags.get("migrated-run-id") for run in client.search_runs([place]))
models = Counter(model.tags.get("migrated-model-id") for model in client.search_logged_models([place]))
print([runs[one.tags["migrated-run-id"]] for one in versions],
      [models[one.tags["migrated-model-id"]] for one in versions])
"""
# Where a move is killed, in turn: a piece of the request, and how often it has to come by first
STEPS = (
    ("runs/log-batch", 1), ("PUT ", 9), ("model-versions/create", 1), ("DELETE ", 1), ("model-versions/create", 2),
    ("registered-models/alias", 2),
)  # fmt: skip


def script(workspace: Workspace, text: str, *arguments: str) -> Ran:
    """Run a few lines in a workspace."""
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        cwd=workspace.root, env=workspace.environment(), text=True, capture_output=True, timeout=600,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def told(workspace: Workspace, name: str) -> object:
    """Ask MLflow itself what a registry holds."""
    ran = script(workspace, TELL, name)
    assert 0 == ran.code, ran.err
    return json.loads(ran.out)


def killed_at(workspace: Workspace, between: Proxy, step: tuple[str, int]) -> int:
    """Move until a request passes the proxy, and kill the move there and then; return how it ended."""
    seen, started = [], threading.Event()

    def kill(number: int, what: str) -> str:
        started.wait(60)
        seen.extend([what] if step[0] in what else [])
        if len(seen) == step[1]:
            process.kill()
        return ""

    between.fault = kill
    command = [sys.executable, "-c", MIGRATE, between.url]
    process = subprocess.Popen(command, cwd=workspace.root, env=workspace.environment(), stderr=subprocess.DEVNULL)
    started.set()
    return process.wait(timeout=300)


@pytest.fixture
def store(chain: Workspace, workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """An embedded store with the versions 1, 3 and 4 of a model that the server has not heard of; 2 and 5 are gone."""
    workspace.change("config.py", 'name="income"', f'name="{request.node.name}"')
    shutil.copytree(chain.root / "build/models", workspace.root / "build/models")
    ran = script(workspace, FILL)
    assert 0 == ran.code, ran.err
    return workspace


def told_here(store: Workspace, name: str) -> object:
    """Ask the embedded store."""
    return told(member(store, f"sqlite:///{store.root}/.mlflow/mlflow.db", None), name)


def test_everything_arrives_and_once_only(store: Workspace, team: Team, request: pytest.FixtureRequest) -> None:
    """Numbers with their gaps, runs, times, tags, aliases and files; a second move finds nothing left to do."""
    ours, name = member(store, team.url), request.node.name
    ran = script(ours, MIGRATE, team.url)
    assert (0, f"3 version(s) of {name} moved, 0 were there already\n") == (ran.code, ran.out), ran.err
    there = told(ours, name)
    assert told_here(store, name) == there
    assert ["1", "3", "4"] == sorted(there[0])
    assert {"anchor": "1", "champion": "3", "challenger": "4"} == there[1]
    ran = script(ours, MIGRATE, team.url + "/")
    assert (0, f"0 version(s) of {name} moved, 3 were there already\n") == (ran.code, ran.out), ran.err
    assert there == told(ours, name)
    shutil.rmtree(store.root / "build/models")
    shutil.rmtree(store.root / ".mlflow")  # from here on only the server is asked
    ran = script(ours, NEXT)
    assert (0, ["6"]) == (ran.code, ran.out.splitlines()[-1:]), ran.err


def test_a_move_cut_short_is_completed(store: Workspace, team: Team, request: pytest.FixtureRequest) -> None:
    """Killed at each kind of step and begun again: no run, model or version is there twice, and none is missing."""
    name = request.node.name
    with proxy(team.url) as between:
        ours = member(store, between.url)
        for step in STEPS:
            done = killed_at(ours, between, step)
            assert -signal.SIGKILL == done, step
        between.heal()
        ran = script(ours, MIGRATE, between.url)
    ours = member(store, team.url)
    assert 0 == ran.code, ran.err
    assert told_here(store, name) == told(ours, name)
    ran = script(ours, COUNT, name)
    assert (0, "[1, 1, 1] [1, 1, 1]\n") == (ran.code, ran.out), ran.err


def test_a_name_that_is_used_there_is_refused(store: Workspace, team: Team, request: pytest.FixtureRequest) -> None:
    """Two histories are not mixed: nothing is moved to a server that has versions of its own under the name."""
    name = request.node.name
    assert 200 == team.client("registered-models/create", name=name).status_code
    assert 200 == team.client("model-versions/create", name=name, source="s3://mlflow/other").status_code
    ran = script(member(store, team.url), MIGRATE, team.url)
    assert (2, "") == (ran.code, ran.out)
    assert f"the server holds version 1 of {name}, which did not come from this store" in ran.err


def test_what_cannot_be_moved_is_a_sentence(workspace: Workspace) -> None:
    """An address that is none, and a store that holds nothing."""
    ran = script(workspace, MIGRATE, "sqlite:///other.db")
    assert (2, "") == (ran.code, ran.out)
    assert "--to is 'sqlite:///other.db', which is no address of a server" in ran.err
    ran = script(workspace, MIGRATE, "http://127.0.0.1:1")
    assert (2, "") == (ran.code, ran.out)
    assert "there is no version in .mlflow/ to move" in ran.err
