"""Ways to single pods, by `kubectl port-forward`: past every edge and Service, on 127.0.0.1 of this machine.

A killed deployment leaves its forwards running, so each is on a leash that the next one finds (see infra/process.py).
kubectl ends one when nobody listens in the pod, as at its start; it is opened anew then, at the same address. One whose
connection to the cluster has died without a word stays, and nothing comes back on it.
"""

import atexit
import os
import subprocess
import time
from pathlib import Path

import httpx

from infra import process
from infra.kube import kubectl
from infra.kube.kubectl import Kubectl
from serve.smoke import credential
from validation.script import ROOT, OutsideError, Refusal, log

INSIDE = 8000  # the port of the service within its pod, see serve/Dockerfile
TRIES = 3  # of a pod that does not let it
SECONDS = 20.0  # until a way is open
PATIENCE = 5.0  # for a process that was told to end
READ_SECONDS = 5.0  # for one answer
PROBE_SECONDS = 2.0  # for one that takes no work
OPEN = "Forwarding from"  # what kubectl says once it listens


class Forwards:
    """The open ways; their leashes and logs lie in `folder`."""

    def __init__(self, asked: Kubectl, folder: Path) -> None:
        self._kubectl, self._folder = asked, folder
        atexit.register(self.keep, set())
        self._ports: dict[str, int] = {}
        self._opened: set[str] = set()

    def address(self, pod: str) -> str:
        """Return the address that answers for a pod as long as the way is open."""
        if pod not in self._ports:
            with process.listen(0) as listener:
                self._ports[pod] = process.port_of(listener)
        return f"http://127.0.0.1:{self._ports[pod]}"

    def to(self, pod: str) -> str:
        """Return the address that answers for a pod, the way to it opened if need be. Raises OutsideError."""
        address, leash = self.address(pod), self._leash(pod)
        if pod not in self._opened or process.alive(leash) is None:
            self._close(leash)  # one that somebody else opened leads to an address that nobody here knows
            self._open(pod, leash)
        return address

    def sound(self, pod: str) -> str:
        """Return the address that answers for a pod that is ready; a way on which nothing comes back is opened anew."""
        address = self.to(pod)
        try:
            httpx.get(f"{address}/readyz", timeout=PROBE_SECONDS, trust_env=False)
        except httpx.TransportError:
            self._close(self._leash(pod))
            return self.to(pod)
        return address

    def read(self, pod: str, path: str) -> str:
        """Return what a pod answers to GET; where nothing comes back, the next one has a new way.

        Raises httpx.HTTPError, or Refusal when it wants another credential.
        """
        try:
            answer = httpx.get(self.to(pod) + path, headers=credential(), timeout=READ_SECONDS, trust_env=False)
        except httpx.TransportError:
            self._close(self._leash(pod))
            raise
        if answer.status_code in (401, 403):
            raise Refusal(f"{path} of pod {pod} answers {answer.status_code}: SERVICE_KEY needs a key for that")
        return answer.raise_for_status().text

    def troubles(self, pod: str) -> list[str]:
        """Return the last thing that went wrong on the way to a pod, as kubectl tells it; empty where nothing did."""
        told = process.tail(self._leash(pod).with_suffix(".log"), 1000)
        return [line for line in told if "error forwarding" in line][-1:]

    def keep(self, pods: set[str]) -> None:
        """End the ways to all other pods, those of a killed run as well."""
        kept = {self._leash(pod) for pod in pods}
        for leash in self._folder.glob("forward-*.leash"):
            if leash not in kept:
                self._close(leash)
        self._ports = {pod: port for pod, port in self._ports.items() if pod in pods}

    def _open(self, pod: str, leash: Path) -> None:
        output = leash.with_suffix(".log")
        ways = f"{self._ports[pod]}:{INSIDE}"
        command = self._kubectl.command("port-forward", f"pod/{pod}", ways, "--address=127.0.0.1")
        for left in reversed(range(TRIES)):
            started = process.start(leash, command, env=os.environ, cwd=ROOT, output=output, listener=None)

            def settled(started: subprocess.Popen[bytes] = started) -> bool:
                return started.poll() is not None or any(OPEN in line for line in process.tail(output))

            process.wait(settled, SECONDS)
            if started.poll() is None:
                self._opened.add(pod)
                return
            error = kubectl.failure(f"open a way to pod {pod}", "\n".join(process.tail(output)))
            if not left or isinstance(error, Refusal):
                raise error
            time.sleep(1)

    def _close(self, leash: Path) -> None:
        try:
            process.stop(leash, PATIENCE)
        except OutsideError as error:  # it is in nobody's way, and ends with its pod
            log(f"infra.deploy: {error}")
            leash.unlink(missing_ok=True)
        leash.with_suffix(".log").unlink(missing_ok=True)

    def _leash(self, pod: str) -> Path:
        return self._folder / f"forward-{pod}.leash"
