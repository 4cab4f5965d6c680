"""A run that is killed (-9) at any step of a switch or an undo is repaired by the next one, and no caller notices."""

import os

import httpx
import pytest

from infra import asked, contained, host, process, repair
from tests.serves import serves
from validation.script import OutsideError

pytestmark = pytest.mark.engine

ONWARD = {"candidate": 1, "share": 1, "kept": 1, "routed": 2, "renamed one": 2, "renamed": 2}  # step: who serves then
BACK = {"routed back": 1, "renamed one:2": 1}  # the second time that one is renamed is on the way back


def deploy(place, sealed, step, back):
    """Go through all steps of a switch, and back where that is asked for; die at one of them."""
    os.environ["GATEHOUSE_DIE_AT"] = step
    place.settle()
    url = place.start_candidate(sealed)
    assert process.wait(lambda: asked.is_ready(url), 30)
    place.share(0.5)
    assert place.switch(sealed) is None
    if back:
        place.switch_back()
    place.remove_candidate()
    return 0


@pytest.fixture
def run(containers, apart):
    """Deploy as a process of its own that dies at a step; return how it ended."""

    def act(sealed, step="", back=False):
        place = containers(sealed)
        place.engine.api.close()  # connections are not shared with a child
        child = apart.start(deploy, place, sealed, step, back)
        child.join(120)
        return child.exitcode

    return act


def version(url):
    return serves(url)["model_version"]


def roles(place):
    return sorted(container.name.rsplit("-", 1)[1] for container in place.roles.all())


@pytest.mark.parametrize(
    ("step", "serves"), [*ONWARD.items(), *BACK.items()], ids=lambda value: str(value).replace(" ", "-")
)
def test_a_run_that_is_killed_is_finished_or_undone_by_the_next(containers, make_bundle, run, client, step, serves):
    """Who serves after it is who served when it died; names, share and strays are put right; nobody was refused."""
    one, two = make_bundle(1), make_bundle(2)
    assert run(one) == 0
    place = containers(one)
    load = client(f"{place.url}/version")
    assert run(two, step, back=step in BACK) == -9
    place.settle()
    assert version(place.url) == serves
    assert roles(place) == (["live", "previous"] if serves == 2 else ["live"])
    previous = place.roles.find("previous")
    assert previous is None or not contained.running(previous)
    assert place.proxy.routed() == place.roles.find("live").labels[contained.UPSTREAM]
    assert run(make_bundle(3)) == 0
    answers, failures = load.stop()
    assert failures == []
    assert answers > 0


@pytest.mark.parametrize("step", ["candidate", "kept", "routed", "renamed"])
def test_a_first_run_that_is_killed_leaves_nothing_or_all(containers, make_bundle, run, step):
    """Where nothing served, nothing serves, and the port is free; unless the proxy had been told already."""
    one = make_bundle(1)
    assert run(one, step) == -9
    place = containers(one)
    place.settle()
    if step in ("routed", "renamed"):
        assert version(place.url) == 1
        assert roles(place) == ["live"]
    else:
        assert roles(place) == []
        process.listen(place.edge.port).close()


def test_a_proxy_that_is_gone_comes_back(containers, make_bundle, run):
    """Somebody removed it: the next run puts it before the one that serves."""
    one = make_bundle(1)
    run(one)
    place = containers(one)
    place.proxy.find().remove(force=True)
    place.settle()
    assert version(place.url) == 1


@pytest.fixture
def old(containers, engine):
    """Start a container that holds the port itself, as there was no proxy once."""

    def start(sealed):
        place = containers(sealed)
        more = {"ports": {"8000/tcp": ("127.0.0.1", place.edge.port)}}
        labels = {"gatehouse.home": place.home, "gatehouse.ledger": "f" * 64}
        if not host.has_bridge(engine):
            labels["gatehouse.port"] = str(place.edge.port)
            environment = {"HOST": "127.0.0.1", "PORT": str(place.edge.port)}
            more = {"network_mode": "host", "environment": environment}
        name = place.roles.name("income", "live")
        engine.containers.run(place.image, name=name, labels=labels, detach=True, **more)
        assert process.wait(lambda: answers(f"http://127.0.0.1:{place.edge.port}"), 20)
        return place

    return start


def answers(url):
    try:
        return version(url)
    except httpx.HTTPError:
        return None


@pytest.mark.parametrize("step", ["", "twin", "closed", "opened", "renamed one"])
def test_a_container_that_holds_the_port_moves_behind_a_proxy(containers, make_bundle, run, old, step, capsys):
    """Once, with one sentence, wherever the run that does it is killed; then all goes as ever."""
    one = make_bundle(1)
    place = old(one)
    if step:
        assert run(make_bundle(2), step) == -9
    place.settle()
    assert (
        step in ("opened", "renamed one") or "holds the port itself; it moves behind a proxy" in capsys.readouterr().err
    )
    assert version(place.url) == 1
    live = place.roles.find("live")
    assert (live.labels["gatehouse.ledger"], roles(place)) == ("f" * 64, ["live", "previous"])
    assert run(make_bundle(3)) == 0
    assert version(place.url) == 3


def test_a_twin_that_fails_leaves_the_old_one_alone(make_bundle, old, monkeypatch):
    """It serves on as it did, and the sentence says so."""
    place = old(make_bundle(1))
    monkeypatch.setattr(contained, "come_up", lambda *_: "it was not ready within 1 s")
    with pytest.raises(OutsideError, match="its twin failed, it was not ready within 1 s; the old one serves on"):
        repair.settle(place)
    assert version(f"http://127.0.0.1:{place.edge.port}") == 1


def test_a_live_one_that_cannot_start_again_does_not_block_its_successor(
    containers, make_bundle, run, tmp_path, monkeypatch, capsys
):
    """The folder of its keys moved: that is said, and the next version is compared with nothing and serves."""
    keys = tmp_path / "keys/keys"
    keys.parent.mkdir()
    keys.write_text("")
    monkeypatch.setenv("API_KEYS_FILE", str(keys))
    assert run(make_bundle(1)) == 0
    place = containers(make_bundle(2))
    place.roles.find("live").stop()
    keys.parent.rename(tmp_path / "moved")
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "moved/keys"))
    place.settle()
    assert "does not come up again, and the deployment goes on without it" in capsys.readouterr().err
    assert "" == place.stable
    assert run(make_bundle(2)) == 0
    assert version(place.url) == 2
    place.before = place.roles.find("previous").id
    place.own = place.roles.find("live")
    place.switch_back()
    assert "the old container does not come up again" in capsys.readouterr().err
    assert version(place.url) == 2


def test_a_stopped_proxy_and_a_killed_bake_are_put_right_together(containers, make_bundle, run):
    """The proxy is started before it is told to take the candidate's share away."""
    assert run(make_bundle(1)) == 0
    assert run(make_bundle(2), "share") == -9
    place = containers(make_bundle(1))
    place.proxy.find().stop()
    place.settle()
    assert (version(place.url), roles(place)) == (1, ["live"])
