"""The proxy before the containers: what it passes on, what it keeps back, and whom it asks."""

import collections
import os
import pathlib
import ssl
import time
from types import SimpleNamespace

import httpx
import pytest
from docker.models.containers import Container

from infra import asked, caddy, contained, host, machine, process, program, proxy
from infra.caddy import CERTIFICATES, STORE, Edge
from infra.network import Network
from tests.serves import serves
from validation.script import OutsideError, Refusal

pytestmark = pytest.mark.engine

ROOT = f"{CERTIFICATES}/{STORE}/pki/authorities/local/root.crt"


@pytest.fixture
def ship(containers, trial):
    """Deploy a bundle of the fake service behind an edge; return the place."""

    def act(sealed, **edge):
        place = containers(sealed, **edge)
        machine.bring(place, sealed, pathlib.Path(place.home), trial)
        return place

    return act


def test_ids_and_traces_reach_the_service_and_a_forged_address_does_not(make_bundle, ship):
    """It is told who asks by the proxy alone; what the proxy is stays untold."""
    place = ship(make_bundle(1))
    sent = {"x-request-id": "order-17", "traceparent": "00-1-2-00", "x-forwarded-for": "6.6.6.6"}
    answer = httpx.get(f"{place.url}/echo", headers=sent)
    told = {name.lower(): text for name, text in answer.json().items()}
    assert ("order-17", "00-1-2-00") == (told["x-request-id"], told["traceparent"])
    assert told["x-forwarded-for"] != "6.6.6.6"
    assert told["x-forwarded-proto"] == "http"
    assert "via" not in answer.headers
    assert "Caddy" not in answer.headers.get("server", "")


@pytest.fixture
def base(engine, monkeypatch):
    """A name of the base that is this test's own, so that what is laid on it is as well, and is taken away."""
    name = f"gatehouse-test-base:{os.getpid()}"
    engine.images.get(os.environ.get("BASE_IMAGE", "python:3.11-slim")).tag(name)
    monkeypatch.setenv("BASE_IMAGE", name)
    before = {tag for image in engine.images.list("gatehouse-proxy") for tag in image.tags}
    yield name
    for tag in {tag for image in engine.images.list("gatehouse-proxy") for tag in image.tags} - before | {name}:
        engine.images.remove(tag, force=True, noprune=True)


def test_where_no_registry_is_reached_the_program_of_the_lock_serves(
    base, make_bundle, ship, containers, engine, monkeypatch, capsys
):
    """It is said, it serves, and the next deployment takes it for what it is."""
    monkeypatch.delenv("PROXY_IMAGE")
    fetch = host.fetch

    def unreached(client, reference):
        if reference == program.IMAGE:
            raise OutsideError(f"the container engine could not pull {reference}: no such host")
        fetch(client, reference)

    monkeypatch.setattr(host, "fetch", unreached)
    place = ship(make_bundle(1))
    assert f"no such host; the same program from the package index is laid on {base} " in capsys.readouterr().err
    made = place.proxy.find()
    assert made.attrs["Config"]["Image"].startswith("gatehouse-proxy:")
    place = ship(make_bundle(2))
    assert (made.id, 2) == (place.proxy.find().id, serves(place.url)["model_version"])


@pytest.mark.parametrize("lacks", ["a base", "its name", "a program", "this machine", "this kind", "the pinned one"])
def test_a_proxy_that_can_neither_be_pulled_nor_made_is_one_sentence(engine, tmp_path, monkeypatch, lacks):
    """Nothing takes the place of an image that somebody named, and no program goes to another machine."""
    monkeypatch.setenv("BASE_IMAGE", "nobody:none" if lacks == "a base" else "python:3.11-slim")
    monkeypatch.setattr(host, "fetch", lambda _, name: (_ for _ in ()).throw(OutsideError(f"could not pull {name}")))
    if lacks == "its name":
        monkeypatch.delenv("BASE_IMAGE")
    if lacks == "a program":
        monkeypatch.setattr(program.sys, "executable", str(tmp_path / "python"))
    if lacks == "this machine":
        monkeypatch.setattr(host, "machine", lambda _: object())
    if lacks == "this kind":
        monkeypatch.setattr(program.platform, "machine", lambda: "riscv64")
    name = "caddy:2" if lacks == "the pinned one" else program.IMAGE
    with pytest.raises(
        OutsideError, match=f"could not pull {name}; set PROXY_IMAGE to an image of Caddy .* ENGINE=none"
    ):
        program.fetch(engine, name)


