"""The lock of an environment that others deploy to as well: a lease, which a deployment's intent carries in the ledger.

The earliest intent whose lease runs has staging or production alone, until a line ends it. It is waited for before
anything there is touched; between two that come at once, the order of their lines on the registry's branch decides. A
lease ends by itself at the time that it names, and before that where its run is known to be over: the platform says so,
or it had the home of this very deployment, where only one is at a time.
"""

import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from infra.target import PRODUCTION, STAGING
from infra.trial import Trial
from train.travel import book, history, ledger
from train.travel.ledger import Line
from validation.contract import Deploy
from validation.script import OutsideError, Refusal, log, writing

SHARED = (STAGING, PRODUCTION)  # every other environment is this machine's own
HOLDER = "holder"  # the file in a home that names whoever deploys from there
SPARE_SECONDS = 300.0  # for pulls, starts and rollouts
SWITCH_SECONDS = 180.0  # of them left, or nothing is switched any more
LONGEST = timedelta(hours=2)  # after which no line holds anything, whatever it says
POLL_SECONDS = 10.0
TURNS = 5
BREAK = "go on while another deployment holds the environment: it is known to be dead"

Result = TypeVar("Result")


class LostError(OutsideError):
    """Another deployment's intent came first; nothing of this one was started."""


@dataclass(frozen=True)
class Lease:
    """A deployment's hold on an environment, by its home here; `save` lays the lines here and on the branch together.

    It holds nothing where the environment is this machine's own.
    """

    environment: str
    home: Path
    save: Callable[[], None]

    def wait(self, broken: bool = False) -> None:
        """Wait until no other deployment holds the environment, or go on whoever does, where it is to be `broken`.

        Raises what `save` raises.
        """
        if self.environment not in SHARED:
            return
        told = ""
        while True:
            self.save()
            held = [line for line in self._open() if not self._is_over(line)]
            if not held:
                return
            if broken:
                log(f"infra.deploy: the lease of {_named(held[0])} is broken")
                return
            if held[0].id != told:
                log(
                    f"infra.deploy: {self.environment} is held by {_named(held[0])} until"
                    f" {_end_of(held[0]):%H:%M} UTC at most; waiting for its end (--break-lease goes on at once, where"
                    " it is known to be dead)"
                )
            told = held[0].id
            pause()

    def facts(self, deploy: Deploy, ready_seconds: float, trial: Trial) -> dict[str, Any]:
        """Return what an intent says of it: until when, of which home, of which attempt of a run; else nothing."""
        if self.environment not in SHARED:
            return {}
        baking = deploy.bake_seconds + deploy.replay_seconds if trial.bake else 0.0
        seconds = 4 * ready_seconds + baking + SPARE_SECONDS + SWITCH_SECONDS
        until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
        return {"lease": {"until": until, "holder": self._holder(), "attempt": _attempt()}}

    def must_be_first(self, intent: Line) -> None:
        """Raise LostError when an earlier intent than this one, which is saved, holds the environment."""
        if self.environment not in SHARED:
            return
        for line in self._open():
            if line.id == intent.id:
                return
            if not self._is_over(line):
                raise LostError(f"{_named(line)} came first; nothing was started, run it again when that has ended")

    def must_last(self, intent: Line) -> None:
        """Raise OutsideError unless there is time left to switch; another deployment may be under way after it."""
        if "lease" in intent.facts and datetime.now(UTC) + timedelta(seconds=SWITCH_SECONDS) > _end_of(intent):
            raise OutsideError(
                f"it took so long that its lease of {self.environment} ends at {_end_of(intent):%H:%M} UTC: nothing is"
                " switched any more; deploy again"
            )

    def _open(self) -> list[Line]:
        return history.left_open(book.lines(), self.environment)

    def _holder(self) -> str:
        path = self.home / HOLDER
        if not path.is_file():
            with writing(path) as file:
                file.write(secrets.token_hex(8))
        return path.read_text(encoding="utf-8")

    def _is_over(self, line: Line) -> bool:
        lease = line.facts.get("lease")
        if lease is None or lease["holder"] == self._holder() or _end_of(line) <= datetime.now(UTC):
            return True
        return bool(line.run_url) and _run_is_over(line.run_url, int(lease["attempt"]))


def in_turn(deploy: Callable[[], Result]) -> Result:
    """Deploy, anew from the plan where another one came first. Raises what `deploy` raises."""
    for _ in range(TURNS - 1):
        try:
            return deploy()
        except LostError as lost:
            log(f"infra.deploy: {lost}; beginning anew")
    return deploy()


def pause() -> None:
    """Wait a little before the branch is read again."""
    time.sleep(POLL_SECONDS)


def _attempt() -> int:
    told = os.environ.get("GITHUB_RUN_ATTEMPT", "")
    return int(told) if told.isdecimal() else 1


def _end_of(line: Line) -> datetime:
    return min(datetime.fromisoformat(line.facts["lease"]["until"]), datetime.fromisoformat(line.time) + LONGEST)


def _named(line: Line) -> str:
    where = f", {line.run_url}" if line.run_url else ""
    return f"the {line.event} of line {line.number} ({line.actor}, begun {line.time[11:16]} UTC{where})"


def _run_is_over(url: str, attempt: int) -> bool:
    """Whether an attempt of a run is known to be over; a run that cannot be asked for is not.

    On a laptop it is asked for by the token that `gh` is logged in with.
    """
    if url == ledger.run_url() and attempt < _attempt():
        return True
    from infra.checkup import here
    from infra.forge import Forge

    try:
        forge = Forge(os.environ.get("GITHUB_REPOSITORY", "").strip() or here.remote(), here.token())
        found = re.fullmatch(rf".*/{re.escape(forge.repository)}/actions/runs/(\d+)", url)
        status, told = forge.look(f"/repos/{forge.repository}/actions/runs/{found[1]}") if found else (0, None)
    except (OutsideError, Refusal):
        return False
    if status != 200 or not isinstance(told, dict):
        return False
    return told.get("status") == "completed" or int(told.get("run_attempt") or 0) > attempt
