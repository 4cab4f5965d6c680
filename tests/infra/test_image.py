"""The image: what goes in, what it refuses, and how it ends."""

import io
import os
import tarfile
import uuid
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import httpx
import pytest

from infra import contained, image, labels, measure, process
from infra import network as networks
from tests import kept
from tests.serves import serves
from validation import contract
from validation.script import OutsideError

BARE = (
    "import glob, os, shutil; found = glob.glob('/bin/*sh') + glob.glob('/usr/bin/*sh');"
    " [os.unlink(f) for f in set(map(os.path.realpath, found))];"
    " [shutil.rmtree(f) for f in glob.glob('/usr/local/lib/python3.11/site-packages/pip*')]"
)

SKOPS = "serve/skops/requirements.txt"


def names(packed):
    with tarfile.open(fileobj=io.BytesIO(packed.getvalue())) as archive:
        return archive.getnames()


def test_the_context_holds_the_service_and_the_bundle_and_no_more(make_real_bundle):
    """No data, no registry, no git, nothing of training."""
    found = names(image.pack(make_real_bundle().folder))
    bundle = {name for name in found if name.startswith("build/model/")}
    assert "build/model/model/model.onnx" in bundle
    rest = set(found) - bundle - {"infra/packing.py"}  # used in the build, and not in the image
    assert len(rest) == len(found) - len(bundle) - 1
    assert {"serve/Dockerfile", "serve/requirements.txt", "serve/app.py", "serve/model.py"} <= rest
    assert "serve/wire/app.py" in rest
    assert "serve/browser/page.html" in rest
    kinds = (".py", ".html", ".js", ".css", "/Dockerfile", "/requirements.txt")
    assert all(name.startswith("serve/") and name.endswith(kinds) for name in rest)
    assert {"serve/batch.py", "serve/export.py", "serve/smoke.py"}.isdisjoint(rest)


def test_the_same_files_are_packed_to_the_same_bytes(make_real_bundle):
    """An unchanged file is found in the engine's cache, whenever it was written."""
    folder = make_real_bundle().folder
    first = image.pack(folder).getvalue()
    (folder / "release.json").touch()
    assert image.pack(folder).getvalue() == first


@pytest.mark.parametrize(("name", "lock"), [("model.onnx", "serve/requirements.txt"), ("model.skops", SKOPS)])
def test_the_image_gets_the_libraries_that_the_model_needs(make_real_bundle, monkeypatch, name, lock):
    """The builder is told which lock; both are in what it gets."""
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    sealed = make_real_bundle()
    (sealed.folder / "model/model.onnx").rename(sealed.folder / "model" / name)
    told = {}

    def build(**given):
        told.update(given)
        return [{"stream": "built"}]

    engine = SimpleNamespace(api=SimpleNamespace(build=build))
    monkeypatch.setattr(image.host, "has_bridge", lambda _: True)
    assert f"same:{sealed.short}" == image.build(engine, sealed)
    assert lock == told["buildargs"]["LIBRARIES"]
    assert {"serve/requirements.txt", SKOPS} <= set(names(told["fileobj"]))


def test_without_an_engine_nothing_is_built_and_it_is_said(make_real_bundle, monkeypatch, capsys):
    """Exit 0 and an empty reference: deploy then starts a process."""
    monkeypatch.setenv("ENGINE", "none")
    assert 0 == image.main(["--bundle", str(make_real_bundle().folder)])
    said = capsys.readouterr()
    assert "image=\n" == said.out
    assert "no container engine answers" in said.err


def test_a_broken_bundle_gets_no_image(make_real_bundle, monkeypatch, capsys):
    """Exit 1, the file is named; a folder that is no bundle is exit 2."""
    monkeypatch.setenv("ENGINE", "none")
    folder = make_real_bundle().folder
    (folder / "service.json").write_text("{}")
    assert image.main(["--bundle", str(folder)]) == 1
    assert "service.json" in capsys.readouterr().err
    assert 2 == image.main(["--bundle", str(folder / "nowhere")])