def test_a_share_of_the_requests_goes_to_the_candidate_until_it_is_taken_back(make_bundle, ship, containers):
    """Half is about half, nothing is nothing, and where nothing serves nothing is shared."""
    two = make_bundle(2)
    first = containers(two)
    first.settle()
    first.start_candidate(two)
    assert first.share(0.5) is not None
    assert first.proxy.find() is None
    ship(make_bundle(1))
    place = containers(two)
    candidate = place.start_candidate(two)
    assert process.wait(lambda: asked.is_ready(candidate), 20)

    def versions():
        with httpx.Client(base_url=place.url, headers={"accept": "application/json"}) as client:
            return collections.Counter(client.get("/version").json()["model_version"] for _ in range(200))

    assert versions() == {1: 200}
    place.share(0.5)
    assert all(60 < count < 140 for count in versions().values())  # beyond five deviations of a fair coin
    place.share(0)
    assert versions() == {1: 200}


def test_a_share_goes_on_while_the_canary_is_looked_at(make_bundle, ship, containers, monkeypatch):
    """What nobody looks at any more is asked by nobody, whatever became of the deployment."""
    monkeypatch.setattr(asked, "metrics", lambda address: f"of {address}")
    monkeypatch.setattr("infra.proxy.SHARED_SECONDS", 3)
    ship(make_bundle(1))
    two = make_bundle(2)
    place = containers(two)
    candidate = place.start_candidate(two)
    assert process.wait(lambda: asked.is_ready(candidate), 20)
    place.share(1)

    def version():
        return serves(place.url)["model_version"]

    for _ in range(3):
        time.sleep(1.5)
        place.metrics()
        assert version() == 2
    assert process.wait(lambda: version() == 1, 10)
    place.metrics()
    assert version() == 2
    place.share(0)
    place.metrics()
    assert version() == 1


def test_a_candidate_goes_though_the_proxy_cannot_be_told(make_bundle, ship, containers):
    """Else a proxy that comes back would hand users to what was found bad."""
    ship(make_bundle(1))
    two = make_bundle(2)
    place = containers(two)
    place.start_candidate(two)
    place.share(0.5)
    place.proxy.find().stop(timeout=1)
    with pytest.raises(OutsideError, match="running"):
        place.remove_candidate()
    assert place.roles.find("candidate") is None
    place.settle()
    assert {1} == {serves(place.url)["model_version"] for _ in range(9)}


@pytest.mark.parametrize("name", [proxy.CONFIGURATION, proxy.EDGE])
def test_a_proxy_whose_files_are_damaged_is_mended_by_the_next_run(make_bundle, ship, name):
    """Power that fails may leave an empty file, with which Caddy runs and listens nowhere, not even to another one."""
    place = ship(make_bundle(1))
    found = place.proxy.find()
    host.put(found, caddy.FOLDER, {name: "" if name == proxy.CONFIGURATION else '{"another": "version"}'})
    os.kill(found.attrs["State"]["Pid"], 9)
    assert process.wait(lambda: _restarts(found) == 1, 20)
    place = ship(make_bundle(2))
    assert serves(place.url)["model_version"] == 2
    assert place.edge == place.proxy.edge()


def _restarts(container):
    container.reload()
    return container.attrs["RestartCount"]


def test_a_proxy_of_before_learns_when_a_share_ends(make_bundle, ship, monkeypatch):
    """It has no such file, and what a killed run shared is nobody's any more once its configuration is loaded."""
    one = make_bundle(1)
    place = ship(one)
    place.proxy.share("127.0.0.1:9", 1)
    found = place.proxy.find()
    host.run(found, ["rm", f"{caddy.FOLDER}/{caddy.UNTIL}"])
    place = ship(one, header_seconds=3)
    assert host.take(found, f"{caddy.FOLDER}/{caddy.UNTIL}") == "0"
    assert serves(place.url)["model_version"] == 1


def test_metrics_are_those_of_both_sides_and_a_wrong_key_is_said(make_bundle, containers, ship, monkeypatch):
    """One text for each container that serves, straight from it."""
    monkeypatch.setattr(asked, "metrics", lambda address: f"of {address}")
    place = ship(make_bundle(1))
    assert ([f"of {contained.url(place.engine, place.roles.find('live'))}"], []) == place.metrics()
    candidate = place.start_candidate(make_bundle(2))
    assert [f"of {candidate}"] == place.metrics()[1]


