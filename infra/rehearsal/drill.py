"""The rollback drill: a release that is broken on purpose comes to the cluster while users ask the one that serves.

By the same state machine as any other, and with no line in the ledger: it has to be undone, and nobody may notice.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra import machine, trial
from infra.bundle import Bundle
from infra.cluster import Cluster
from infra.kube import pods
from infra.kube.forwards import Forwards
from infra.kube.kubectl import Kubectl
from infra.kube.track import Track
from infra.place import RECORD
from infra.rehearsal.users import ENOUGH, Users
from serve.bundle import read_json
from validation import contract
from validation.script import ROOT, OutsideError, log

DRILLS = {  # what is broken, and the overlay that breaks it
    "a release that refuses to start": ROOT / "infra/overlays/drill/refuses",
    "a release that its memory limit kills": ROOT / "infra/overlays/drill/memory",
}
HEAD = (
    "fault injected",
    "what happened",
    "requests answered",
    "failed",
    "seconds until the old version alone serves",
)


@dataclass(frozen=True)
class Drilled:
    """What one broken release did; `problem` is a sentence for what must not be, empty where all went well."""

    fault: str
    happened: str
    answers: int
    failed: int
    seconds: float
    problem: str


def drill(fault: str, overlay: Path, sealed: Bundle, image: str, folder: Path) -> Drilled:
    """Bring the broken release of an overlay, made of the bundle that serves, and say what came of it.

    Raises OutsideError or Refusal when the cluster, and not the release, fails.
    """
    log(f"infra.rehearse: drill: {fault}")
    home = folder / "drill"
    home.mkdir(parents=True, exist_ok=True)
    (home / RECORD).unlink(missing_ok=True)  # of one that was not undone
    config = contract.load()
    place = Cluster(overlay, home, config.service.ready_seconds, config.model.name, image)
    asked = Kubectl(place.overlay.namespace)
    stable = Track(asked, place.overlay.name, "stable")
    ways = Forwards(asked, folder / "users")
    before = stable.ready()
    if not before:
        raise OutsideError("no pod of the deployment is ready, so there is nothing to drill with")
    row = read_json(sealed.folder / "model/golden.json")["rows"][0]
    users = Users([ways.to(pod) for pod in before], row)
    try:
        began = time.monotonic()
        happened, undone = _bring(place, sealed, home)
        seconds = time.monotonic() - began
        enough = users.enough()
    finally:
        users.leave()
    problem = _problem(undone, enough, users, _changed(stable, before, ways, sealed))
    ways.keep(set())
    failed = sum(users.failures.values())
    return Drilled(fault, happened, users.answers, failed, seconds, problem)


def drills(faults: Mapping[str, Path], sealed: Bundle, image: str, folder: Path) -> list[Drilled]:
    """Drill by each overlay until something is as it must not be."""
    drilled: list[Drilled] = []
    for fault, overlay in faults.items():
        if not any(one.problem for one in drilled):
            drilled.append(drill(fault, overlay, sealed, image, folder))
    return drilled


def table(drilled: Iterable[Drilled]) -> str:
    """Show what was drilled as Markdown."""
    rows = [(one.fault, one.happened, f"{one.answers:,}", str(one.failed), f"{one.seconds:.1f}") for one in drilled]
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ("---",) * len(HEAD), *rows))


def _bring(place: Cluster, sealed: Bundle, home: Path) -> tuple[str, bool]:
    """Bring it, and say in words what came of it, and whether it was undone."""
    try:
        machine.bring(place, sealed, home, trial.of_known())
    except machine.CandidateError as error:
        return f"undone: {str(error).replace('|', '/')}", True  # it stands in a table
    return "not undone: it serves", False


def _changed(stable: Track, before: list[str], ways: Forwards, sealed: Bundle) -> str:
    """Say what is otherwise than before the drill, if anything is."""
    found = stable.pods()
    if not set(before) <= {str(one["metadata"]["name"]) for one in found if pods.ready(one)}:
        return "other pods serve than before"
    if any(map(pods.started_again, found)):
        return "a pod that served was started again"
    if any(machine.serving(ways.to(pod)) != sealed.digest for pod in before):
        return "another bundle serves than before"
    return ""


def _problem(undone: bool, enough: bool, users: Users, changed: str) -> str:
    if not undone:
        return "the broken release was not undone"
    if users.failures:
        (said, _), *_ = users.failures.most_common()
        return f"{sum(users.failures.values())} requests to the old version failed, most of them by: {said}"
    if not enough:
        return f"the old version gave {users.answers} answers, and {ENOUGH} were waited for"
    return changed