def test_a_service_that_ships_its_log_takes_arrow_along(make_real_bundle, monkeypatch):
    """PREDICTION_LOG chooses the larger lock; without it the image stays small."""
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    told = []

    def build(**settings):
        told.append(settings["buildargs"].get("LIBRARIES"))
        return iter(())

    networks = SimpleNamespace(list=list)
    engine = SimpleNamespace(api=SimpleNamespace(build=build), networks=networks)
    sealed = make_real_bundle()
    for log in ("", "s3://bucket/log"):
        monkeypatch.setenv("PREDICTION_LOG", log)
        image.build(engine, sealed)
    assert told == ["serve/requirements.txt", "serve/remembered/requirements.txt"]


@pytest.fixture
def built(engine):
    """Build the image of a bundle; it is gone after the test, its layers stay in the cache."""
    made = []

    def build(sealed):
        made.append(image.build(engine, sealed))
        return made[-1]

    yield build
    for reference in set(made):
        engine.images.remove(reference, force=True, noprune=True)


@pytest.fixture
def started(engine):
    """Start an image as the deployment does; it is gone after the test."""
    made = []

    def start(reference):
        name = f"gatehouse-test-{uuid.uuid4().hex[:8]}"
        made.append(contained.start(engine, reference, name, networks.network(engine, name, name, False), {}, 2**28))
        return made[-1]

    yield start
    for container in made:
        container.remove(force=True)
        networks.remove(engine, container.name)


def inside(container, code):
    """Run a line of Python in a container, which may have no other program."""
    return container.exec_run(["python", "-c", f"import os; {code}"]).output


def status(container):
    container.reload()
    return container.attrs["State"]


@pytest.mark.engine
def test_the_image_serves_read_only_and_without_privilege(engine, make_real_bundle, built, started):
    """It is ready, healthy, another user than root, and ends with 0 when told to."""
    sealed = make_real_bundle()
    reference = built(sealed)
    assert f"same:{sealed.short}" == reference
    container = started(reference)
    url = contained.url(engine, container)
    assert process.wait(lambda: answers(url), 60), container.logs().decode()
    assert serves(url)["bundle_digest"] == sealed.digest
    assert {"value": 3.0} == httpx.post(f"{url}/predict", json={"x": 3}).json()["prediction"]
    assert process.wait(lambda: status(container)["Health"]["Status"] == "healthy", 60)
    assert b"Read-only file system" in inside(container, "open('/bundle/x', 'w')")
    assert b"10001\n" == inside(container, "print(os.getuid())")
    told = container.image.labels
    assert {"1"} == {told["org.opencontainers.image.version"], told[labels.VERSION]}
    assert ("Same", sealed.digest) == (told[labels.MODEL], told[labels.BUNDLE])
    container.stop(timeout=60)
    assert 0 == status(container)["ExitCode"]


@pytest.mark.engine
def test_a_service_that_hangs_is_unhealthy(engine, make_real_bundle, built):
    """A stopped process takes connections and answers none; the image's own check, looked at sooner, tells."""
    often = {"interval": 10**9, "timeout": 10**9, "retries": 1, "start_period": 10**9}
    environment = {"HOST": "127.0.0.1", "PORT": "8000"}
    settings = {"network_mode": "none", "environment": environment, "healthcheck": often}
    container = engine.containers.create(built(make_real_bundle(3)), **settings)
    try:
        container.start()
        assert process.wait(lambda: status(container)["Health"]["Status"] == "healthy", 60)
        container.kill("SIGSTOP")
        assert process.wait(lambda: status(container)["Health"]["Status"] == "unhealthy", 60)
    finally:
        container.remove(force=True)


def test_the_image_serves_without_a_shell_and_carries_nothing_that_trains(
    engine, make_real_bundle, built, started, monkeypatch
):
    """On a base that has neither shell nor pip it is built, ready and healthy; what is in it, it was told to hold."""
    base = os.environ.get("BASE_IMAGE", "python:3.11-slim")
    bare = f"gatehouse-test:bare-{os.getpid()}"
    recipe = f'FROM {base}\nRUN ["python", "-c", "{BARE}"]\n'
    engine.images.build(fileobj=io.BytesIO(recipe.encode()), tag=bare, rm=True)
    try:
        monkeypatch.setenv("BASE_IMAGE", bare)
        monkeypatch.setenv("BUILD_IMAGE", base)
        container = started(built(make_real_bundle(4)))
        url = contained.url(engine, container)
        assert process.wait(lambda: answers(url), 60), container.logs().decode()
        assert process.wait(lambda: status(container)["Health"]["Status"] == "healthy", 60)
        assert container.exec_run(["sh", "-c", "true"]).exit_code != 0
        found = inside(container, "print(*os.listdir('/libraries'))").decode().split()
        assert {"onnxruntime", "numpy", "fastapi"} <= set(found)
        assert {"sklearn", "skl2onnx", "onnx", "pandas", "pyarrow", "mlflow", "pip"}.isdisjoint(found)
        assert b"0\n" == inside(
            container, "print(sum(name.endswith('.pyc') for _, _, f in os.walk('/libraries') for name in f))"
        )
    finally:
        engine.images.remove(bare, force=True, noprune=True)


