"""Calls of kubectl: JSON in, JSON out, and one sentence for whatever it could not do.

Reads KUBECONFIG, as kubectl does itself, and KUBE_CONTEXT, the context to use.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from validation.script import OutsideError, Refusal

Object = dict[str, Any]  # one of Kubernetes', as its API has it

ANSWER_SECONDS = 20  # for one request
CALL_SECONDS = 120.0  # for one call, however many requests
TRIES = 3  # of a cluster that does not answer; whatever is asked may be asked again
BACK_SECONDS = 90.0  # that a cluster which did answer is waited for: its API server restarts, or another one takes over
AWAY = re.compile(  # that of which a cluster recovers by itself, its webhooks included
    r"connection to the server|Unable to connect|dial tcp|connection (?:refused|reset)|lost connection|TLS handshake"
    r"|i/o timeout|no route to host|\bEOF\b|ServiceUnavailable|unable to handle the request|etcdserver"
    r"|request timed out|Client\.Timeout|server is shutting down|context deadline exceeded",
    re.IGNORECASE,
)
DENIED = re.compile(r"Unauthorized|must be logged in|cannot \w+ resource")  # also by one that starts, for a moment
MANAGER = "gatehouse"  # of the fields that we apply
SET_UP = (  # what is no failure of the cluster, and what to do about it
    (r"localhost:8080", "no cluster is named; set KUBECONFIG, and KUBE_CONTEXT where it has several"),
    (r'context "?([^" ]+)"? does not exist', "KUBECONFIG has no context {0}; see `kubectl config get-contexts`"),
    (r"(?:loading|reading) config|invalid configuration: (.*)", "KUBECONFIG cannot be read: {line}"),
    (
        r"exec: executable (\S+) not found",
        "KUBECONFIG has its credentials from the program {0}, which is not installed",
    ),
    (
        r"(?s)(?:admission webhook|ValidatingAdmissionPolicy) [\"']([^\"']+)[\"'].*? denied (?:the )?request:?(.*)",
        "a policy of the cluster ({0}) refuses it: {1}",
    ),
    (r"Unauthorized|must be logged in", "the cluster does not know the credentials in KUBECONFIG, or no longer does"),
    (
        r'namespaces "([^"]+)" not found',
        "namespace {0} does not exist; an administrator makes it by `kubectl apply -k` of a folder in infra/namespace",
    ),
    (r"exceeded quota: (.*)", "the namespace's quota is used up: {0}; ask for more, or make the overlay smaller"),
    (
        r"\(Forbidden\): (.*)|forbidden: (.*)",
        "the cluster does not allow it: {line}; infra/namespace has the rights that a deployment needs",
    ),
    (
        r'no matches for kind "(\w+)" in version "([^"]+)"',
        "the cluster knows no {0} of {1}: leave the component out, or install what brings it",
    ),
    (
        r'have a resource type "(\w+)" in group "([^"]+)"',
        "the cluster knows no {0} of {1}: leave it out of the overlay, or take a newer cluster",
    ),
    (r"\((?:Invalid|BadRequest)\): (.*)|strict decoding error: (.*)", "the cluster refuses the overlay: {line}"),
)


def program() -> str:
    """Return the path of kubectl: the first one in PATH, else the locked one beside this interpreter.

    Raises Refusal when there is none.
    """
    beside = Path(sys.executable).with_name("kubectl")
    found = shutil.which("kubectl") or (str(beside) if beside.is_file() else None)
    if found is None:
        raise Refusal("kubectl is not installed; `make setup` brings the locked one")
    return found


def render(folder: Path) -> str:
    """Render a kustomization as YAML, without a cluster. Raises Refusal when it is none."""
    done = subprocess.run([program(), "kustomize", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"{folder} does not render: {_line(done.stderr)}")
    return done.stdout


class Kubectl:
    """What we ask of one namespace of one cluster."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        context = os.environ.get("KUBE_CONTEXT", "")
        self._place = [f"--namespace={namespace}", *([f"--context={context}"] if context else [])]
        self._answered = False

    def command(self, *arguments: str) -> list[str]:
        """Return a command line for this namespace."""
        return [program(), *self._place, *arguments]

    def ask(self, what: str, *arguments: str, given: Any = None, again: bool = True) -> str:
        """Call kubectl, with JSON on its stdin where something is given, and return its stdout.

        It is asked `again`, twice where it fails, and for BACK_SECONDS where a cluster that had answered is away.
        Raises Refusal for what is set up wrongly, OutsideError when the cluster does not answer or fails.
        """
        command = self.command(f"--request-timeout={ANSWER_SECONDS}s", *arguments)
        tries = TRIES if again else 1
        text = None if given is None else json.dumps(given)
        end = time.monotonic() + BACK_SECONDS
        while True:
            try:
                done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=CALL_SECONDS)
            except subprocess.TimeoutExpired:
                raise OutsideError(f"the cluster could not {what}: no answer within {CALL_SECONDS:g} s") from None
            if done.returncode == 0:
                self._answered = True
                return done.stdout
            error, tries = failure(what, done.stderr), tries - 1
            lasts = isinstance(error, Refusal) and not (self._answered and DENIED.search(done.stderr))
            comes_back = again and self._answered and AWAY.search(done.stderr) and time.monotonic() < end
            if lasts or not (tries > 0 or comes_back):
                raise error
            time.sleep(1)

    def versions(self) -> set[str]:
        """Return the versions of APIs that the cluster serves, as v1 or apps/v1."""
        return set(self.ask("list the APIs that it serves", "api-versions").split())

    def find(self, kind: str, name: str) -> Object | None:
        """Return an object, None when there is none of this name."""
        text = self.ask(f"show {kind} {name}", "get", kind, name, "--ignore-not-found", "--output=json")
        return dict(json.loads(text)) if text.strip() else None

    def list(self, kinds: str, labels: str = "", *more: str) -> list[Object]:
        """Return the objects of some kinds, parted by commas, that bear these labels."""
        chosen = [f"--selector={labels}"] if labels else []
        return list(json.loads(self.ask(f"list {kinds}", "get", kinds, *chosen, *more, "--output=json"))["items"])

    def apply(self, objects: Sequence[Object], only_ask: bool = False, manager: str = MANAGER) -> None:
        """Bring objects about, the manager's fields that are no longer told removed; `only_ask`: would it be done."""
        dry = ["--dry-run=server"] if only_ask else []
        flags = ["--server-side", "--force-conflicts", f"--field-manager={manager}", "--output=name", *dry]
        self.ask(
            "take what the overlay says" if only_ask else "change to what the overlay says",
            "apply", "--filename=-", *flags,
            given={"apiVersion": "v1", "kind": "List", "items": list(objects)},
        )  # fmt: skip

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, and soon what belongs to it; pods drain first."""
        self.ask(f"delete {kind} {name}", "delete", kind, name, "--ignore-not-found", "--wait=false")


def failure(what: str, text: str) -> Refusal | OutsideError:
    """Make the one sentence of what kubectl says when it fails."""
    line = _line(text)
    for pattern, sentence in SET_UP:
        if found := re.search(pattern, text):
            told = [" ".join((group or "").split()).rstrip(".") for group in found.groups()]
            return Refusal(f"could not {what}: {sentence.format(*told, line=line)}")
    return OutsideError(f"the cluster could not {what}: {line}")


def _line(text: str) -> str:
    """Return the line of an error that says the most: the first one that is no warning."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = (
        [line for line in lines if not re.match(r"(Warning|W\d{4}|[EI]\d{4}) ?", line)] or lines or ["no reason given"]
    )
    return told[0].removeprefix("error: ").removeprefix("Error: ").rstrip(".")
