"""The way back: the very unit that was live before, as deep as there is one, and never what was left."""

import dataclasses
import json
import os
import shutil
import signal

import pytest

from infra import deploy, machine, process, rollback, verified
from infra import place as places
from infra import trial as trials
from infra.cluster import Cluster
from infra.containers import Containers
from tests.infra.conftest import HERE
from tests.infra.kube.faked import STAGING
from train import following
from train.travel import book, history
from train.travel.history import FAILED, INTENT, LIVE
from train.travel.ledger import DEPLOYMENT, RELEASE, ROLLBACK
from validation.script import OutsideError


@pytest.fixture
def three(store, ways, make_bundle):
    """Versions 1, 2 and 3, deployed one after the other."""
    made = [store.add(make_bundle(number)) for number in (1, 2, 3)]
    assert [0, 0, 0] == [ways.deploy(sealed) for sealed in made]
    return made


def test_twice_in_a_row_goes_two_back_and_never_toggles(store, ways, three, capsys) -> None:
    """3, 2, 1, and then there is nothing to go back to: exit 2, one sentence, and 1 serves on."""
    live = []
    for code in (0, 0, 2):
        assert code == ways.roll_back()
        live.append(ways.live())
    assert [three[1].digest, three[0].digest, three[0].digest] == live
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(
        "version 1 is live in local, and the ledger has no unit below it that is not held (held: 2, 3):"
        " nothing to go back to"
    )
    assert {"local": 1, "champion": 1} == store.aliases


def test_the_table_and_the_ledger_say_who_why_and_instead_of_what(store, ways, three, capsys) -> None:
    """One row on stdout; a line before and one after, with the unit that was left and the line gone back to."""
    deployed = book.lines()[3]
    capsys.readouterr()
    assert 0 == ways.roll_back(reason="  errs | on\nMondays ")
    one, two = (f"{sealed.version} ({sealed.short})" for sealed in (three[1], three[2]))
    head, _, row = capsys.readouterr().out.splitlines()
    assert "| environment | live again | instead of | by | why |" == head
    assert f"| local | {one} | {two} | ada | errs \\| on Mondays |" == row
    intent, live = book.lines()[6:]
    assert [(ROLLBACK, INTENT, 2, None), (ROLLBACK, LIVE, 2, intent.id)] == store.told("of")[6:]
    assert ("ada", "errs | on\nMondays", deployed.id) == (live.actor, live.reason, live.facts["to"])
    assert deployed.facts["unit"] == live.facts["unit"]
    assert three[2].digest == live.facts["left"]["bundle"]


def test_what_was_left_is_held_until_it_is_released(store, ways, three, make_bundle, capsys) -> None:
    """Exit 1, one sentence with who, when, why and the command; exported anew it is held as well."""
    ways.roll_back(reason="it errs on Mondays")
    capsys.readouterr()
    again = store.add(make_bundle(3))
    before = book.lines()
    for sealed in (three[2], again):
        assert ways.deploy(sealed) == 1
    said = capsys.readouterr().err
    day = before[-1].time[:16]
    assert f"version 3 is held in local: ada rolled it back on {day} UTC because: it errs on Mondays" in said
    assert '`python -m infra.rollback --environment local --release 3 --reason "…"`' in said
    assert (three[1].digest, before) == (ways.live(), book.lines())
    assert ways.roll_back("--version", "3") == 1
    assert 0 == ways.roll_back("--release", "3", reason="Mondays are mended")
    assert (RELEASE, None, 3) == store.told()[-1]
    assert 0 == ways.deploy(three[2])
    assert three[2].digest == ways.live()


def test_only_what_is_held_can_be_released(ways, three, capsys) -> None:
    """Exit 2, and what is held is named."""
    assert 2 == ways.roll_back("--release", "3")
    assert "version 3 is not held in local (held: none)" in capsys.readouterr().err


def test_a_version_can_be_named(store, ways, three, capsys) -> None:
    """Its last good unit comes back; one that never was live, and the one that is live, are refused with 2."""
    assert 0 == ways.roll_back("--version", "1")
    assert three[0].digest == ways.live()
    for version, sentence in (("9", "version 9 was never live in local"), ("1", "version 1 is what the ledger has")):
        assert 2 == ways.roll_back("--version", version)
        assert sentence in capsys.readouterr().err
    assert 2 == ways.roll_back("--version", "")  # a button that was left empty: the one before, and there is none


