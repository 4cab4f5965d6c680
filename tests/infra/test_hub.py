"""The door to registries: what an image is, whoever says otherwise."""

import base64
import json
import time

import pytest

from infra import challenge, exchange, hub
from infra.hub import NoSuchImageError
from tests.infra import oci
from validation.script import OutsideError, Refusal

LOGIN = base64.b64encode(b"ada:secret").decode()


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A registry in this process, and nobody logged in."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(exchange, "PAUSES", (0.0, 0.0))
    with oci.serving(oci.FakeHub()) as served:
        yield served


def test_an_image_is_read_by_its_digest(fake):
    """Labels, and what is in it, which a label does not change."""
    one = hub.look(oci.push(fake.host, "org/my_repo", {"a": "1"}))
    two = hub.look(oci.push(fake.host, "org/my_repo", {"a": "2"}))
    other = hub.look(oci.push(fake.host, "org/my_repo", {"a": "2"}, "another"))
    assert ({"a": "1"}, {"a": "2"}) == (one.labels, two.labels)
    assert one.content == two.content != other.content
    assert (oci.digest(oci.layer("service")),) == one.layers


@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_a_registry_that_hands_out_something_else_is_not_believed(fake, what):
    """The bytes have to have the digest: a changed manifest is found, and a changed label."""
    reference = oci.push(fake.host, "a/b", {"model": "good"})
    for path, content in list(fake.held.items()):
        if what in path and b"service" not in content:
            fake.held[path] = content.replace(b"good", b"evil").replace(b'"schemaVersion": 2', b'"schemaVersion": 3')
    with pytest.raises(NoSuchImageError, match="has not the digest"):
        hub.look(reference)


def test_an_image_that_is_not_there_is_said(fake):
    """As is an index of several, which ours never are."""
    reference = oci.push(fake.host, "a/b", {})
    with pytest.raises(NoSuchImageError, match=r"has no manifests/sha256:0{64} in a/b"):
        hub.look(f"{fake.host}/a/b@sha256:{'0' * 64}")
    index = json.dumps({"manifests": [reference]}).encode()
    fake.held[f"/v2/a/b/manifests/{oci.digest(index)}"] = index
    with pytest.raises(NoSuchImageError, match="no image for one platform"):
        hub.look(f"{fake.host}/a/b@{oci.digest(index)}")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"config": [], "rootfs": []}, "lists no layers"),
        ({"config": None, "rootfs": {"diff_ids": []}}, "lists no layers"),
        ({"config": {"Labels": ["a"]}, "rootfs": {"diff_ids": ["sha256:1"]}}, "has labels that are none"),
    ],
)
def test_a_description_of_another_shape_is_one_sentence(fake, told, sentence):
    """Its digest is right, and it describes no image."""
    packed = json.dumps(told).encode()
    manifest = json.dumps({"config": {"digest": oci.digest(packed)}}).encode()
    for what, content in (("blobs", packed), ("manifests", manifest)):
        fake.held[f"/v2/a/b/{what}/{oci.digest(content)}"] = content
    with pytest.raises(NoSuchImageError, match=sentence):
        hub.look(f"{fake.host}/a/b@{oci.digest(manifest)}")


@pytest.mark.parametrize("reference", ["", "a/b:1", "ghcr.io/a/b", "ghcr.io/A/b@sha256:" + "0" * 64, "a/b@sha256:00"])
def test_what_names_no_image_by_digest_is_refused(reference):
    """A tag may name another image tomorrow."""
    with pytest.raises(Refusal, match="does not name an image by its digest"):
        hub.look(reference)


def test_a_token_is_fetched_with_the_login_that_is_there(fake, tmp_path):
    """As docker does it; without a login it is asked for nobody, and a private image says how to log in."""
    reference = oci.push(fake.host, "a/b", {"a": "1"})
    fake.token, fake.login = "t0ken", LOGIN
    with pytest.raises(Refusal, match=f"docker login {fake.host}"):
        hub.look(reference)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {fake.host: {"auth": LOGIN}}}))
    assert {"a": "1"} == hub.look(reference).labels
    [asked] = [path for _, path, login in fake.asked if login == f"Basic {LOGIN}"]
    assert "/token?scope=repository%3Aa%2Fb%3Apull&service=hub" == asked


@pytest.mark.parametrize("named", [{"credsStore": "kept"}, {"credHelpers": {"HOST": "kept"}}])
def test_a_login_in_a_store_is_asked_for(fake, tmp_path, monkeypatch, named):
    """As Docker Desktop, and the helpers of clouds, keep it; a store that fails is one sentence."""
    reference = oci.push(fake.host, "a/b", {"a": "1"})
    fake.token, fake.login = "t0ken", LOGIN
    told = json.loads(json.dumps(named).replace("HOST", fake.host))
    (tmp_path / "config.json").write_text(json.dumps(told))
    helper = tmp_path / "bin/docker-credential-kept"
    helper.parent.mkdir()
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
    with pytest.raises(Refusal, match=f"the login of {fake.host} cannot be read: .*`docker login {fake.host}`"):
        hub.look(reference)
    user, _, secret = base64.b64decode(LOGIN).decode().partition(":")
    answer = json.dumps({"ServerURL": fake.host, "Username": user, "Secret": secret})
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    assert {"a": "1"} == hub.look(reference).labels


