"""A candidate has to prove itself by requests before it takes the place of what serves."""

import contextlib
import dataclasses
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra import bundle, deploy, machine, trial
from infra import place as places
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
    return lambda sealed: machine.bring(place, sealed, place.folder, trial.of_new(kept.config(), sealed))


@pytest.fixture
def run(store, place, monkeypatch):
    """Run the script itself for a bundle; return its exit code."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(place.folder))
    monkeypatch.setattr(places, "choose", lambda *_: place)
    order = ("--environment", "local", "--model-version", "1", "--bundle")
    return lambda sealed: deploy.main([*order, str(sealed.folder)])


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
    sealed = make_real_bundle(1)
    with pytest.raises(machine.CandidateError, match="bake: not enough: 20 replayed requests do not tell"):
        machine.bring(place, sealed, place.folder, trial.of_new(few, sealed))
    assert not place.is_up()


def test_what_was_live_before_is_not_baked_again(place, make_real_bundle, capsys) -> None:
    """Whoever goes back is in a hurry: the golden rows alone."""
    machine.bring(place, make_real_bundle(1), place.folder, trial.of_known())
    assert "bake: not again, it was live before" in capsys.readouterr().err


def test_recorded_requests_that_are_not_there_are_named(make_real_bundle, monkeypatch, tmp_path) -> None:
    """Before anything is started."""
    monkeypatch.setenv("REPLAY_FILE", str(tmp_path / "none.parquet"))
    with pytest.raises(Refusal, match=r"REPLAY_FILE=.*none\.parquet does not exist"):
        trial.of_new(kept.config(), make_real_bundle(1))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            '{"x": 1}\n{"x": 2}\n{"y": 3}\n',
            "rows.jsonl, line 3 is no row of this model: it lacks 'x'; mend the line or",
        ),
        ("", "rows.jsonl holds no row; name recorded requests, or leave it out"),
    ],
)
def test_a_recorded_row_that_is_none_is_met_before_anything_starts(
    run, place, make_real_bundle, monkeypatch, tmp_path, capsys, lines, said
) -> None:
    """A bad line far behind is exit 2 and one sentence; the same file without it is replayed."""
    sealed = make_real_bundle(1)
    (tmp_path / "rows.jsonl").write_text(lines)
    monkeypatch.setenv("REPLAY_FILE", str(tmp_path / "rows.jsonl"))
    assert run(sealed) == 2
    told = capsys.readouterr().err
    assert f"REPLAY_FILE: {tmp_path}/{said}" in told
    assert "Traceback" not in told
    assert [] == [word for word in ("canary", "undo") if f"infra.deploy: {word}" in told]
    assert not place.is_up()
    (tmp_path / "rows.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    assert run(sealed) == 0
    assert version(place) == 1


@pytest.mark.parametrize("damaged", [True, False])
def test_a_damaged_page_is_met_before_anything_starts(make_real_bundle, monkeypatch, tmp_path, damaged) -> None:
    """Its footer is whole; the same file as it was written is replayed."""
    file = tmp_path / "rows.parquet"
    table = pa.table({"x": [float(n % 9) for n in range(2000)]})
    pq.write_table(table, file, use_dictionary=False, compression="none", write_page_checksum=True)
    content = file.read_bytes()
    file.write_bytes(content[:9000] + bytes([content[9000] ^ 1]) + content[9001:] if damaged else content)
    monkeypatch.setenv("REPLAY_FILE", str(file))
    said = r"REPLAY_FILE: .*rows\.parquet, behind row 0, cannot be read as Parquet: .*; name a file that is whole"
    with pytest.raises(Refusal, match=said) if damaged else contextlib.nullcontext():
        trial.of_new(kept.config(), make_real_bundle(1))


def test_what_lies_behind_the_last_row_that_may_be_replayed_stops_nobody(
    make_real_bundle, monkeypatch, tmp_path
) -> None:
    """Of a longer log the first rows alone are read."""
    config = kept.config()
    few = dataclasses.replace(config, deploy=dataclasses.replace(config.deploy, replay_requests=2))
    (tmp_path / "rows.jsonl").write_text('{"x": 1}\n{"x": 2}\nrubbish\n')
    monkeypatch.setenv("REPLAY_FILE", str(tmp_path / "rows.jsonl"))
    trial.of_new(few, make_real_bundle(1))
    with pytest.raises(Refusal, match="line 3 is no row of this model"):
        trial.of_new(config, make_real_bundle(2))