def test_the_old_settings_come_back(store, ways, make_bundle) -> None:
    """A version exported anew with other settings: going back gives those that it had, by the config's digest."""
    old = store.add(make_bundle(1, slow=0))
    new = make_bundle(1, slow=0.01)
    for sealed in (old, new):
        ways.deploy(sealed)
        shutil.rmtree(sealed.folder)
    assert 0 == ways.roll_back()
    assert old.digest == ways.live()
    units = [history.unit_of(line.facts) for line in book.lines() if line.facts["phase"] == LIVE]
    assert units[0] == units[2] != units[1]
    assert units[0].model == units[1].model
    assert units[0].config != units[1].config
    served = json.loads((rollback.PUT_BACK / "service.json").read_text())
    assert {"slow": 0} == served


@pytest.mark.parametrize("name", ["release.json", "service.json", "manifest.json"])
def test_a_flipped_byte_in_a_kept_file_is_refused(store, ways, three, capsys, name) -> None:
    """Exit 2, the file is named, no line is written, and what serves goes on serving."""
    path = store.kept(three[1]) / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    before = book.lines()
    assert 2 == ways.roll_back()
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"bundle {three[1].short} of model version 2 is damaged in the registry" in said
    assert name in said
    assert (three[2].digest, before) == (ways.live(), book.lines())


def test_a_candidate_that_is_not_good_changes_nothing(store, ways, three, monkeypatch, capsys) -> None:
    """Exit 1, a line `failed`, the old one serves, nothing is held, no alias has moved."""
    unlike = trials.Trial(lambda *_: ["golden row 0, alone: gives 2"], None)
    monkeypatch.setattr(trials, "of_known", lambda: unlike)
    assert ways.roll_back() == 1
    assert "smoke: 1 finding(s), the first: golden row 0, alone: gives 2; what served before serves on" in (
        capsys.readouterr().err
    )
    assert [(ROLLBACK, INTENT, 2), (ROLLBACK, FAILED, 2)] == store.told()[-2:]
    assert (three[2].digest, {"local": 3}, {}) == (ways.live(), store.aliases, history.held(book.lines(), "local"))


def test_an_interrupted_rollback_leaves_the_old_one_serving(store, ways, three, apart, monkeypatch) -> None:
    """SIGTERM after the switch: taken back, exit 130, nothing held."""
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", apart.hang)
        child = apart.start(ways.roll_back)
        assert process.wait(lambda: ways.live() == three[1].digest, 30)
        os.kill(child.pid, signal.SIGTERM)
        child.join()
    assert 130 == child.exitcode
    assert process.wait(lambda: ways.live() == three[2].digest, 20)
    assert (ROLLBACK, FAILED, 2) == store.told()[-1]
    assert {} == history.held(book.lines(), "local")


def test_a_rollback_killed_after_its_switch_is_completed_by_the_next(
    store, ways, three, apart, monkeypatch, capsys
) -> None:
    """Running it again ends it, aliases included, and goes no step further; what was left is held."""
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_confirm", apart.hang)
        apart.kill(apart.start(ways.roll_back), lambda: ways.live() == three[1].digest)
    assert 0 == ways.roll_back()
    told = capsys.readouterr()
    assert "an earlier rollback is completed, and no further step back is taken" in told.err
    assert "it errs (repaired: the run that wrote line 7 did not end it, and this very bundle serves)" in told.out
    assert (three[1].digest, {"local": 2, "champion": 2}) == (ways.live(), store.aliases)
    assert ways.deploy(three[2]) == 1


