"""What a ledger answers: what is live where, what was live when, what a rollback goes back to (stdlib only).

A deployment or rollback writes a line `intent` before it starts and one of `live` or `failed` after it, which names the
intent's id as `of`. An intent without such a line was left open by a run that died.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from train.travel.ledger import DEPLOYMENT, RELEASE, ROLLBACK, Line
from validation.script import Refusal

INTENT, LIVE, FAILED = "intent", "live", "failed"


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

    def facts(self) -> dict[str, Any]:
        """Return the unit as a line of the ledger holds it."""
        return dataclasses.asdict(self)


def unit_of(facts: Mapping[str, Any]) -> Unit:
    """Read the unit of a line."""
    return Unit(**facts["unit"])


def facts_of(environment: str, phase: str, unit: Unit, of: str = "") -> dict[str, Any]:
    """Return the facts of a deployment's or rollback's line; `of` is the id of its intent."""
    return {"environment": environment, "phase": phase, "unit": unit.facts(), **({"of": of} if of else {})}


def environments(lines: Sequence[Line]) -> list[str]:
    """Name the environments that something was deployed to, in order."""
    return sorted({line.facts["environment"] for line in lines if line.event in (DEPLOYMENT, ROLLBACK)})


def stack(lines: Sequence[Line], environment: str) -> list[Line]:
    """Return the lines that made what is live now and what lies below it, the newest last.

    A deployment lays a unit on the stack, a rollback takes off all above the one that it went back to: rolling back
    twice goes two back.
    """
    found: list[Line] = []
    for line in lines:
        if line.event not in (DEPLOYMENT, ROLLBACK) or line.facts["environment"] != environment:
            continue
        if line.facts["phase"] != LIVE:
            continue
        unit = unit_of(line.facts)
        if line.event == ROLLBACK:
            below = [place for place, one in enumerate(found) if unit_of(one.facts) == unit]
            found = found[: below[-1]] if below else []
        elif found and unit_of(found[-1].facts) == unit:
            continue
        found.append(line)
    return found


def live(lines: Sequence[Line], environment: str) -> Line | None:
    """Return the line that made what is live in an environment, or None when nothing ever was."""
    found = stack(lines, environment)
    return found[-1] if found else None


def held(lines: Sequence[Line], environment: str) -> dict[str, Line]:
    """Return what a rollback left and nobody released since: by `Unit.key`, the line of that rollback.

    Such a line holds the unit that it left as `left`.
    """
    found: dict[str, Line] = {}
    for line in lines:
        if line.event not in (ROLLBACK, RELEASE) or line.facts["environment"] != environment:
            continue
        if line.event == RELEASE:
            found = {key: one for key, one in found.items() if one.facts["left"]["version"] != line.facts["version"]}
        elif line.facts["phase"] == LIVE and line.facts.get("left"):
            found[Unit(**line.facts["left"]).key] = line
    return found


def previous(lines: Sequence[Line], environment: str) -> Unit | None:
    """Return the good unit that a rollback goes back to, or None when there is none below what is live."""
    kept_back = held(lines, environment)
    for line in reversed(stack(lines, environment)[:-1]):
        unit = unit_of(line.facts)
        if unit.key not in kept_back:
            return unit
    return None


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
    """Return the lines about one version of the model."""
    return [
        line for line in lines if version in (line.facts.get("version"), (line.facts.get("unit") or {}).get("version"))
    ]
