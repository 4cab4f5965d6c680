"""The tests of a real cluster: skipped, aloud, where none is named; the figures they found are shown at the end."""

import os
import time

import pytest

from infra import bundle, machine, process
from infra.trial import Trial
from serve import smoke
from serve.bundle import seal
from tests.infra.cluster import real

FIGURES = pytest.StashKey[list]()
STABLE = [("stable", "1")] * 2


def pytest_terminal_summary(terminalreporter, config):
    """Show a table of what was seen."""
    rows = config.stash.get(FIGURES, [])
    if rows:
        head = ("what was done", "what happened", "answers", "failed", "seconds")
        terminalreporter.section("under load")
        for row in (head, ("---",) * len(head), *rows):
            terminalreporter.write_line(f"| {' | '.join(map(str, row))} |")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster that the environment names, with a namespace laid down; it is taken down at the end."""
    for name in ("KUBECONFIG", "CLUSTER_REGISTRY", "CLUSTER_ENGINE"):
        if not os.environ.get(name):
            pytest.skip(f"no cluster is named ({name} is not set); `make test-cluster` builds one")
    made = real.Real(tmp_path_factory.mktemp("cluster"))
    made.deployer = made.lay_down()
    yield made
    made.place()._forwards.keep(set())
    made.ask("delete", "namespace", real.SPACE)


@pytest.fixture
def deployed(cluster, make_real_bundle, monkeypatch, request):
    """Deploy as whoever may deploy, with the service's key; version 1 is live when a test begins."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.deployer))
    monkeypatch.setenv("SERVICE_KEY", real.KEY)

    class Deployed:
        home = cluster.folder / "home"
        trial = Trial(smoke.replay, None)

        @staticmethod
        def bundle(version):
            return make_real_bundle(version)

        @staticmethod
        def bring(sealed, *changes, ready_seconds=30.0, trial=trial):
            """Bring a bundle to the cluster; `changes` are lines of a Dockerfile that make its image a bad one."""
            place = cluster.place(cluster.publish(sealed, *changes), ready_seconds)
            return machine.bring(place, sealed, Deployed.home, trial)

        @staticmethod
        def faulty(version, fault):
            """Make a bundle whose service misbehaves, in an image with FAULTY."""
            sealed = make_real_bundle(version)
            (sealed.folder / "fault").write_text(fault)
            seal(sealed.folder)
            return bundle.read(sealed.folder)

        @staticmethod
        def figure(done, happened, answers, failures, seconds):
            """Keep a row of the table."""
            rows = request.config.stash.setdefault(FIGURES, [])
            told = ", ".join(f"{count} of version {version}" for version, count in sorted(answers.items()))
            rows.append((done, happened, told, sum(failures.values()), f"{seconds:.1f}"))

    one = make_real_bundle(1)
    if cluster.pods() != STABLE:
        Deployed.bring(one)
        assert process.wait(lambda: cluster.pods() == STABLE, 60)  # the second pod is the autoscaler's to start
    Deployed.one = one
    return Deployed


@pytest.fixture
def clock():
    """Say how long something took."""

    class Clock:
        def __enter__(self):
            self.began = time.monotonic()
            return self

        def __exit__(self, *_):
            self.seconds = time.monotonic() - self.began

    return Clock
