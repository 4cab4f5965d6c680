"""A service whose bundle lies behind a link, as a cluster mounts it, and bundles to let the link name."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serve.bundles import version_of
from tests.serve.conftest import started
from tests.serve.test_workers import waited

both = pytest.mark.parametrize("mounted", [1, 2], indirect=True, ids=["one process", "two workers"])


@pytest.fixture(scope="session")
def bundles(chain, tmp_path_factory) -> Path:
    """A folder with good bundles: versions 1 and 2 of one contract, and version 3 that takes a column more."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(chain.root / "build/model", folder / "1")
    version_of(folder / "1", folder / "2", 2)
    version_of(folder / "1", folder / "3", 3, column="bonus")
    return folder


class Mounted:
    """A service of a bundle behind a link, as a cluster mounts it, and its log."""

    def __init__(self, url: str, process, link: Path, log: Path) -> None:
        self.url, self.process, self._link, self._log = url, process, link, log

    def point(self, bundle: Path) -> None:
        """Let the link name another bundle, in one step."""
        self._link.with_name("next").symlink_to(bundle)
        self._link.with_name("next").replace(self._link)

    def events(self, name: str) -> list[dict]:
        """The lines of a kind that the log has so far."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def reload(self, bundle: Path, told: str = "reloaded") -> dict:
        """Ask for a bundle; wait for the line that says how it ended, and return that."""
        before = len(self.events(told))
        self.point(bundle)
        self.process.send_signal(signal.SIGHUP)
        assert waited(lambda: len(self.events(told)) > before, 60), self._log.read_text()
        return self.events(told)[-1]

    def samples(self) -> dict[str, float]:
        """What /metrics tells."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


@pytest.fixture
def mounted(chain, bundles, tmp_path, request) -> Iterator[Mounted]:
    """The service of version 1, by as many workers as the test says."""
    link, log, ready = tmp_path / "bundle", tmp_path / "log", tmp_path / "ready"
    link.symlink_to(bundles / "1")
    settings = {"BUNDLE": str(link), "READY_FILE": str(ready), "WORKERS": str(getattr(request, "param", 1))}
    with started(chain.root, log, **settings) as (url, process):
        assert waited(ready.exists)
        yield Mounted(url, process, link, log)
