"""A team with a server: what one deploys another rolls back, with the server's files and the branch's ledger."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Ran, Workspace, copy_of
from tests.ports import free_ports
from tests.train.team import Member, Team, member
from train.travel.history import INTENT, LIVE
from train.travel.ledger import DEPLOYMENT, PROMOTION, REGISTRATION, ROLLBACK
from validation.contract import Config
from validation.keys import key_of
from validation.verdicts import MODEL_GATES

pytestmark = pytest.mark.server
NAME = "deployed_by_two"  # others use the same server, and a name's versions are numbered once
# Registers the one sealed folder once more
REGISTER = """
import json, sys
from pathlib import Path
from train import following, registry
from train.view import Run
from validation import contract
from validation.script import door, result
def main(argv):
    config = contract.load()
    [folder] = Path("build/models").iterdir()
    tags = json.loads(argv[0])
    number = registry.register(config, folder, Run({"p": 1}, {"m": 0.5}, tags, "d" * 64, "data"), tags)
    following.follow(config)
    result(number)
    return 0
sys.exit(door(main)(sys.argv[1:]))
"""
ALIASES = """
from train import registry
from validation import contract
print(dict(sorted(registry.view(contract.load()).aliases.items())))
"""


def script(workspace: Workspace, text: str, *arguments: str) -> Ran:
    """Run a few lines in a workspace."""
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        cwd=workspace.root, env=workspace.environment(), text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def done(ran: Ran) -> str:
    """Ask for exit 0; return stdout."""
    assert 0 == ran.code, ran.err
    return ran.out


def cells(row: str) -> list[str]:
    """Read where, what is live again and instead of what from a rollback's row: its first cells' first words."""
    return [cell.split()[0] for cell in row.strip("| ").split(" | ")[:3]]


@pytest.fixture
def clone(chain: Workspace, team: Team, tmp_path: Path) -> Iterator[Callable[[str], Member]]:
    """Make working trees without a store, of one remote and one place to deploy to; it is taken down after the test."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "remote.git"], check=True)
    [port] = free_ports(1)
    home = {"ENGINE": "none", "GATEHOUSE_HOME": str(tmp_path / "home"), "GATEHOUSE_PORT": str(port)}
    made = []

    def make(name: str) -> Member:
        place = copy_of(chain.root, tmp_path / name)
        place.change("config.py", 'name="income"', f'name="{NAME}"')
        for command in (["init", "-qb", "main"], ["remote", "add", "origin", str(tmp_path / "remote.git")]):
            subprocess.run(["git", *command], cwd=place.root, check=True)
        made.append(member(place, team.url, **home))
        return made[-1]

    yield make
    made[0].run("infra.deploy", "--environment", "local", "--remove")


def test_what_one_deploys_another_rolls_back_twice(
    clone: Callable[[str], Member], chain: Workspace, config: Config
) -> None:
    """Three versions live one after the other, one promoted; two rollbacks go two back, the second by another clone.

    Nothing but tables is on stdout, whatever MLflow says, and the place of the files is the server alone.
    """
    ada, grace = clone("ada"), clone("grace")
    config = replace(config, model=replace(config.model, name=NAME))
    for folder in ("models", "verdicts", "report"):
        shutil.copytree(chain.root / "build" / folder, ada.root / "build" / folder)
    names = ("model-digest", "fingerprint", "test-part", "commit", "data-digest", "lock-digest", "platform")
    fitted = chain.view().versions[1]
    tags = {name: fitted.tags[name] for name in names}
    for number in (1, 2, 3):
        assert f"{number}\n" == done(script(ada, REGISTER, json.dumps(tags)))
        for gate in MODEL_GATES:  # the same model under another number: what was found holds
            key = key_of(gate, config, tags["data-digest"], replace(fitted, number=number))
            ada.forge(gate, model_version=number, key=key)
        done(ada.run("serve.export", "--model-version", str(number), "--to", "build/model"))
        done(ada.run("infra.deploy", "--environment", "local", "--model-version", str(number), "--record"))
        if number == 1:
            done(ada.run("train.promote", "--model-version", "1"))
    assert "{'anchor': 1, 'challenger': 3, 'champion': 1, 'local': 3}\n" == done(script(ada, ALIASES))
    shutil.rmtree(ada.root / "build/models")
    back = ("infra.rollback", "--environment", "local", "--reason", "it errs", "--record")
    first = done(ada.run(*back)).splitlines()
    assert (3, ["local", "2", "3"]) == (len(first), cells(first[2]))
    assert "{'anchor': 1, 'challenger': 3, 'champion': 2, 'local': 2}\n" == done(script(ada, ALIASES))

    done(grace.run("train.store", "restore"))
    assert ada.lines() == grace.lines()
    assert not list((grace.root / "build").glob("models/*"))
    second = done(grace.run(*back)).splitlines()
    assert (3, ["local", "1", "2"]) == (len(second), cells(second[2]))
    assert "{'anchor': 1, 'challenger': 3, 'champion': 1, 'local': 1}\n" == done(script(grace, ALIASES))
    smoke = grace.run("serve.smoke", "--bundle", "build/rollback")
    assert 0 == smoke.code, smoke.err
    third = grace.run(*back)
    assert (2, "") == (third.code, third.out)
    assert "nothing to go back to" in third.err

    done(ada.run("train.store", "restore"))
    assert ada.lines() == grace.lines()
    assert "{'anchor': 1, 'challenger': 3, 'champion': 1, 'local': 1}\n" == done(script(ada, ALIASES))
    told = [line.event for line in ada.lines() if line.facts.get("phase") != INTENT]
    assert [DEPLOYMENT, PROMOTION, DEPLOYMENT, DEPLOYMENT, ROLLBACK, ROLLBACK] == [
        event for event in told if event in (DEPLOYMENT, PROMOTION, ROLLBACK)
    ]
    assert 3 == told.count(REGISTRATION)
    assert {LIVE, INTENT, None} == {line.facts.get("phase") for line in ada.lines()}
    for one in (ada, grace):
        assert "verified: " in done(one.run("train.store", "verify"))
        assert not (one.root / ".mlflow/mlflow.db").exists()
        assert not (one.root / ".mlflow/artifacts").exists()


def test_a_ledger_of_the_embedded_store_is_not_taken_for_the_servers(chain_copy: Workspace, team: Team) -> None:
    """A server that is new, and lines about versions that it lacks: exit 2, how to move them, and nothing is there."""
    chain_copy.change("config.py", 'name="income"', 'name="unheard_of"')
    ours = member(chain_copy, team.url)
    for words in (("train.store", "show"), ("train.promote", "--model-version", "1")):
        ran = ours.run(*words)
        assert (2, "") == (ran.code, ran.out), ran.err
        assert "tells of version 1 of unheard_of, and the server http" in ran.err
        assert "has none: without MLFLOW_TRACKING_URI, `python -m train.store migrate --to URL`" in ran.err
        assert "Traceback" not in ran.err
    (chain_copy.root / ".mlflow").rename(chain_copy.root / "away")
    assert "nothing has happened yet" in done(ours.run("train.store", "show"))