@pytest.fixture
def two_images(store, make_bundle, faked, trial, monkeypatch):
    """One bundle in a good image and then in a bad one, deployed to a cluster one after the other."""
    sealed = store.add(make_bundle(1))
    images = [f"registry.example.org/service@sha256:{digit * 64}" for digit in "ab"]
    with faked.changing() as state:
        state["images"] |= dict.fromkeys(images, str(sealed.folder))
    monkeypatch.setenv("GATEHOUSE_HOME", str(faked.folder / "home"))
    monkeypatch.setattr(places, "choose", lambda folder, image, _: Cluster(STAGING, folder, 20, "income", image))
    monkeypatch.setattr(verified, "must_be_published", lambda *_: None)
    monkeypatch.setattr(trials, "of_new", lambda *_: trial)
    monkeypatch.setattr(trials, "of_known", lambda: trial)
    order = (*HERE, "--bundle", str(sealed.folder), "--model-version", "1", "--image")
    assert [0, 0] == [deploy.main([*order, image]) for image in images]
    return images


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("before", "this bundle serves in another image, registry.example.org/service@sha256:bbb"),
        ("after", "this very bundle serves"),
    ],
)
def test_a_rollback_to_another_image_of_the_same_bundle_is_completed_by_the_next(
    store, faked, two_images, apart, monkeypatch, capsys, where, sentence
) -> None:
    """Killed before its switch it is done anew, after it only ended; the good image serves, the bad one is held."""
    good, bad = two_images
    press = (*HERE, "--reason", "the image errs")
    begun = {
        "before": lambda: faked.pods("canary"),
        "after": lambda: faked.place().live_image() == good and not faked.pods("canary"),
    }
    with monkeypatch.context() as patch:
        if where == "before":
            patch.setattr(trials, "of_known", lambda: trials.Trial(apart.hang, None))
        else:
            patch.setattr(machine, "_confirm", apart.hang)
        apart.kill(apart.start(rollback.main, press), begun[where])
    assert 0 == rollback.main(press)
    assert f"did not end it, and {sentence}" in capsys.readouterr().err
    lines = book.lines()
    assert good == faked.place().live_image() == history.unit_of(history.live(lines, "local").facts).image
    ends = (
        [(ROLLBACK, LIVE, 1)]
        if where == "after"
        else [(ROLLBACK, FAILED, 1), (ROLLBACK, INTENT, 1), (ROLLBACK, LIVE, 1)]
    )
    assert ends == store.told()[5:]
    held = dataclasses.replace(history.unit_of(lines[0].facts), image=bad)
    assert history.hold(lines, "local", held) is not None
    assert 2 == rollback.main(press)


def test_aliases_that_cannot_follow_are_said_and_completed(store, ways, three, monkeypatch, capsys) -> None:
    """Exit 3 with what is so; the ledger holds it, and the aliases follow at the next reading."""

    def fail(*_):
        raise OutsideError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(following, "follow", fail)
        assert 3 == ways.roll_back()
        assert "what serves in local is in the ledger, but the registry could not follow it: the store is away" in (
            capsys.readouterr().err
        )
    assert (three[1].digest, {"local": 3}) == (ways.live(), store.aliases)
    assert ways.deploy(three[2]) == 1
    store.follow()
    assert {"local": 2, "champion": 2} == store.aliases
    assert [(ROLLBACK, INTENT, 2), (ROLLBACK, LIVE, 2)] == store.told()[-2:]


def test_two_rollbacks_at_once_take_turns(store, ways, three, apart) -> None:
    """Two presses of the button are two steps back, one after the other."""
    children = [apart.start(ways.roll_back) for _ in range(2)]
    for child in children:
        child.join()
    assert [0, 0] == [child.exitcode for child in children]
    assert three[0].digest == ways.live()
    wanted = [(ROLLBACK, phase, version) for version in (2, 1) for phase in (INTENT, LIVE)]
    assert wanted == store.told()[-4:]


def test_a_fresh_machine_brings_up_what_the_ledger_says(store, ways, three, supervised) -> None:
    """Nothing serves there: the unit before the one that the ledger has live comes up."""
    supervised.remove()
    shutil.rmtree(supervised.folder / "bundles")
    (supervised.folder / "deployment.json").unlink()
    assert 0 == ways.roll_back()
    assert three[1].digest == ways.live()
    assert three[2].digest == book.lines()[-1].facts["left"]["bundle"]


