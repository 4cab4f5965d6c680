"""The ledger: what happened to the model, line by line, each line sealed by the hash of the one before (stdlib only).

A line is one JSON object: `number` from 1, `id`, `time` (UTC), `event`, `actor`, `commit`, `run_url`, `reason`, `facts`
(what the event is about), `previous` (the hash of the line before; 64 zeros in the first) and `hash`, the SHA-256 of
all the rest. Lines are only ever added. A line that was edited, dropped or moved breaks the chain, and is named.
"""

import dataclasses
import getpass
import hashlib
import json
import os
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from validation.script import ROOT, Refusal, writing

NAME = "ledger.jsonl"
START = "0" * 64  # what the first line follows
UNKNOWN = "unknown"  # who acts, or which commit, where neither the platform nor git says
REGISTRATION, VERDICTS, WAIVER, PROMOTION = "registration", "verdicts", "waiver", "promotion"
PUBLICATION = "publication"
DEPLOYMENT, ROLLBACK, RELEASE = "deployment", "rollback", "release"
BEGINNING, COMPACTION, MIGRATION = "beginning", "compaction", "migration"
EVENTS = {
    BEGINNING, REGISTRATION, VERDICTS, WAIVER, PUBLICATION, PROMOTION, DEPLOYMENT, ROLLBACK, RELEASE, COMPACTION,
    MIGRATION,
}  # fmt: skip


class LedgerError(Refusal):
    """A ledger is not as it was written: one sentence that names the first bad line."""


@dataclass(frozen=True)
class Line:
    """One event: who did what, when, by which commit and run, and why."""

    number: int
    id: str
    time: str
    event: str
    actor: str
    commit: str
    run_url: str
    reason: str
    facts: Mapping[str, Any]
    previous: str
    hash: str = ""

    def sealed(self) -> "Line":
        """Return the line with its hash."""
        return dataclasses.replace(self, hash=_hash(self))

    def text(self) -> str:
        """Write the line as one line of JSON."""
        return _canonical(vars(self))


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _hash(line: Line) -> str:
    content = {name: value for name, value in vars(line).items() if name != "hash"}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def actor() -> str:
    """Name who acts: the platform's actor, or the user of this machine."""
    try:
        return os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return UNKNOWN


def commit() -> str:
    """Return the commit of the working tree, with `-dirty` when files differ from it; `unknown` outside git."""
    if os.environ.get("GITHUB_SHA"):
        return os.environ["GITHUB_SHA"]
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return told.stdout.strip()


def run_url() -> str:
    """Return the address of the platform's run; empty on a laptop."""
    parts = [os.environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""


def now() -> str:
    """Return the time as a ledger has it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read(path: Path) -> list[Line]:
    """Read a ledger and check its chain; a ledger that is not there has no line yet.

    Raises LedgerError that names the first bad line.
    """
    return parse(path.read_bytes(), path.name) if path.is_file() else []


def parse(content: bytes, name: str = NAME) -> list[Line]:
    """Read the lines of a ledger and check their chain; raises LedgerError that names the first bad one."""
    return list(_checked(content, name))


@lru_cache(maxsize=4)  # a save reads the same bytes up to five times, and a thousand versions are 3,000 lines
def _checked(content: bytes, name: str) -> tuple[Line, ...]:
    lines: list[Line] = []
    for number, raw in enumerate(content.split(b"\n")[:-1], 1):
        line = _line(raw, f"{name}, line {number}")
        if line.number != number:
            raise LedgerError(f"{name}, line {number} calls itself line {line.number}: lines were dropped or moved")
        if line.previous != (lines[-1].hash if lines else START):
            raise LedgerError(f"{name}, line {number} does not follow line {number - 1}: a line was replaced")
        lines.append(line)
    if not content.endswith(b"\n") and content:
        raise LedgerError(f"{name}, line {len(lines) + 1} is cut off")
    return tuple(lines)


def _line(raw: bytes, where: str) -> Line:
    try:
        line = Line(**json.loads(raw))
        known = line.event in EVENTS and isinstance(line.facts, dict) and line.text().encode() == raw
    except (ValueError, TypeError):
        raise LedgerError(f"{where} is no line of a ledger") from None
    if not known or line.hash != _hash(line):
        raise LedgerError(f"{where} was edited: its hash is not that of its content")
    return line


def new(event: str, facts: Mapping[str, Any], reason: str = "", **known: str) -> Line:
    """Make a line of what happens now; it gets its place in a chain later. `known` replaces who, when and where."""
    if event not in EVENTS:
        raise ValueError(f"{event!r} is no event of the ledger")
    told = {"id": uuid.uuid4().hex, "time": now(), "actor": actor(), "commit": "", "run_url": run_url()} | known
    told["commit"] = told["commit"] or commit()
    return Line(number=0, event=event, reason=reason, facts=dict(facts), previous="", **told)


def follow(lines: Sequence[Line], more: Iterable[Line]) -> list[Line]:
    """Return a chain with more lines behind it, each in its new place; a line that it has already is not added."""
    chain = list(lines)
    have = {line.id for line in chain}
    for line in more:
        if line.id not in have:
            before = chain[-1].hash if chain else START
            chain.append(dataclasses.replace(line, number=len(chain) + 1, previous=before).sealed())
            have.add(line.id)
    return chain


def write(path: Path, lines: Sequence[Line]) -> None:
    """Write a whole ledger; the file is the old or the new one, never between."""
    with writing(path) as file:
        file.writelines(f"{line.text()}\n" for line in lines)


def head(lines: Sequence[Line]) -> str:
    """Return the hash that names a ledger as it is: that of its last line."""
    return lines[-1].hash if lines else START


def must_hold(lines: Sequence[Line], number: int, known: str, whose: str) -> None:
    """Raise LedgerError unless a chain still holds the line `number` that is known by its hash."""
    if number and (number > len(lines) or lines[number - 1].hash != known):
        lost = "lacks" if number > len(lines) else "has another"
        raise LedgerError(f"{whose} was rewritten: it {lost} line {number}, {known[:12]}, which it held before")
