"""What serves can be had again from the registry: the bake of a job, whose home is empty, needs it."""

import shutil

import pytest

from infra import again, noted
from infra.bundle import Bundle


@pytest.fixture
def live(ways, store, make_bundle):
    """Let a version serve, its bundle kept in the registry."""
    sealed = store.add(make_bundle(1))
    assert 0 == ways.deploy(sealed)
    return sealed


def test_the_copy_of_what_serves_comes_back(live, supervised) -> None:
    """Whole, under the name by which the bake looks for it."""
    shutil.rmtree(supervised.folder / "bundles")
    again.recall(supervised, supervised.folder)
    found = supervised.folder / "bundles" / live.short
    assert live.digest == again.bundles.read(found).digest


def test_a_damaged_one_is_told_and_left_out(live, supervised, store, capsys) -> None:
    """The new version is judged alone then; half a copy is none."""
    shutil.rmtree(supervised.folder / "bundles")
    (store.kept(live) / "service.json").write_text("[]")
    again.recall(supervised, supervised.folder)
    assert "is damaged in the registry" in capsys.readouterr().err
    assert not (supervised.folder / "bundles" / live.short).exists()


def test_a_deployment_brings_it_before_the_bake(live, ways, store, make_bundle, supervised, trial, monkeypatch) -> None:
    """The bake is handed the bundle that serves, also where this machine never saw it."""
    seen: list[Bundle | None] = []

    def bake(place, url, new, old):
        seen.append(old)
        raise noted.machine.CandidateError("stopped here")

    monkeypatch.setattr("infra.trial.of_new", lambda *_: type(trial)(trial.smoke, bake))
    shutil.rmtree(supervised.folder / "bundles")
    assert ways.deploy(store.add(make_bundle(2))) == 1
    assert [live.digest] == [one.digest if one else "" for one in seen]