@pytest.mark.engine
def test_the_very_image_serves_again(store, ways, containers, engine, make_bundle, monkeypatch) -> None:
    """In containers the image goes back as well, by its id, as long as the engine has it."""
    for sealed in (store.add(make_bundle(1)), store.add(make_bundle(2))):
        place = containers(sealed)
        monkeypatch.setattr(places, "choose", lambda *_, place=place: place)
        assert 0 == ways.deploy(sealed)
    place = Containers(engine, place.home, place.edge, 30)
    monkeypatch.setattr(places, "choose", lambda *_: place)
    assert 0 == ways.roll_back()
    old, new, back = (line.facts["unit"] for line in book.lines() if line.facts["phase"] == LIVE)
    assert old == back
    assert old["image"].startswith("sha256:")
    assert old["image"] != new["image"]
    assert old["image"] == place.roles.find("live").image.id


def test_a_recorded_rollback_is_saved_before_and_after(store, ways, three, saving) -> None:
    """What cannot be saved is not begun."""
    held, failing = saving
    assert 0 == ways.roll_back("--record")
    assert [INTENT, LIVE] == [phases[-1] for phases in held]
    failing[2] = OutsideError("no network")
    assert 3 == ways.roll_back("--record")
    assert (three[1].digest, (ROLLBACK, FAILED, 1)) == (ways.live(), store.told()[-1])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--reason", " "), "say why"),
        ((), "required: --reason"),
        (("--reason", "x", "--version", "two"), "'two' is no model version"),
        (("--reason", "x", "--version", "1", "--release", "2"), "not allowed with"),
    ],
)
def test_wrong_use_is_one_sentence(store, arguments, sentence, capsys) -> None:
    """Exit 2 from the parser; an environment that does not exist as well."""
    for environment in ("local", "moon"):
        with pytest.raises(SystemExit) as ended:
            rollback.main(["--environment", environment, *arguments])
        assert 2 == ended.value.code
        assert (
            sentence if environment == "local" else "'moon' (choose from 'local', 'rehearsal', 'staging', 'production')"
        ) in capsys.readouterr().err


def test_where_nothing_ever_was_live_there_is_nothing_to_go_back_to(store, ways, capsys) -> None:
    """Exit 2, one sentence."""
    assert 2 == ways.roll_back()
    assert "nothing was ever live in local, and the ledger has no unit below it: nothing" in capsys.readouterr().err


def test_the_deployments_of_another_environment_are_no_way_back(store, ways, three) -> None:
    """Each environment has its own past."""
    elsewhere = [line for line in book.lines() if line.event == DEPLOYMENT]
    book.BOOK.unlink()
    for line in elsewhere:
        book.note(DEPLOYMENT, {**line.facts, "environment": "moon"})
    assert 2 == ways.roll_back()


def test_the_real_service_goes_back_by_the_scripts_alone(chain_copy, tmp_path, free_port) -> None:
    """Fitted, judged and deployed with two settings: the old ones serve again, and MLflow's aliases follow."""
    settings = {"ENGINE": "none", "GATEHOUSE_HOME": str(tmp_path / "home"), "GATEHOUSE_PORT": str(free_port)}
    environment = chain_copy.environment() | settings
    object.__setattr__(chain_copy, "environment", lambda: environment)
    export = ("serve.export", "--model-version", "1", "--to", "build/model")
    deploy = ("infra.deploy", "--environment", "local", "--model-version", "1")
    try:
        first = chain_copy.run(*deploy)
        assert 0 == first.code, first.err
        chain_copy.change("config.py", "max_rows=10_000", "max_rows=9_000")
        assert 0 == chain_copy.run(*export).code
        assert 0 == chain_copy.run(*deploy).code
        back = chain_copy.run("infra.rollback", "--environment", "local", "--reason", "too few rows")
        assert 0 == back.code, back.err
        assert 3 == len(back.out.splitlines())
        assert '"max_rows": 10000' in (chain_copy.root / "build/rollback/service.json").read_text()
        assert 0 == chain_copy.run("serve.smoke", "--bundle", "build/rollback").code
        assert {"local": 1, "champion": 1}.items() <= chain_copy.view().aliases.items()
    finally:
        chain_copy.run("infra.deploy", "--environment", "local", "--remove")
