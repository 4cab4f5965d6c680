"""Bundles of a fake service, and homes for deployments that end with the test."""

import contextlib
import http.client
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import sys
import threading
import time

import httpx
import pytest

from infra import bundle, deploy, host, machine, noted, process, rollback
from infra import place as places
from infra import trial as trials
from infra.caddy import Edge
from infra.containers import Containers
from infra.program import packed
from infra.supervised import Supervised
from infra.trial import Trial
from serve.bundle import seal
from tests import kept, ports
from tests.infra.kube.faked import Faked
from train import embedded, following, registry
from train.travel import book
from train.travel.effects import effects_of
from train.view import Version, View
from validation.script import OutsideError

HERE = ("--environment", "local")
FORK = multiprocessing.get_context("fork")
FAKE = (sys.executable, str(pathlib.Path(__file__).with_name("fake_service.py")))


@pytest.fixture
def trial():
    """Compare the one output of the fake service with the golden one, 1; it has no /metrics to bake by."""

    def compare(url, folder):
        output = httpx.get(f"{url}/predict", timeout=5, trust_env=False).json()["output"]
        return [] if output == 1 else [f"row 1: {output} instead of 1"]

    return Trial(compare, None)


@pytest.fixture
def make_bundle(tmp_path):
    """Make a sealed bundle: version, then what the fake service shall do; each call exports anew."""
    count = itertools.count(1)

    def make(version=1, **settings):
        folder = tmp_path / f"bundle-{version}-{next(count)}"
        (folder / "model").mkdir(parents=True)
        write(folder / "model/contract.json", {"inputs": [], "version": version})
        write(folder / "model/golden.json", {"rows": [{}], "outputs": [[1]]})
        write(folder / "service.json", settings)
        digest = seal(folder / "model")
        release = {"model": "Income", "model_version": version, "model_digest": digest, "commit": "c" * 40}
        write(folder / "release.json", release)
        seal(folder)
        return bundle.read(folder)

    return make


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of the test's own in place of the repository's: its ledger, its versions, its aliases; no MLflow."""

    class Store:
        def __init__(self):
            self.versions, self.aliases, self.saved, self.bundles = {}, {}, [], []

        def add(self, sealed):
            """Register the model of a bundle."""
            files = f"artifacts/m-{sealed.version}"
            shutil.copytree(sealed.folder / "model", tmp_path / "store" / files, dirs_exist_ok=True)
            digest = json.loads((sealed.folder / "release.json").read_text())["model_digest"]
            self.bundles.append(sealed)
            self.versions[sealed.version] = Version(sealed.version, digest, "", "", f"m-{sealed.version}", files, {})
            return sealed

        def follow(self):
            """Let the aliases follow the ledger."""
            for line in book.lines():
                self.aliases.update(effects_of(line).aliases)

        def kept(self, sealed):
            """Return where the registry keeps what a bundle has around its model."""
            return tmp_path / "store" / self.versions[sealed.version].files / "bundles" / sealed.digest

        def told(self, *facts):
            """Return the ledger's lines as (event, phase, version) and whatever facts are asked for."""
            lines = book.lines()
            return [
                (line.event, line.facts.get("phase"), _version(line), *(line.facts.get(f) for f in facts))
                for line in lines
            ]

    made = Store()
    for module in (embedded, registry, book):
        monkeypatch.setattr(module, "STORE", tmp_path / "store")
    monkeypatch.setattr(book, "BOOK", tmp_path / "store/ledger.jsonl")
    monkeypatch.setattr(registry, "BUILD", tmp_path / "build")
    monkeypatch.setattr(rollback, "PUT_BACK", tmp_path / "build/rollback")
    monkeypatch.setattr(registry, "view", lambda _: View(made.versions, made.aliases))
    monkeypatch.setattr(following, "follow", lambda _: made.follow())
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    monkeypatch.setenv("GITHUB_SHA", "c" * 40)
    return made


def _version(line):
    return line.facts["unit"]["version"] if "unit" in line.facts else line.facts["version"]


@pytest.fixture
def ways(store, supervised, trial, monkeypatch):
    """Run the scripts themselves in this process, in a home of the test's own, with the fake service."""
    monkeypatch.setenv("GATEHOUSE_HOME", str(supervised.folder))
    monkeypatch.setattr(places, "choose", lambda *_: supervised)
    monkeypatch.setattr(trials, "of_new", lambda *_: trial)
    monkeypatch.setattr(trials, "of_known", lambda: trial)

    class Ways:
        @staticmethod
        def deploy(sealed, *more):
            return deploy.main([*HERE, "--bundle", str(sealed.folder), "--model-version", str(sealed.version), *more])

        @staticmethod
        def roll_back(*more, reason="it errs"):
            return rollback.main([*HERE, "--reason", reason, *more])

        @staticmethod
        def live():
            """Return the bundle that answers; None when nothing does."""
            return machine.serving(supervised.url) or None

    return Ways


