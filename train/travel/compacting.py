"""Compact the branch: the files of versions that nothing needs go, by an ordinary commit; ledger and rows stay."""

from collections.abc import Sequence

from train import following
from train.travel import book, content, history, restoring, saving
from train.travel.effects import REMOVED
from train.travel.ledger import COMPACTION, PROMOTION, Line
from train.travel.origin import find
from train.view import View
from validation.contract import Config

BACK = 2  # units that an environment can be rolled back to, beside the one that is live
LATEST = 5  # newest versions, whatever became of them: they may be under judgement


def needed(view: View, lines: Sequence[Line]) -> set[int]:
    """Name the versions whose files stay: what aliases name, anchors and champions, held units, two units back."""
    kept = set(view.aliases.values())
    kept |= set(sorted(view.versions)[-LATEST:])
    kept |= {line.facts["version"] for line in lines if line.event == PROMOTION and line.facts["begins"]}
    promoted = [line.facts["version"] for line in lines if line.event == PROMOTION]
    kept |= set(promoted[-BACK - 1 :])
    for environment in history.environments(lines):
        kept |= {line.facts["unit"]["version"] for line in history.stack(lines, environment)[-BACK - 1 :]}
        kept |= {line.facts["left"]["version"] for line in history.held(lines, environment).values()}
    return kept


def compact(config: Config, remote: str) -> str:
    """Remove the files of versions that nothing needs from the branch and from here; return what went, in words."""
    restoring.restore(config, remote, replace=False)
    view, lines = following.follow(config), book.lines()
    keep = needed(view, lines)
    gone = [one for one in view.versions.values() if one.number not in keep and REMOVED not in one.tags]
    if not gone:
        return f"nothing: each of {len(view.versions)} version(s) is needed, or is compacted already"
    origin = find(config.registry.branch, remote)
    commit = content.base()["commit"]
    files = [path for path in origin.files(commit) for one in gone if path.startswith(f"{one.files}/")]
    book.note(COMPACTION, {"removed": [one.number for one in gone], "files": len(files)}, "nothing needs these files")
    saving.save(config, remote)
    return f"{len(files)} file(s) of {len(gone)} version(s); {len(view.versions) - len(gone)} version(s) keep theirs"