@pytest.mark.parametrize(("status", "kind"), [(401, Refusal), (403, Refusal), (500, OutsideError)])
def test_metrics_that_cannot_be_had_are_one_sentence(monkeypatch, status, kind):
    """A key that is not known is set up wrongly, anything else is outside."""
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(status))
    with pytest.raises(kind, match=f"/metrics answers {status}"):
        asked.metrics("http://127.0.0.1:1")


def test_a_service_that_is_killed_is_waited_for(make_bundle, ship):
    """The engine starts it again, and who asks meanwhile gets an answer."""
    place = ship(make_bundle(1))
    before = serves(place.url)
    live = place.roles.find("live")
    os.kill(live.attrs["State"]["Pid"], 9)
    assert before["model_version"] == serves(place.url)["model_version"]
    live.reload()
    assert live.attrs["RestartCount"] == 1


def test_the_proxy_may_do_little_and_is_told_another_patience_without_an_end(make_bundle, ship, capsys):
    """Another bound is loaded by the proxy that runs; another image would make a new one."""
    one = make_bundle(1)
    place = ship(one)
    found = place.proxy.find()
    status = found.exec_run(["cat", "/proc/1/status"]).output.decode()
    assert "CapEff:\t0000000000000000" in status
    assert b"10001\n" == found.exec_run(["id", "-u"]).output
    assert found.exec_run(["touch", "/x"]).exit_code != 0
    place = ship(one, header_seconds=3)
    assert place.proxy.find().id == found.id
    assert '"read_header_timeout": "3s"' in host.take(found, "/gate/routes/caddy.json")
    assert "its configuration changed and is loaded" in capsys.readouterr().err
    ship(one, header_seconds=3)
    assert "its configuration changed" not in capsys.readouterr().err


def test_another_image_makes_another_proxy_before_the_same_service(make_bundle, ship, proxy_image, engine, monkeypatch):
    """It is said that the port is closed meanwhile; the service goes on."""
    one = make_bundle(1)
    place = ship(one)
    before, live = place.proxy.find().id, place.roles.find("live").id
    monkeypatch.setenv("PROXY_IMAGE", engine.images.get(proxy_image).id)
    place = ship(one)
    assert place.proxy.find().id != before
    assert place.roles.find("live").id == live
    assert serves(place.url)["model_version"] == 1


def test_a_proxy_that_cannot_listen_is_one_sentence(make_bundle, ship, engine, monkeypatch, containers):
    """And what was started for it is gone, but for the volumes, which the next run takes up."""
    monkeypatch.setenv("INSECURE", "1")
    if host.has_bridge(engine):
        pytest.skip("the engine itself listens here")
    with process.listen(0) as taken:
        busy = process.port_of(taken)
        with pytest.raises(OutsideError, match=r"the proxy gatehouse-.* does not start: it ended with exit code 1"):
            ship(make_bundle(1), domain="gatehouse.test", certificates="internal", http=busy, https=busy)
    place = containers(make_bundle(1))
    assert (place.roles.all(), place.proxy.find()) == ([], None)
    place.remove()
    [volume] = engine.volumes.list(filters={"name": f"{place.network.name}-"})
    assert volume.name.endswith("-certificates")
    volume.remove()


@pytest.fixture
def https_port():
    """Ports for HTTP and HTTPS that are free."""
    with process.listen(0) as one, process.listen(0) as other:
        return {"http": process.port_of(one), "https": process.port_of(other)}


def test_a_domain_is_served_by_https(make_bundle, ship, https_port, monkeypatch):
    """By a certificate that holds, with plain HTTP sent there; the certificates stay when all is taken down."""
    monkeypatch.setenv("INSECURE", "1")
    one = make_bundle(1)
    place = ship(one, domain="gatehouse.test", certificates="internal", **https_port)
    assert place.address == "https://gatehouse.test"
    found = place.proxy.find()
    assert process.wait(lambda: host.take(found, ROOT), 20)
    trusted = ssl.create_default_context(cadata=host.take(found, ROOT))
    headers = {"host": "gatehouse.test", "accept": "application/json"}
    with httpx.Client(verify=trusted, trust_env=False, headers=headers) as client:
        at = {"extensions": {"sni_hostname": "gatehouse.test"}}
        assert process.wait(lambda: answers(client, f"https://127.0.0.1:{https_port['https']}/version", at), 20)
        answer = client.get(f"https://127.0.0.1:{https_port['https']}/version", **at)
        assert (answer.json()["model_version"], answer.headers["strict-transport-security"]) == (1, "max-age=31536000")
        sent = client.get(f"http://127.0.0.1:{https_port['http']}/version")
        assert (sent.status_code, sent.headers["location"]) == (308, "https://gatehouse.test/version")
    assert serves(place.url)["model_version"] == 1
    place.remove()
    volumes = place.engine.volumes.list(filters={"name": f"{place.network.name}-"})
    assert [f"{place.network.name}-certificates"] == [volume.name for volume in volumes]
    volumes[0].remove()


