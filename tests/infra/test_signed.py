"""The supply chain on this machine: a registry, a key of one's own, cosign; what is unsigned or unlisted is refused."""

import json
import os
import shutil
import subprocess
import time
import urllib.request

import pytest

from infra import bundle as bundles
from infra import host, hub, image, labels, process, publish, verified
from infra.verified import UnverifiedError
from tests.infra import oci
from train.travel import book

pytestmark = pytest.mark.engine
NAME = "team/my_repo"


@pytest.fixture(scope="module")
def local_registry(tmp_path_factory):
    """Run docker's own registry on loopback; its address and its folder."""
    if shutil.which("docker-registry") is None:
        pytest.skip("no docker-registry is installed")
    folder = tmp_path_factory.mktemp("registry")
    with process.listen(0) as listener:
        address = f"127.0.0.1:{process.port_of(listener)}"
    storage = f"{{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}"
    (folder / "registry.yml").write_text(f"version: 0.1\nstorage: {storage}\nhttp: {{addr: {address}}}\n")
    with (folder / "log").open("w") as log:
        command = ["docker-registry", "serve", folder / "registry.yml"]
        served = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
            break
        except OSError:
            assert served.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
    yield address, folder / "data"
    served.terminate()
    served.wait(timeout=30)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two pairs of keys, the team's and a stranger's; `cosign` runs with one of them."""
    if shutil.which("cosign") is None:
        pytest.skip("no cosign is installed")
    folder = tmp_path_factory.mktemp("keys")
    environment = os.environ | {"COSIGN_PASSWORD": "", "HOME": str(folder)}

    class Keys:
        def __init__(self, name):
            self.public, self.private = folder / f"{name}.pub", folder / f"{name}.key"
            command = ["cosign", "generate-key-pair", "--output-key-prefix", name]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)

        def run(self, word, reference, *more):
            command = ["cosign", word, "--key", self.private, "--tlog-upload=false", "--allow-http-registry", "--yes"]
            subprocess.run([*command, *more, reference], env=environment, check=True, capture_output=True)

        def sign(self, reference):
            self.run("sign", reference)

        def attest(self, reference):
            bill = folder / "sbom.json"
            bill.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}))
            self.run("attest", reference, "--type", "cyclonedx", "--predicate", str(bill))

    return Keys("team"), Keys("stranger")


@pytest.fixture
def published(local_registry, keys, make_bundle, store, monkeypatch):
    """Publish an image of one layer for a new bundle, signed and listed unless one says otherwise."""
    address, _ = local_registry
    team, _ = keys
    monkeypatch.setenv("ATTESTATION", str(team.public))

    def make(version, sign=team.sign, attest=team.attest):
        sealed = store.add(make_bundle(version))
        reference = oci.push(address, NAME, oci.labels_of(sealed))
        found = hub.look(reference)
        publish.publish(sealed, found, found.content)
        sign(reference)
        attest(reference)
        return sealed, reference

    return make


def refused(sealed, reference):
    with pytest.raises(UnverifiedError) as caught:
        verified.must_be_published(reference, bundles.unit(sealed, reference), book.lines())
    return str(caught.value)


def test_a_signed_and_listed_image_is_taken(published):
    """By the team's public key, from the registry itself."""
    sealed, reference = published(11)
    verified.must_be_published(reference, bundles.unit(sealed, reference), book.lines())


def test_an_image_without_a_signature_is_refused(published):
    """Though its digest is the published one."""
    assert "cosign verify --key" in refused(*published(12, sign=lambda _: None))


def test_an_image_signed_by_another_key_is_refused(published, keys):
    """A stranger who may push cannot sign as the team."""
    _, stranger = keys
    assert "cosign verify --key" in refused(*published(13, sign=stranger.sign))


def test_an_image_without_its_list_of_parts_is_refused(published, keys):
    """As is one whose list another key has signed."""
    _, stranger = keys
    assert "cosign verify-attestation --type" in refused(*published(14, attest=lambda _: None))
    assert "cosign verify-attestation --type" in refused(*published(15, attest=stranger.attest))


def test_an_image_that_was_tampered_with_in_the_registry_is_refused(published, local_registry):
    """Signed and listed, and then a byte of its description is another."""
    sealed, reference = published(16)
    _, data = local_registry
    [config] = [path for path in data.rglob("data") if sealed.digest.encode() in path.read_bytes()]
    config.write_bytes(config.read_bytes().replace(b'"16"', b'"17"'))
    assert "has not the digest" in refused(sealed, reference)


def test_deploy_refuses_before_it_touches_anything(published, ways, capsys):
    """Exit 1, one sentence; the ledger has no intent. The good one is taken."""
    sealed, reference = published(17, sign=lambda _: None)
    assert ways.deploy(sealed, "--image", reference) == 1
    assert "is refused" in capsys.readouterr().err
    assert ["publication"] == [line.event for line in book.lines()]
    good, reference = published(18)
    assert 0 == ways.deploy(good, "--image", reference)
    assert reference == book.lines()[-1].facts["unit"]["image"]


def test_a_real_image_is_pushed_and_pulled_by_its_digest(engine, local_registry, make_real_bundle):
    """The registry has the layers that infra.measure saw in the engine, and the labels."""
    address, _ = local_registry
    sealed = make_real_bundle(7)
    reference = image.build(engine, sealed)
    built = engine.images.get(reference)
    pushed = f"{address}/{NAME}"
    try:
        assert built.tag(pushed, "pushed")
        said = [json.loads(line) for line in engine.images.push(pushed, "pushed").splitlines()]
        [digest] = [one["aux"]["Digest"] for one in said if "aux" in one]
        found = hub.look(f"{pushed}@{digest}")
        assert hub.content_of(built.attrs["RootFS"]["Layers"]) == found.content
        assert sealed.digest == found.labels[labels.BUNDLE]
        hub.tag(found.reference, "model-7")
        pulled = engine.images.pull(pushed, tag="model-7")
        assert built.id == pulled.id
        assert any(one.endswith(digest) for one in pulled.attrs["RepoDigests"])
    finally:
        for name in (reference, f"{pushed}:pushed", f"{pushed}:model-7"):
            if host.has(engine, name):
                engine.images.remove(name, force=True, noprune=True)