def test_the_registry_of_dockers_name_is_asked_where_it_is(monkeypatch):
    """Its images without an owner are the library's."""
    asked = []

    def send(_, request, **more):
        asked.append((request.method, str(request.url)))
        raise hub.httpx.ConnectError("no network")

    monkeypatch.setattr(hub.httpx.Client, "send", send)
    for name in ("a/b", "python"):
        with pytest.raises(OutsideError, match=r"docker\.io does not answer"):
            hub.look(f"docker.io/{name}@sha256:{'0' * 64}")
    top = "https://registry-1.docker.io/v2"
    digest = f"manifests/sha256:{'0' * 64}"
    assert [("GET", f"{top}/a/b/{digest}"), ("GET", f"{top}/library/python/{digest}")] == asked


def test_a_login_goes_to_no_place_that_is_not_encrypted(fake, tmp_path):
    """A registry could name any place in its challenge."""
    reference = oci.push(fake.host, "a/b", {})
    fake.token, fake.realm = "t0ken", "http://elsewhere.invalid/token"
    with pytest.raises(OutsideError, match="which is not encrypted"):
        hub.look(reference)


@pytest.mark.parametrize(("status", "error"), [(500, OutsideError), (403, Refusal), (404, NoSuchImageError)])
def test_a_registry_that_fails_is_told_from_one_that_refuses(fake, status, error):
    """One sentence each."""
    fake.status = status
    with pytest.raises(error):
        hub.look(f"{fake.host}/a/b@sha256:{'0' * 64}")


def test_no_registry_at_all_is_an_outside_failure():
    """Exit 3 for a script."""
    with pytest.raises(OutsideError, match="does not answer: ConnectError"):
        hub.look(f"127.0.0.1:1/a/b@sha256:{'0' * 64}")


def test_a_tag_names_the_very_image(fake):
    """The same bytes under a word."""
    reference = oci.push(fake.host, "a/b", {})
    hub.tag(reference, "model-1")
    assert fake.held["/v2/a/b/manifests/model-1"] == fake.held[f"/v2/a/b/manifests/{reference.partition('@')[2]}"]


@pytest.mark.parametrize("status", [302, 303])
def test_a_tag_that_was_only_read_elsewhere_is_none(fake, status):
    """A redirect may make the PUT a GET, whose 200 tags nothing."""
    reference = oci.push(fake.host, "a/b", {})
    fake.moved = status
    with pytest.raises(OutsideError, match=r"PUT manifests/model-1"):
        hub.tag(reference, "model-1")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_place_of_tokens_that_is_busy_is_asked_again_and_is_an_outside_failure(fake, status):
    """Twice more; `docker login` would help nobody, so it is not named."""
    reference = oci.push(fake.host, "a/b", {"a": "1"})
    fake.token, fake.busy = "t0ken", [(status, "0")] * 2
    assert {"a": "1"} == hub.look(reference).labels
    fake.busy = [(status, "")] * 3
    with pytest.raises(OutsideError, match=f"was asked for a token and answered by status {status}"):
        hub.look(reference)
    fake.busy = [(status, "3600"), (status, "")]
    with pytest.raises(OutsideError):
        hub.look(reference)
    assert [(status, "")] == fake.busy  # nobody waits for an hour


@pytest.mark.parametrize(
    "asks",
    [
        'Basic realm="x"\nBearer realm="PLACE",service="hub"',
        'Basic realm="x, y", Bearer realm="PLACE", service="hub"',
        "Bearer realm=PLACE,service=hub",
        'bearer service=hub , Realm = "PLACE"',
    ],
)
def test_a_token_is_preferred_however_it_is_asked_for(fake, asks):
    """Two headers or one, quoted or not."""
    reference = oci.push(fake.host, "a/b", {"a": "1"})
    fake.token, fake.asks = "t0ken", asks
    assert {"a": "1"} == hub.look(reference).labels
    assert any(path.endswith("&service=hub") for _, path, _ in fake.asked)


@pytest.mark.parametrize("said", ["", "rubbish", "{}", "[]"])
def test_a_helper_that_gives_no_login_is_named(fake, tmp_path, monkeypatch, said):
    """One sentence, and no traceback; one that hangs is given up."""
    reference = oci.push(fake.host, "a/b", {})
    fake.token = "t0ken"
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "kept"}))
    helper = tmp_path / "bin/docker-credential-kept"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\necho '{said}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
    with pytest.raises(Refusal, match="docker-credential-kept gives no Username and Secret"):
        hub.look(reference)
    helper.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(challenge, "SECONDS", 0.2)
    with pytest.raises(OutsideError, match="docker-credential-kept did not answer within"):
        hub.look(reference)


@pytest.mark.parametrize(
    ("name", "text"),
    [("NO_PROXY", "10.0.0.0/8,fd00::/8"), ("NO_PROXY", "[::1]"), ("ALL_PROXY", "socks://127.0.0.1:1/")],
)
def test_proxies_that_cannot_be_gone_by_are_one_sentence(monkeypatch, name, text):
    """Others read them in more forms, as desktops and companies set them."""
    monkeypatch.setenv(name, text)
    with pytest.raises(Refusal, match=r"the proxies of this environment cannot be gone by: .* and without a network's"):
        hub.look(f"registry.invalid/a/b@sha256:{'0' * 64}")


def test_an_answer_has_an_end(fake, monkeypatch):
    """In bytes, and in seconds for the whole of it."""
    reference = oci.push(fake.host, "a/b", {})
    monkeypatch.setattr(exchange, "LARGEST", 20)
    with pytest.raises(OutsideError, match="more than 20 bytes"):
        hub.look(reference)
    monkeypatch.setattr(exchange, "WHOLE", 0.2)
    slow = fake.answer
    monkeypatch.setattr(fake, "answer", lambda *given: time.sleep(1) or slow(*given))
    with pytest.raises(OutsideError, match="did not end its answer within"):
        hub.look(reference)