def answers(client, url, more):
    try:
        return client.get(url, **more).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_domain_is_published_at_the_machines_addresses_of_both_kinds():
    """A port that is published at 0.0.0.0 is closed to IPv6; the door for deployments stays at its own address."""
    network = Network("gatehouse-0", bridged=True, trusted="10.0.0.0/24", exposed=True)
    door = proxy.Proxy(SimpleNamespace(), network, Edge(8000, domain="a.org"), "home")
    assert {"8080/tcp": ("127.0.0.1", 8000), "8081/tcp": 80, "8443/tcp": 443} == door._settings()["ports"]


def test_a_domain_without_a_credential_is_refused(make_bundle, containers, monkeypatch):
    """Before anything is started: everybody could ask."""
    for name in ("API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER", "INSECURE"):
        monkeypatch.delenv(name, raising=False)
    place = containers(make_bundle(1), domain="gatehouse.test")
    with pytest.raises(Refusal, match="others reach the service"):
        place.settle()
    assert place.roles.all() == []


def test_a_new_proxy_that_cannot_be_had_leaves_the_old_one_alone(make_bundle, ship, monkeypatch):
    """Its image is fetched while the old one serves, and nothing is stopped for one that does not come."""
    one = make_bundle(1)
    place = ship(one)
    before = place.proxy.find()
    monkeypatch.setenv("PROXY_IMAGE", "127.0.0.1:1/nobody/caddy:1")
    with pytest.raises(OutsideError, match="pull"):
        ship(one)
    before.reload()
    assert (before.id, True) == (place.proxy.find().id, before.attrs["State"]["Running"])
    assert serves(place.url)["model_version"] == 1


def test_a_new_proxy_that_does_not_start_gives_way_to_the_old_one(make_bundle, ship, fake_image, monkeypatch, capsys):
    """An image that is no proxy: the one before serves again, as it did."""
    one = make_bundle(1)
    place = ship(one)
    before = place.proxy.find().id
    monkeypatch.setenv("PROXY_IMAGE", fake_image(one))
    with pytest.raises(OutsideError):
        ship(one)
    assert "the one before takes its place again" in capsys.readouterr().err
    assert (before, 1) == (place.proxy.find().id, serves(place.url)["model_version"])


