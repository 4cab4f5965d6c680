"""A machine without a container engine as a place to deploy to: one supervised process (see infra/supervisor.py)."""

import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra import process, supervisor, told
from infra.baking.sides import Metrics
from infra.bundle import Bundle
from validation.script import ROOT, OutsideError, Refusal, log, to_json, writing

SERVICE = (sys.executable, "-m", "serve.app")
PATIENCE = 10.0  # seconds for a process that was told to end, on top of what the service may take to drain


class Supervised:
    """Serve a bundle on 127.0.0.1:`port`; what belongs to it lies in `folder`."""

    def __init__(self, folder: Path, port: int, ready_seconds: float, command: Sequence[str] = SERVICE) -> None:
        self.folder = folder
        self.port = port
        self.ready_seconds = ready_seconds
        self.command = command
        self.url = self.address = f"http://127.0.0.1:{port}"
        self.image = ""  # it needs none
        self.name = "process"
        self.ledger = ""  # the head of the branch's ledger when this deployment began; a process bears no label
        self._leash = folder / "supervisor.leash"
        self._candidate = folder / "candidate.leash"
        self._trial: subprocess.Popen[bytes] | None = None
        self._before: str | None = None  # folder of the bundle that served when `settle` looked
        self._told: dict[str, str] = {}  # and what it was told of the environment

    @property
    def stable(self) -> str:
        """Where the live one answers, which is where everybody asks; empty where none is."""
        return self.url if self.is_up() else ""

    def settle(self) -> None:
        """Repair what a killed run or a killed supervisor left: no stray candidate, and no switch that is to come.

        Raises Refusal when the port belongs to somebody else.
        """
        process.stop(self._candidate, PATIENCE)
        slowest = float(self._wished().get("ready_seconds", supervisor.DRAIN_SECONDS))
        if not process.wait(lambda: not (self.is_up() and self._waits()), slowest + PATIENCE):
            raise OutsideError(f"the supervisor does not answer; see {self.folder / 'supervisor.log'}")
        state = process.read(self.folder / "state.json")
        if self.is_up():
            if state["port"] != self.port:
                raise Refusal(
                    f"the service runs on port {state['port']}, not {self.port}; take it down first"
                    " (`python -m infra.deploy --environment local --remove`)"
                )
            self._before = state["bundle"]
            self._told = self._served().get("environment", told.handed(os.environ))
            return
        self._stop_orphans()
        process.listen(self.port).close()  # said before anything is started
        if state.get("bundle") and Path(state["bundle"]).is_dir():
            log("infra.deploy: the supervisor was killed; the old service is started again first")
            self._told = self._served().get("environment", told.handed(os.environ))
            if why := self._wish(Path(state["bundle"]), self._told):
                log(f"infra.deploy: the old service does not start: {why}")
            else:
                self._before = state["bundle"]

    def is_up(self) -> bool:
        """Whether something of ours serves now."""
        return process.alive(self._leash) is not None

    def prefer(self, image: str) -> None:
        """Serve without an image, as always."""

    def live_image(self) -> str:
        """Return what a process has instead of an image: nothing."""
        return ""

    def as_told(self) -> bool:
        """Whether what serves was told what it would be told now."""
        return bool(self._served().get("environment") == told.handed(os.environ))

    def start_candidate(self, bundle: Bundle) -> str:
        """Start a bundle beside the old one, on a port of its own, and return its URL."""
        with process.listen(0) as listener:
            self._trial = process.start(
                self._candidate,
                self.command,
                env={**os.environ, "BUNDLE": str(bundle.folder)},
                cwd=ROOT,
                output=self._fresh(self.folder / "candidate.log"),
                listener=listener,
            )
            return f"http://127.0.0.1:{process.port_of(listener)}"

    def share(self, part: float) -> Metrics | None:  # noqa: ARG002  what other places take
        """Hand nothing to the candidate: its supervisor lets one process answer, and hands over at once."""
        return None

    def candidate_ended(self) -> str | None:
        """Say how the candidate ended, or None while it runs."""
        code = self._trial.poll() if self._trial else None
        return None if code is None else f"it ended with exit code {code}"

    def candidate_log(self) -> list[str]:
        """Return the last lines of the candidate's log."""
        return process.tail(self.folder / "candidate.log")

    def remove_candidate(self) -> None:
        """End the candidate, if there is one."""
        process.stop(self._candidate, PATIENCE)

    def switch(self, bundle: Bundle) -> str | None:
        """Let the bundle take over the port without losing a request; return why not if it could not."""
        return self._wish(bundle.folder, told.handed(os.environ))  # with which the candidate was proven

    def switch_back(self) -> None:
        """Serve what was served when `settle` looked, or nothing when there was nothing."""
        if self._before is None:
            self._take_down()
        elif self._waits() or self._served() != {"bundle": self._before, "environment": self._told}:
            self._wish(Path(self._before), self._told)

    def remove(self) -> bool:
        """Take everything down; return whether there was anything."""
        was_up = self.is_up()
        process.stop(self._candidate, PATIENCE)
        self._take_down()
        self._stop_orphans()
        for name in ("state.json", "wish.json", supervisor.SERVED):
            (self.folder / name).unlink(missing_ok=True)
        return was_up

    def _wish(self, folder: Path, environment: dict[str, str]) -> str | None:
        """Ask the supervisor (started if need be) for a bundle; return why it does not serve it, or None."""
        if self.is_up() and not self._served():
            log("infra.deploy: the supervisor is of a version that hands no environment over; it is started anew")
            self._take_down()
        name = uuid.uuid4().hex
        wish = {"id": name, "bundle": str(folder), "ready_seconds": self.ready_seconds, "environment": environment}
        with writing(self.folder / "wish.json", mode=0o600) as file:  # there are secrets in it
            file.write(to_json(wish))
        if not self.is_up():
            self._start_supervisor()
        answer: dict[str, str | None] = {}

        def answered() -> bool:
            answer.update(process.read(self.folder / "state.json").get("answer", {}))
            return answer.get("id") == name or not self.is_up()

        process.wait(answered, self.ready_seconds + PATIENCE)
        if answer.get("id") != name:
            return "the supervisor gave no answer; see supervisor.log beside service.log"
        return answer.get("why")

    def _wished(self) -> dict[str, Any]:
        return process.read(self.folder / "wish.json")

    def _waits(self) -> bool:
        """Whether the last wish is yet to be answered: the supervisor goes on with it, whatever became of the asker."""
        state, wish = process.read(self.folder / "state.json"), self._wished()
        return "port" not in state or bool(wish and wish["id"] != state.get("answer", {}).get("id"))

    def _served(self) -> dict[str, Any]:
        return process.read(self.folder / supervisor.SERVED)

    def _start_supervisor(self) -> None:
        with process.listen(self.port) as listener:
            process.start(
                self._leash,
                [sys.executable, "-m", "infra.supervisor", "--folder", str(self.folder), "--", *self.command],
                env=os.environ,
                cwd=ROOT,
                output=self._fresh(self.folder / "supervisor.log"),
                listener=listener,
            )

    def _take_down(self) -> None:
        if self.is_up():
            with writing(self.folder / "wish.json") as file:
                file.write(to_json({"id": uuid.uuid4().hex, "bundle": None}))
            process.wait(lambda: not self.is_up(), supervisor.DRAIN_SECONDS + PATIENCE)
        process.stop(self._leash, PATIENCE)

    def _stop_orphans(self) -> None:
        """End services whose supervisor was killed: they still hold the port."""
        for leash in self.folder.glob("service-*.leash"):
            process.stop(leash, PATIENCE)

    def _fresh(self, path: Path) -> Path:
        path.unlink(missing_ok=True)
        return path
