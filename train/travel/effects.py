"""What a line of the ledger does to the registry: tags of versions, and aliases (stdlib only).

The ledger is written first. Who dies before the registry followed leaves a line that the next reader applies: every
effect sets a value, so applying it twice is applying it once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from train.travel.history import LIVE
from train.travel.ledger import COMPACTION, DEPLOYMENT, PROMOTION, REGISTRATION, ROLLBACK, VERDICTS, Line

CHALLENGER, CHAMPION, ANCHOR = "challenger", "champion", "anchor"
MARK = "ledger"  # a tag of the registered model: the last line that it followed; of a version: its promotion's line
REMOVED = "files-removed"  # a tag of a version whose files a compaction removed, with the time


@dataclass(frozen=True)
class Effects:
    """Tags to set by version, and the version that each alias is to name."""

    tags: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


def effects_of(line: Line) -> Effects:
    """Tell what a line does."""
    facts = line.facts
    if line.event == REGISTRATION:
        return Effects(aliases={CHALLENGER: facts["version"]})
    if line.event == VERDICTS:
        return Effects({facts["version"]: {f"verdict.{gate}": said for gate, said in facts["gates"].items()}})
    if line.event == PROMOTION:
        begins = {ANCHOR: facts["version"]} if facts["begins"] else {}
        told = {"promoted-by": line.actor, "promoted-at": line.time, MARK: line.hash}
        return Effects({facts["version"]: told}, {CHAMPION: facts["version"], **begins})
    if line.event in (DEPLOYMENT, ROLLBACK) and facts["phase"] == LIVE:
        version = facts["unit"]["version"]
        back = {CHAMPION: version} if line.event == ROLLBACK and facts.get("leads") else {}
        return Effects(aliases={facts["environment"]: version, **back})
    if line.event == COMPACTION:
        return Effects({version: {REMOVED: line.time} for version in facts["removed"]})
    return Effects()


def aliases_of(lines: Sequence[Line]) -> dict[str, int]:
    """Tell which version each alias names by a ledger."""
    aliases: dict[str, int] = {}
    for line in lines:
        aliases |= effects_of(line).aliases
    return aliases
