"""One container in the place of another one of the same name, which comes back where the new one does not come up."""

from collections.abc import Callable, Mapping

import httpx

from infra import contained, host, process
from infra.caddy import FOLDER, GATE, ROUTES
from infra.connection import Engine
from infra.host import Container
from validation.script import OutsideError, log
from validation.steps import step

START_SECONDS = 15.0


class Swapped:
    """The proxy's container of a `name` that answers at `url`, and the one that it replaces, put `aside` by another."""

    def __init__(self, engine: Engine, name: str, aside: str, url: str) -> None:
        self._engine, self._name, self._name_aside, self._url = engine, name, aside, url

    def find(self) -> Container | None:
        """Return the container, if there is one."""
        return self._called(self._name)

    def aside(self) -> Container | None:
        """Return the one that was put aside while another is tried in its place."""
        return self._called(self._name_aside)

    def replace(self, old: Container | None, make: Callable[[], Container], files: Mapping[str, str]) -> None:
        """Start a new one in the place of an old one, which comes back when that fails. Raises OutsideError."""
        kept: dict[str, str] = {}
        if old is not None:
            log("infra.proxy: the proxy is made anew, with another image or other ports; the port is closed meanwhile")
            kept = {name: host.take(old, f"{FOLDER}/{name}") for name in files}
        try:
            if old is not None:
                with host.asking(f"put {old.name} aside"):
                    old.stop(timeout=contained.DRAIN_SECONDS)
                    old.rename(self._name_aside)
            step("put aside")
            made = make()
            step("proxy made")
            self._start(made, files)
        except BaseException:
            found, aside = self.find(), self.aside()
            if found is not None and (old is None or found.id != old.id):
                contained.remove(found)
            if old is not None:
                log("infra.proxy: the new proxy does not start; the one before takes its place again")
                if aside is not None:
                    self._put_back(aside)
                self._start(old, {name: text for name, text in kept.items() if text})
            raise
        step("proxy started")
        contained.remove(self.aside())

    def answers(self) -> bool:
        """Whether it answers at all, if only by what it says while the service does not."""
        try:
            httpx.get(f"{self._url}/healthz", timeout=2, trust_env=False)
        except httpx.TimeoutException:
            return True  # it waits for the service
        except httpx.HTTPError:
            return False
        return True

    def heal(self) -> None:
        """End what a killed run left between an old one and a new one: the new one stays if it answers."""
        aside, found = self.aside(), self.find()
        if aside is None:
            return
        if found is not None and contained.running(found) and self.answers():
            contained.keep(self._engine, found)
            contained.remove(aside)
            return
        contained.remove(found)
        self._put_back(aside)

    def _put_back(self, aside: Container) -> None:
        with host.asking(f"put {aside.name} back"):
            aside.rename(self._name)

    def _called(self, name: str) -> Container | None:
        with host.asking("list containers"):
            found = self._engine.containers.list(all=True, filters={"name": f"^/?{name}$"}, ignore_removed=True)
        return next(iter(found), None)

    def _start(self, container: Container, files: Mapping[str, str]) -> None:
        host.put(container, GATE, files, ROUTES)
        with host.asking(f"start {self._name}"):
            container.start()
        if not process.wait(lambda: self.answers() or contained.ended(container) is not None, START_SECONDS):
            why: str | None = f"it does not answer at {self._url} within {START_SECONDS:g} s"
        else:
            why = contained.ended(container)
        if why is not None:
            said = " ".join(contained.tail(container, 1))
            raise OutsideError(f"the proxy {self._name} does not start: {why}: {said}")
        contained.keep(self._engine, container)  # now that it has come up once
