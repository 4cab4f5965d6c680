"""Compact the branch: the files of versions that nothing needs go, by an ordinary commit; ledger and rows stay."""

import shutil

from train import following
from train.embedded import embedded, inside
from train.travel import book, content, restoring, saving
from train.travel.effects import REMOVED
from train.travel.keeping import needed
from train.travel.ledger import COMPACTION
from train.travel.origin import find
from validation.contract import Config
from validation.script import Refusal


def compact(config: Config, remote: str) -> str:
    """Remove the files of versions that nothing needs from the branch and from here; return what went, in words.

    Raises Refusal when there is no branch, or a tracking server keeps the files; RaceLostError when somebody else saved
    meanwhile what needs them.
    """
    if not embedded():
        raise Refusal(
            "the tracking server keeps the files, and the branch has none to remove; unset MLFLOW_TRACKING_URI"
        )
    restoring.restore(config, remote, replace=False)
    commit = content.base()["commit"]
    if not commit:
        raise Refusal(f"there is no branch {config.registry.branch} of ours to compact; the first save begins it")
    view, lines = following.follow(config), book.lines()
    keep = needed(view, lines)
    gone = [one for one in view.versions.values() if one.number not in keep and REMOVED not in one.tags]
    if not gone:
        return f"nothing: each of {len(view.versions)} version(s) is needed, or is compacted already"
    origin = find(config.registry.branch, remote)
    files = [path for path in origin.files(commit) for one in gone if path.startswith(f"{one.files}/")]
    book.note(COMPACTION, {"removed": [one.number for one in gone], "files": len(files)}, "nothing needs these files")
    saving.save(config, remote)
    for one in gone:
        shutil.rmtree(inside(one.files), ignore_errors=True)
    return f"{len(files)} file(s) of {len(gone)} version(s); {len(view.versions) - len(gone)} version(s) keep theirs"
