"""What a ledger answers: what is live where, what was live when, what a rollback goes back to (stdlib only).

A deployment or rollback writes a line `intent` before it starts and one of `live` or `failed` after it, which names the
intent's id as `of`. An intent without such a line was left open by a run that died. A rollback's lines also name the
line that they go back to as `to`, and the unit that they leave as `left`. An environment that is taken down gets a line
of a deployment, `removed`: nothing is live there then, and what lies below can still be gone back to.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from train.travel.ledger import DEPLOYMENT, RELEASE, ROLLBACK, Line
from validation.script import Refusal

INTENT, LIVE, FAILED, REMOVED = "intent", "live", "failed", "removed"
PARTS = ("unit", "left")  # the units that a line may name


@dataclass(frozen=True)
class Unit:
    """What is deployed and rolled back as one: a version, its model, the bundle around it, the image, and digests.

    `contract` is the digest of what goes in and comes out, `config` that of the service's settings; `image` is empty
    where a process serves.
    """

    version: int
    model: str
    bundle: str
    contract: str
    config: str
    image: str = ""

    @property
    def key(self) -> str:
        """Name what a hold keeps back: this model with these settings, whatever was packed around it."""
        return f"{self.model} {self.config}"

    @property
    def identity(self) -> str:
        """Name the very unit: its bundle, and the image if that was pushed; one built on the spot is built again."""
        return f"{self.bundle} {self.image if '@sha256:' in self.image else ''}".strip()

    def facts(self) -> dict[str, Any]:
        """Return the unit as a line of the ledger holds it."""
        return dataclasses.asdict(self)


def unit_of(facts: Mapping[str, Any]) -> Unit:
    """Read the unit of a line."""
    return Unit(**facts["unit"])


def facts_of(
    environment: str, phase: str, unit: Unit, of: str = "", *, to: str = "", left: Unit | None = None
) -> dict[str, Any]:
    """Return the facts of a deployment's or rollback's line; `of` is the id of its intent, `to` of what it repeats."""
    known: dict[str, Any] = {"of": of, "to": to, "left": left.facts() if left else None}
    return {"environment": environment, "phase": phase, "unit": unit.facts()} | {k: v for k, v in known.items() if v}


def environments(lines: Sequence[Line]) -> list[str]:
    """Name the environments that something was deployed to, in order."""
    return sorted({line.facts["environment"] for line in lines if line.event in (DEPLOYMENT, ROLLBACK)})


def stack(lines: Sequence[Line], environment: str) -> list[Line]:
    """Return the lines that made what is live now and what lies below it, the newest last.

    A deployment lays a unit on the stack, a rollback takes off all above the one that it went back to: rolling back
    twice goes two back. What it went back to may have been taken off before; then it is laid on the stack as well.
    """
    found: list[Line] = []
    for line in lines:
        if line.event not in (DEPLOYMENT, ROLLBACK) or line.facts["environment"] != environment:
            continue
        if line.facts["phase"] != LIVE:
            continue
        identity = unit_of(line.facts).identity
        if line.event == ROLLBACK:
            places = [place for place, one in enumerate(found) if one.id == line.facts.get("to")]
            found = found[: places[-1]] if places else found
        elif found and unit_of(found[-1].facts).identity == identity:
            continue
        found.append(line)
    return found


def top(lines: Sequence[Line], environment: str) -> Line | None:
    """Return the line that made what is live in an environment, or was when it was taken down; None when none was."""
    found = stack(lines, environment)
    return found[-1] if found else None


def live(lines: Sequence[Line], environment: str) -> Line | None:
    """Return the line that made what is live in an environment, or None when nothing is."""
    moves = (line for line in reversed(lines) if line.event in (DEPLOYMENT, ROLLBACK))
    ends = (line.facts["phase"] for line in moves if line.facts["environment"] == environment)
    last = next((phase for phase in ends if phase in (LIVE, REMOVED)), None)
    return None if last == REMOVED else top(lines, environment)


def held(lines: Sequence[Line], environment: str) -> dict[str, Line]:
    """Return what a rollback left and nobody released since: by the name that is held, the line of that rollback.

    The name is the widest that tells what was left from what was put back: `Unit.key`, else the bundle's digest, else
    `Unit.identity`.
    """
    found: dict[str, Line] = {}
    for line in lines:
        if line.event not in (ROLLBACK, RELEASE) or line.facts["environment"] != environment:
            continue
        if line.event == RELEASE:
            found = {name: one for name, one in found.items() if one.facts["left"]["version"] != line.facts["version"]}
        elif line.facts["phase"] == LIVE and line.facts.get("left"):
            pairs = zip(_names(Unit(**line.facts["left"])), _names(unit_of(line.facts)), strict=True)
            found.update({left: line for left, back in [pair for pair in pairs if pair[0] != pair[1]][:1]})
    return found


def _names(unit: Unit) -> tuple[str, str, str]:
    return unit.key, unit.bundle, unit.identity


def hold(lines: Sequence[Line], environment: str, unit: Unit) -> Line | None:
    """Return the line of the rollback that holds a unit back, or None when it may be deployed."""
    kept_back = held(lines, environment)
    return next((kept_back[name] for name in _names(unit) if name in kept_back), None)


def before(lines: Sequence[Line], environment: str) -> Line | None:
    """Return the line that made the good unit which a rollback goes back to, or None when none lies below."""
    found = [(line, unit_of(line.facts)) for line in stack(lines, environment)]
    for line, unit in reversed(found[:-1]):
        if unit.identity != found[-1][1].identity and hold(lines, environment, unit) is None:
            return line
    return None


def previous(lines: Sequence[Line], environment: str) -> Unit | None:
    """Return the good unit that a rollback goes back to, or None when there is none below what is live."""
    line = before(lines, environment)
    return unit_of(line.facts) if line else None


def last(lines: Sequence[Line], environment: str, version: int) -> Line | None:
    """Return the line that last made a version live in an environment, one that is held left aside while others are.

    None when the version never was live there.
    """
    found = [
        line
        for line in lines
        if line.event in (DEPLOYMENT, ROLLBACK)
        and (line.facts["environment"], line.facts["phase"]) == (environment, LIVE)
        and line.facts["unit"]["version"] == version
    ]
    free = [line for line in found if hold(lines, environment, unit_of(line.facts)) is None]
    usable = free or found
    return usable[-1] if usable else None


def left_open(lines: Sequence[Line], environment: str) -> list[Line]:
    """Return the intents that no line has ended."""
    ours = [line for line in lines if line.event in (DEPLOYMENT, ROLLBACK) and line.facts["environment"] == environment]
    ended = {line.facts.get("of") for line in ours}
    return [line for line in ours if line.facts["phase"] == INTENT and line.id not in ended]


def until(lines: Sequence[Line], moment: datetime) -> list[Line]:
    """Return the lines up to a moment, by their own times."""
    return [line for line in lines if datetime.fromisoformat(line.time) <= moment]


def moment_of(text: str) -> datetime:
    """Read a moment, UTC unless it names another zone.

    Raises Refusal when it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(f"{text!r} is no time; write 2026-11-25T14:00, UTC unless it ends in a zone as +01:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def about(lines: Sequence[Line], version: int) -> list[Line]:
    """Return the lines about one version of the model: those of what replaced it as well."""
    return [
        line
        for line in lines
        if version in (line.facts.get("version"), *((line.facts.get(part) or {}).get("version") for part in PARTS))
    ]