@pytest.mark.parametrize("at", ["stop", "rename"])
def test_whoever_interrupts_a_replacement_leaves_the_old_proxy_serving(
    make_bundle, ship, proxy_image, engine, monkeypatch, at
):
    """Ctrl-C while the old one drains, or just before it is put aside."""
    one = make_bundle(1)
    place = ship(one)
    before = place.proxy.find().id
    real = getattr(Container, at)

    def interrupted(container, *arguments, **named):
        if container.id != before:
            return real(container, *arguments, **named)
        if at == "stop":
            real(container, *arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setenv("PROXY_IMAGE", engine.images.get(proxy_image).id)
    with monkeypatch.context() as patch:
        patch.setattr(Container, at, interrupted)
        with pytest.raises(KeyboardInterrupt):
            place.settle()
    assert (before, 1) == (place.proxy.find().id, serves(place.url)["model_version"])


def die_at(step, place):
    """Settle, and die in the middle of a proxy's replacement."""
    os.environ["GATEHOUSE_DIE_AT"] = step
    place.settle()
    return 0


@pytest.mark.parametrize("step", ["put aside", "proxy made", "proxy started"])
def test_a_proxy_whose_replacement_was_killed_is_put_right(
    make_bundle, ship, containers, apart, proxy_image, engine, monkeypatch, step
):
    """The next run finds one that serves or makes one, and nothing is left aside."""
    one = make_bundle(1)
    place = ship(one)
    monkeypatch.setenv("PROXY_IMAGE", engine.images.get(proxy_image).id)
    place.engine.api.close()
    child = apart.start(die_at, step, containers(one))
    child.join(60)
    assert child.exitcode == -9
    again = containers(one)
    again.settle()
    assert serves(again.url)["model_version"] == 1
    named = [found.name for found in engine.containers.list(all=True, filters={"name": place.network.name})]
    assert named == [f"{place.network.name}-proxy"]
    assert contained.kept(engine)["Name"] == again.proxy.find().attrs["HostConfig"]["RestartPolicy"]["Name"]


def test_a_configuration_that_was_not_loaded_is_not_taken_for_loaded(make_bundle, ship, containers, apart, monkeypatch):
    """Caddy refuses it, or the run is killed before the file has its name: the next run loads it."""
    one = make_bundle(1)
    place = ship(one)
    found = place.proxy.find()
    old = host.take(found, "/gate/routes/caddy.json")
    real = caddy.configuration
    with monkeypatch.context() as patch:
        patch.setattr(
            caddy, "configuration", lambda *a, **b: real(*a, **b).replace('"apps": {', '"apps": {"none": {},')
        )
        with pytest.raises(OutsideError, match="caddy failed"):
            place.settle()
    assert host.take(found, "/gate/routes/caddy.json") == old
    place.engine.api.close()
    child = apart.start(die_at, "loaded", containers(one, header_seconds=3))
    child.join(60)
    assert child.exitcode == -9
    assert host.take(found, "/gate/routes/caddy.json") == old
    again = containers(one, header_seconds=3)
    again.settle()
    assert '"read_header_timeout": "3s"' in host.take(found, "/gate/routes/caddy.json")
    assert serves(again.url)["model_version"] == 1


def test_a_strangers_volume_with_a_longer_name_stays(make_bundle, ship, engine):
    """The engine looks for a part of a name; ours alone is removed."""
    place = ship(make_bundle(1))
    name = place.network.volume("routes")
    strangers = engine.volumes.create(f"{name}-backup")
    try:
        place.remove()
        assert [f"{name}-backup"] == [volume.name for volume in engine.volumes.list(filters={"name": name})]
    finally:
        strangers.remove()


def test_a_service_that_asks_nobody_is_not_opened_to_others(make_bundle, ship, containers, monkeypatch):
    """The edge stays until one that asks for a key takes its place; an undo closes it again before it routes back."""
    for name in ("API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER", "INSECURE"):
        monkeypatch.delenv(name, raising=False)
    one, two = make_bundle(1), make_bundle(2)
    place = ship(one)
    assert "no" != place.roles.find("live").labels["gatehouse.insecure"]
    monkeypatch.setenv("API_KEYS", "team predict sha256:" + "0" * 64)
    opened = containers(two, bind="0.0.0.0")  # noqa: S104 -- what is tested
    opened.settle()
    assert not opened.as_told()
    assert opened.proxy.edge().bind == "127.0.0.1"
    candidate = opened.start_candidate(two)
    assert process.wait(lambda: asked.is_ready(candidate), 20)
    assert "no" == opened.own.labels["gatehouse.insecure"]
    assert opened.proxy.edge().bind == "127.0.0.1"
    assert opened.switch(two) is None
    assert (opened.proxy.edge().bind, serves(opened.url)["model_version"]) == ("0.0.0.0", 2)  # noqa: S104
    opened.switch_back()
    opened.remove_candidate()
    assert (opened.proxy.edge().bind, serves(opened.url)["model_version"]) == ("127.0.0.1", 1)
    ship(two, bind="0.0.0.0")  # noqa: S104
    last = containers(two, bind="0.0.0.0")  # noqa: S104
    last.settle()
    assert (last.proxy.edge().bind, last.as_told()) == ("0.0.0.0", True)  # noqa: S104


def test_whoever_says_so_opens_a_service_that_asks_nobody(make_bundle, ship, containers, monkeypatch):
    """INSECURE=1 is taken at the word, at once."""
    for name in ("API_KEYS", "API_KEYS_FILE", "OIDC_ISSUER"):
        monkeypatch.delenv(name, raising=False)
    one = make_bundle(1)
    ship(one)
    monkeypatch.setenv("INSECURE", "1")
    opened = containers(one, bind="0.0.0.0")  # noqa: S104
    opened.settle()
    assert (opened.proxy.edge().bind, opened.as_told()) == ("0.0.0.0", True)  # noqa: S104


def test_the_same_bundle_with_other_keys_is_a_deployment(make_bundle, ship, monkeypatch):
    """What serves was told other keys: it is no deployment that was made already; the label holds no key."""
    one = make_bundle(1)
    monkeypatch.setenv("API_KEYS", "team predict sha256:" + "0" * 64)
    before = ship(one).roles.find("live")
    assert "sha256" not in str(before.labels["gatehouse.told"])
    assert before.id == ship(one).roles.find("live").id
    monkeypatch.setenv("API_KEYS", "other predict sha256:" + "1" * 64)
    assert before.id != ship(one).roles.find("live").id