@pytest.mark.engine
def test_two_builds_give_the_same_layers(engine, make_real_bundle, built, monkeypatch):
    """Built again from nothing, later and by another commit for all that is told, no layer differs."""
    sealed = make_real_bundle(5)
    first = engine.images.get(built(sealed)).attrs["RootFS"]["Layers"]
    for path in sealed.folder.rglob("*"):
        os.utime(path, (1, 1))
    monkeypatch.setattr(engine.api, "build", partial(engine.api.build, nocache=True))
    monkeypatch.setenv("GITHUB_SHA", "b" * 40)
    again = engine.images.get(built(sealed))
    assert first == again.attrs["RootFS"]["Layers"]
    assert ("b" * 40, "c" * 40) == (again.labels[labels.REVISION], again.labels[labels.MODEL_COMMIT])


@pytest.mark.engine
def test_the_script_measures_what_was_built(make_real_bundle, built, capsys, monkeypatch):
    """Each layer, and starts; beyond a bound it is red and names the layer."""
    reference = built(make_real_bundle(6))
    bounds = replace(kept.config().image, ready_seconds=30.0)  # no time decides a test
    monkeypatch.setattr(contract, "load", lambda: replace(kept.config(), image=bounds))
    assert 0 == measure.main(["--image", reference])
    told = capsys.readouterr().out
    assert all(f"| {layer} | " in told for layer in ("base", *measure.OURS))
    assert "another base than the pinned one" in told
    monkeypatch.setattr(contract, "load", lambda: replace(kept.config(), image=replace(bounds, max_own_mb=20.0)))
    assert measure.main(["--image", reference]) == 1
    assert "most of them libraries" in capsys.readouterr().err


@pytest.mark.engine
def test_an_image_of_others_is_not_measured(engine, capsys):
    """What names no base, or is not there, is no image of ours: exit 2."""
    assert 2 == measure.main(["--image", os.environ.get("BASE_IMAGE", "python:3.11-slim")])
    assert "was not built from serve/Dockerfile" in capsys.readouterr().err
    assert 2 == measure.main(["--image", "gatehouse-test:nothing"])
    assert "`make image` builds one" in capsys.readouterr().err


@pytest.mark.engine
def test_a_start_that_fails_leaves_the_engine_as_it_was(engine, monkeypatch):
    """An image that is not there: its network is made by then, and goes again."""
    monkeypatch.setattr(measure.secrets, "token_hex", lambda _: "fa11ed")
    with pytest.raises(OutsideError):
        measure.start(engine, "gatehouse-test:nothing", os.getpid())
    left = [one.name for one in engine.networks.list() + engine.containers.list(all=True)]
    assert f"gatehouse-measured-{os.getpid()}-fa11ed" not in left


@pytest.mark.engine
def test_a_flipped_byte_in_the_image_refuses_to_start(make_real_bundle, built, started):
    """One sentence in its log, and no service."""
    sealed = make_real_bundle(2)  # another tag than its neighbours have, who may run beside it
    path = sealed.folder / "model/golden.json"
    path.write_bytes(path.read_bytes().replace(b"2.0", b"3.0"))
    container = started(built(sealed))
    assert process.wait(lambda: status(container)["Status"] == "exited", 60)
    assert status(container)["ExitCode"] != 0
    said = container.logs().decode()
    assert "golden.json" in said
    assert "Traceback" not in said


@pytest.mark.engine
def test_the_script_says_how_to_go_on_when_the_base_cannot_be_pulled(engine, make_real_bundle, monkeypatch, capsys):
    """Exit 3, one sentence."""
    monkeypatch.setenv("BASE_IMAGE", "127.0.0.1:1/nothing:here")
    assert 3 == image.main(["--bundle", str(make_real_bundle().folder)])
    assert "ENGINE=none does without" in capsys.readouterr().err


def answers(url):
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False