@pytest.fixture
def apart():
    """Run a script in a process of its own that has this one's patches; nothing of it outlives the test."""
    children = []

    class Apart:
        @staticmethod
        def start(function, *arguments):
            child = FORK.Process(target=lambda: os._exit(function(*arguments)))
            child.start()
            children.append(child)
            return child

        @staticmethod
        def hang(*_):
            time.sleep(600)

        @staticmethod
        def kill(child, once):
            """Kill it (-9) once something is so."""
            assert process.wait(once, 30)
            child.kill()
            child.join()

    yield Apart
    for child in children:
        child.kill()
        child.join()


@pytest.fixture
def saving(monkeypatch):
    """Stand in for the branch: what each save holds, and a way to let one fail."""
    held, failing = [], {}

    def save(record):
        if record:
            if error := failing.get(len(held)):
                raise error
            held.append([line.facts.get("phase") for line in book.lines()])

    monkeypatch.setattr(noted, "save", save)
    return held, failing


@pytest.fixture
def make_real_bundle(tmp_path):
    """Make a sealed bundle that the real service serves: a model that gives back its one input."""
    onnx = pytest.importorskip("onnx")

    def make(version=1):
        folder = tmp_path / f"real-{version}"
        (folder / "model").mkdir(parents=True)
        put, get = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 1]) for name in "xy")
        graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "same", [put], [get])
        opset = [onnx.helper.make_opsetid("", 17)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model/model.onnx")
        inputs = [{"name": "x", "type": "number", "low": 0, "high": 9, "integer": False, "missing": False, "unit": "m"}]
        target = {"name": "y", "kind": "quantity", "labels": [], "range": 9.0, "low": 0, "high": 9, "unit": "m"}
        write(folder / "model/contract.json", {"inputs": inputs, "target": target})
        write(folder / "model/golden.json", {"rows": [{"x": 1.0}, {"x": 2.0}], "outputs": [[1.0], [2.0]]})
        bins = {"x": {"edges": [3.0, 6.0], "counts": [1, 1, 1], "missing": 0}}
        write(folder / "model/drift.json", {"columns": bins, "outputs": {"edges": [0, 3, 6, 9], "counts": [1, 1, 1]}})
        write(folder / "service.json", kept.config().service.shipped())
        digest = seal(folder / "model")
        release = {"model": "Same", "model_version": version, "model_digest": digest, "commit": "c" * 40}
        write(folder / "release.json", release)
        seal(folder)
        return bundle.read(folder)

    return make


def write(path, value):
    path.write_text(json.dumps(value))


@pytest.fixture
def free_port():
    return ports.free_port()


@pytest.fixture
def supervised(tmp_path, free_port):
    """A place for supervised processes of the fake service; nothing of it outlives the test."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    place = Supervised(home, free_port, 20, FAKE)
    yield place
    place.remove()


@pytest.fixture
def client():
    """Ask a URL again and again, each time by a new connection; `stop` returns (answers, failures)."""
    clients = []

    class Client:
        def __init__(self, url):
            self.answers, self.failures, self.ended = 0, [], threading.Event()
            self.thread = threading.Thread(target=self.run, args=(url,))
            self.thread.start()
            clients.append(self)

        def run(self, url):
            while not self.ended.is_set():
                try:
                    self.ask(*re.fullmatch(r"http://([^/]+)(/.*)", url).groups())
                    self.answers += 1
                except (OSError, http.client.HTTPException) as error:
                    self.failures.append(repr(error))

        @staticmethod
        def ask(host, path):
            # not by httpx: a process that is forked while it makes ready for TLS inherits a lock that nobody opens
            connection = http.client.HTTPConnection(host, timeout=20)
            with contextlib.closing(connection):
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
            if answer.status >= 400:
                raise OSError(f"status {answer.status}")

        def stop(self):
            self.ended.set()
            self.thread.join()
            return self.answers, self.failures

    yield Client
    for one in clients:
        one.stop()


@pytest.fixture
def callers():
    """Ask for predictions without a pause by connections that are kept, and by new ones; `stop` returns what failed."""
    made = []

    class Callers:
        def __init__(self, url, row, kept=4, new=1):
            self.answers, self.failures, self.ended = 0, [], threading.Event()
            self.threads = [threading.Thread(target=self.run, args=(url, row, one < kept)) for one in range(kept + new)]
            for thread in self.threads:
                thread.start()
            made.append(self)

        def run(self, url, row, kept):
            headers = {} if kept else {"connection": "close"}
            with httpx.Client(timeout=20, trust_env=False, headers=headers) as client:
                while not self.ended.is_set():
                    try:
                        client.post(f"{url}/predict", json=row).raise_for_status()
                        self.answers += 1
                    except httpx.HTTPError as error:
                        self.failures.append(repr(error))

        def stop(self):
            self.ended.set()
            for thread in self.threads:
                thread.join()
            return self.failures

    yield Callers
    for one in made:
        one.stop()


@pytest.fixture(scope="session")
def engine():
    """The container engine of this machine; without one the test is skipped."""
    try:
        found = host.engine()
    except OutsideError as error:
        pytest.skip(str(error))
    if found is None:
        pytest.skip("no container engine answers")
    return found


@pytest.fixture
def fake_image(engine):
    """Build an image of the fake service around a bundle; all are gone after the test."""
    built = set()

    def build(sealed):
        base = os.environ.get("BASE_IMAGE", "python:3.11-slim")
        recipe = f"FROM {base}\nLABEL process={os.getpid()}\n"  # no layer is another process's, which removes its own
        recipe += "COPY . /\nENV BUNDLE=/bundle HOST=0.0.0.0 PORT=8000\nUSER 10001\n"
        recipe += 'CMD ["python", "/fake_service.py"]\n'
        files = {"Dockerfile": recipe.encode(), "fake_service.py": pathlib.Path(FAKE[1]).read_bytes()}
        inside = {path.relative_to(sealed.folder): path for path in sealed.folder.rglob("*") if path.is_file()}
        files |= {f"bundle/{name.as_posix()}": path.read_bytes() for name, path in inside.items()}
        tag = f"gatehouse-test:{sealed.short}-{os.getpid()}"
        engine.images.build(fileobj=packed(files), custom_context=True, tag=tag, rm=True)
        built.add(tag)
        return tag

    yield build
    for tag in built:
        engine.images.remove(tag, force=True)


@pytest.fixture
def real_containers(engine, tmp_path, free_port, proxied):
    """A place for containers of the real service; nothing of it outlives the test but the image's layers."""
    home = tmp_path / "home"
    home.mkdir()
    made = []

    def place(**edge):
        made.append(Containers(engine, str(home), Edge(**{"port": free_port} | edge), 60))
        return made[-1]

    yield place
    Containers(engine, str(home), Edge(free_port), 60).remove()
    for image in {one.image for one in made if one.image}:
        engine.images.remove(image, force=True, noprune=True)


@pytest.fixture(scope="session")
def proxy_image(engine):
    """Build an image of the proxy around the program that the tests install, since none can be pulled here."""
    caddy = shutil.which("caddy", path=os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]))
    if caddy is None:
        pytest.skip("no caddy is installed: `make setup` brings one")
    base = os.environ.get("BASE_IMAGE", "python:3.11-slim")
    files = {"Dockerfile": f"FROM {base}\nLABEL process={os.getpid()}\nCOPY caddy /usr/bin/caddy\n".encode()}
    files["caddy"] = pathlib.Path(caddy).read_bytes()
    tag = f"gatehouse-test-proxy:{os.getpid()}"
    engine.images.build(fileobj=packed(files), custom_context=True, tag=tag, rm=True)
    yield tag
    engine.images.remove(tag, force=True, noprune=True)


@pytest.fixture
def proxied(proxy_image, monkeypatch):
    """Let deployments take the tests' own image of the proxy."""
    monkeypatch.setenv("PROXY_IMAGE", proxy_image)


@pytest.fixture
def containers(engine, tmp_path, free_port, fake_image, proxied):
    """A place for containers of the fake service; nothing of it outlives the test."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    yield lambda sealed, **edge: Containers(
        engine, str(home), Edge(**{"port": free_port} | edge), 30, fake_image(sealed)
    )
    Containers(engine, str(home), Edge(free_port), 30).remove()


@pytest.fixture
def faked(tmp_path, monkeypatch):
    """A namespace of a cluster behind a fake kubectl; no way to a pod outlives the test."""
    made = Faked(tmp_path, monkeypatch)
    yield made
    made.place()._forwards.keep(set())
