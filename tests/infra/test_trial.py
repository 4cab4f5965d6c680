"""A candidate has to prove itself by requests before it takes the place of what serves."""

import dataclasses
import pathlib
import sys

import pytest

from infra import bundle, machine, trial
from infra.supervised import Supervised
from serve.bundle import seal
from tests import kept
from tests.serves import serves
from validation.script import Refusal

FAULTY = (sys.executable, str(pathlib.Path(__file__).with_name("faulty_service.py")))


@pytest.fixture
def place(tmp_path, free_port, monkeypatch):
    """A place for processes of the real service, some of which misbehave; nothing of it outlives the test."""
    monkeypatch.setenv("PYTHONPATH", str(kept.__file__).removesuffix("tests/kept.py"))
    (tmp_path / "home").mkdir()
    made = Supervised(tmp_path / "home", free_port, 30, FAULTY)
    yield made
    made.remove()


@pytest.fixture
def ship(place):
    """Deploy as infra.deploy does."""
    tried = trial.of_new(kept.config())
    return lambda sealed: machine.bring(place, sealed, place.folder, tried)


@pytest.fixture
def with_fault(make_real_bundle):
    """Make a bundle whose service misbehaves."""

    def make(version, fault):
        sealed = make_real_bundle(version)
        (sealed.folder / "fault").write_text(fault)
        seal(sealed.folder)
        return bundle.read(sealed.folder)

    return make


def version(place):
    return serves(place.url)["model_version"]


def test_a_good_one_takes_the_place_and_its_numbers_are_kept(place, make_real_bundle, ship) -> None:
    """The first alone, the second beside it, by the same replayed requests; the record shows the numbers."""
    assert "### Bake: finish" in ship(make_real_bundle(1))["bake"]
    numbers = ship(make_real_bundle(2))["bake"]
    assert version(place) == 2
    assert "### Bake: finish" in numbers
    assert "| answers unlike the bundle's own |" in numbers


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("errors", r"bake: undo: .*failed requests: canary 0\.\d+ of \d+, stable 0 of \d+"),
        ("drift", r"bake: undo: a replayed answer is not the bundle's own"),
    ],
)
def test_a_bad_one_is_undone_with_its_numbers(place, make_real_bundle, with_fault, ship, fault, sentence) -> None:
    """It came up and knew its golden rows; asked more, it errs: the old one serves on."""
    ship(make_real_bundle(1))
    with pytest.raises(machine.CandidateError, match=sentence) as refused:
        ship(with_fault(2, fault))
    assert version(place) == 1
    assert "### Bake: undo" in refused.value.numbers


def test_too_few_requests_do_not_finish(place, make_real_bundle) -> None:
    """Where the replay ends before it tells, nothing takes the place."""
    config = kept.config()
    few = dataclasses.replace(config, deploy=dataclasses.replace(config.deploy, replay_requests=20))
    with pytest.raises(machine.CandidateError, match="bake: not enough: 20 replayed requests do not tell"):
        machine.bring(place, make_real_bundle(1), place.folder, trial.of_new(few))
    assert not place.is_up()


def test_what_was_live_before_is_not_baked_again(place, make_real_bundle, capsys) -> None:
    """Whoever goes back is in a hurry: the golden rows alone."""
    machine.bring(place, make_real_bundle(1), place.folder, trial.of_known())
    assert "bake: not again, it was live before" in capsys.readouterr().err


def test_recorded_requests_that_are_not_there_are_named(monkeypatch, tmp_path) -> None:
    """Before anything is started."""
    monkeypatch.setenv("REPLAY_FILE", str(tmp_path / "none.parquet"))
    with pytest.raises(Refusal, match=r"REPLAY_FILE=.*none\.parquet does not exist"):
        trial.of_new(kept.config())
