"""Keep the service of this machine running where no container engine does it; `infra.deploy` starts it, no step does.

It holds the listening socket, so the port never closes: it restarts the service when it dies, and changes to another
bundle by starting the new process on the same socket, waiting until it is ready, and only then letting the old one
drain. A bundle that does not become ready is given up; the old one goes on serving.

Reads   LISTEN_FD (number of the inherited socket); FOLDER/wish.json, what shall be served, for its owner alone to read:
        {"id", "bundle", "ready_seconds", "environment"}, or "bundle": null to end
Prints  nothing; FOLDER/state.json says what is, FOLDER/served.json what was ready last and with which environment, for
        its owner alone, FOLDER/service.log what it did
Exits   0 taken down, 2 used wrongly
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra import child as children
from infra import process
from infra.child import Child
from validation.script import YES, Refusal, door, log, parser, to_json, writing

DRAIN_SECONDS = 30.0  # for requests under way; then the process is killed
SERVED = "served.json"
LOGS = "service.log", "supervisor.log"
LOG_BYTES = 10 * 2**20  # of each, and as many of the one before; a container's logs have such a bound too
SLOWEST_RESTART = 10.0  # seconds between two tries of a service that dies at once; the first comes after 0.1


class Supervisor:
    """Bring about the wish: at most one process serves, one comes up, and some drain."""

    def __init__(self, folder: Path, listener: socket.socket, command: Sequence[str]) -> None:
        self.folder = folder
        self.listener = listener
        self.command = command
        self.serving: Child | None = None
        self.coming: Child | None = None
        self.leaving: list[Child] = []
        self.answer: dict[str, Any] = {}  # to the last wish
        self.wished = ""
        self.restarts = self.count = 0
        self.pause = 0.1
        self.again_at = 0.0
        self.told: dict[str, Any] = {}

    def run(self) -> None:
        """Work until a wish or a signal says to end; the service has drained when this returns."""
        ended = False

        def end(*_: object) -> None:
            nonlocal ended
            ended = True

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        while not ended and self.folder.is_dir():  # `rm -rf build` takes it down as well: nobody could reach it again
            with contextlib.suppress(OSError):  # a full disk stops no service; what failed is tried again
                ended = self._step() or ended
            time.sleep(process.TICK)
        for child in (self.coming, self.serving):
            self._dismiss(child)
        self.serving = self.coming = None
        while self.leaving:
            self._look_at_leaving()
            time.sleep(process.TICK)
        for name in ("state.json", SERVED):
            (self.folder / name).unlink(missing_ok=True)
        log("supervisor: the service is taken down")

    def _step(self) -> bool:
        """Go one step towards the wish; return whether it is to end."""
        wish = process.read(self.folder / "wish.json")
        if wish and wish["id"] != self.wished:
            self.wished = wish["id"]
            if wish["bundle"] is None:
                return True
            self._dismiss(self.coming)
            self.coming = None
            try:
                self.coming = self._start(wish)
            except OSError as error:
                self.answer = {"id": wish["id"], "why": f"it could not be started: {error.strerror or error}"}
        self._look_at_coming()
        self._look_at_serving()
        self._look_at_leaving()
        self._tell()
        for name in LOGS:
            process.cut(self.folder / name, LOG_BYTES)
        return False

    def _start(self, wish: dict[str, Any]) -> Child:
        self.count += 1
        return children.start(self.folder, f"{os.getpid()}-{self.count}", self.command, wish, self.listener)

    def _look_at_coming(self) -> None:
        child = self.coming
        if child is None:
            return
        if child.popen.poll() is not None:
            self._give_up(child, f"it ended with exit code {child.popen.returncode} before it was ready")
        elif child.ready_file.exists():
            with writing(self.folder / SERVED, mode=0o600) as file:  # first: where it fails, all of this comes again
                file.write(to_json({name: child.wish[name] for name in ("bundle", "environment")}))
            self._dismiss(self.serving)  # from here on only the new one takes connections off the socket
            self.serving, self.coming = child, None
            self.pause, self.again_at = 0.1, 0.0
            self.answer = {"id": child.wish["id"], "why": None}
            log(f"supervisor: {child.wish['bundle']} serves")
        elif time.monotonic() > child.deadline:
            self._give_up(child, f"it was not ready within {child.wish['ready_seconds']:g} s")

    def _give_up(self, child: Child, why: str) -> None:
        self._dismiss(child)
        self.coming = None
        self.answer = {"id": child.wish["id"], "why": why}
        log(f"supervisor: {why}")

    def _look_at_serving(self) -> None:
        child = self.serving
        if child is None or child.popen.poll() is None:
            return
        now = time.monotonic()
        if not self.again_at:
            if now - child.started > SLOWEST_RESTART:
                self.pause = 0.1  # it had worked: no reason to wait
            self.again_at = now + self.pause
            self.pause = min(2 * self.pause, SLOWEST_RESTART)
            log(f"supervisor: the service ended by itself (exit code {child.popen.returncode}); it is started again")
        elif now >= self.again_at:
            self.again_at = 0.0
            child.forget()
            self.serving = self._start(child.wish)
            self.restarts += 1

    def _look_at_leaving(self) -> None:
        for child in list(self.leaving):
            if child.popen.poll() is not None:
                child.forget()
                self.leaving.remove(child)
            elif time.monotonic() > child.deadline:
                process.send(-child.popen.pid, signal.SIGKILL)

    def _dismiss(self, child: Child | None) -> None:
        if child is not None:
            child.popen.send_signal(signal.SIGTERM)  # nothing happens when it has ended
            child.deadline = time.monotonic() + DRAIN_SECONDS
            self.leaving.append(child)

    def _tell(self) -> None:
        state = {
            "pid": os.getpid(),
            "port": process.port_of(self.listener),
            "bundle": self.serving.wish["bundle"] if self.serving else None,
            "service_pid": self.serving.popen.pid if self.serving else None,
            "restarts": self.restarts,
            "answer": self.answer,
        }
        if state != self.told:
            with writing(self.folder / "state.json") as file:
                file.write(to_json(state))
            self.told = state


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Supervise the command until it is taken down."""
    arguments = parser(__doc__)
    arguments.add_argument("--folder", type=Path, required=True, help="where state, wish and log are")
    arguments.add_argument("command", nargs="+", help="the service, after `--`")
    given = arguments.parse_args(argv)
    number = os.environ.pop("LISTEN_FD", "")
    if not number.isdigit():
        raise Refusal("LISTEN_FD is not set: `python -m infra.deploy --environment local` starts the supervisor")
    Supervisor(given.folder, socket.socket(fileno=int(number)), given.command).run()
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
