"""Killed at any step, the store is the old one or the new one, here and on the branch; what was begun is completed."""

import json
import subprocess
import sys

import pytest

from tests.conftest import Ran
from tests.train.travel.conftest import Tree

KILLED = -9
SAVING = ["committed", "pushed", "arrived", "placed:1", "placed:2", "placed:3"]


def killed_at(tree: Tree, step: str, *words: str) -> Ran:
    """Run a script that kills itself (SIGKILL) right after a step of its own."""
    environment = tree.place.environment() | {"GATEHOUSE_DIE_AT": step}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=tree.place.root, env=environment, text=True, capture_output=True
    )
    assert KILLED == done.returncode, f"{words} never came to {step}: {done.stderr}"
    return Ran(done.returncode, done.stdout, done.stderr)


def held(tree: Tree) -> tuple[object, ...]:
    """What the branch holds: versions' digests by number, and the ledger."""
    text = tree.git("show", "ml-registry:ledger.jsonl")
    lines = [json.loads(line) for line in text.splitlines()]
    return tuple((line["event"], line["facts"].get("version"), line["facts"].get("model")) for line in lines)


@pytest.mark.parametrize("step", SAVING)
def test_a_save_that_dies_is_completed_by_the_next(tree, step) -> None:
    """Both sides hold the old state or the new one; saving again completes it, with each version once."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    old = held(here)
    there.restored()
    there.register()
    there.saved()  # somebody else was first: what dies below has to renumber
    between = held(here)
    digest = here.register()
    killed_at(here, step, "train.store", "save")
    new = (*between, ("registration", 3, digest))
    assert held(here) in (between, new)
    assert here.numbers().get(3, digest) == digest
    assert digest in here.numbers().values()
    here.saved()
    assert new == held(here)
    assert [1, 2, 3] == sorted(here.numbers())
    assert digest == here.numbers()[3]
    assert 0 == here.store("verify").code
    assert "nothing: the branch holds all of it" in here.saved()
    assert old == held(here)[: len(old)]


@pytest.mark.parametrize("step", ["arrived", "placed:1", "placed:2", "placed:3"])
def test_a_restore_that_dies_is_completed_by_the_next_reader(tree, step) -> None:
    """What had arrived whole takes its place; before that, the old store is there."""
    here, there = tree("here", store=True), tree("there")
    here.saved()
    there.restored()
    here.register()
    here.saved()
    killed_at(there, step, "train.store", "restore")
    assert 0 == there.store("verify").code
    there.restored()
    assert here.place.view() == there.place.view()
    assert here.place.lines() == there.place.lines()


@pytest.mark.parametrize("step", ["recorded", "promoted"])
def test_a_promotion_that_dies_is_whole_or_not_at_all(tree, chain, step) -> None:
    """Alias, tags and ledger move together: after `promoted` the next reader completes it, before it nothing moved."""
    here = tree("here", store=True)
    for name in ("build/store", ".mlflow"):
        subprocess.run(["rm", "-rf", here.place.root / name], check=True)
    assert "model-version=1\n" == here.place.run("train.fit").out
    killed_at(here, step, "train.promote", "--model-version", "1")
    promoted = step == "promoted"
    told = here.store("show").out
    assert promoted == ("| champion | 1 |" in told)
    view = here.place.view()
    assert promoted == ("champion" in view.aliases)
    assert promoted == ("promoted-by" in view.version(1).tags)
    assert promoted == ("promotion" in [line.event for line in here.place.lines()])
    ran = here.place.run("train.promote", "--model-version", "1")
    assert 0 == ran.code, ran.err
    assert here.place.view().aliases["champion"] == 1
    assert [line.event for line in here.place.lines()].count("promotion") == 1
    assert 0 == here.store("verify").code


@pytest.mark.parametrize("step", ["logged", "registered"])
def test_a_fit_that_dies_leaves_no_version_or_a_whole_one(tree, step) -> None:
    """Before the claim there is none; after it the version is whole, and the next reader gives it its line."""
    here = tree("here")
    killed_at(here, step, "train.fit")
    ran = here.place.run("train.fit")
    assert 0 == ran.code, ran.err
    assert ("model-version=1\nreused=true\n" if step == "registered" else "model-version=1\n") == ran.out
    assert ["registration"] == [line.event for line in here.place.lines()]
    assert 0 == here.store("verify").code
    here.saved()
    assert ["beginning", "registration"] == [event for event, _, _ in held(here)]
