"""Save the store to its branch: what is new here goes behind what is there, in one commit and one plain push.

The remote refuses a push that does not follow its newest commit. Then that commit is fetched, what is new here is laid
behind it once more, under the next version numbers there, and pushed again.
"""

import os
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from serve.bundle import KEPT_BACK
from train import following, registry
from train.embedded import ARTIFACTS, DATABASE, STORE, embedded, inside
from train.server import URI
from train.travel import book, content, ledger
from train.travel.content import Saved
from train.travel.effects import REMOVED
from train.travel.ledger import BEGINNING, REGISTRATION, Line
from train.travel.merging import RaceLostError, champion_must_match, merge, snapshot_of_ours
from train.travel.mirroring import mirror
from train.travel.origin import Origin, find
from train.view import View
from validation.contract import Config
from validation.script import Refusal, log
from validation.steps import step

MAIN = "refs/heads/main"
PROPOSED = ("pull_request", "merge_group")  # what events that run somebody's proposal begin with
LONGEST_PAUSE = 8.0  # seconds
Laid = tuple[list[Line], View, dict[str, str | None]]  # ledger, registry, and the versions' files that change
LARGEST = 100_000_000  # bytes of a file; the platform refuses more, and the database grows with every version


@dataclass(frozen=True)
class Start:
    """What one try of a save starts from: what is new here, and what is there, its files each with its git object."""

    config: Config
    origin: Origin
    merged: Path  # where what is to be saved is written
    theirs: Saved | None
    before: Sequence[Line]
    new: Sequence[Line]
    there: Mapping[str, str]


def save(config: Config, remote: str = "origin") -> str:
    """Save what is new here to the branch; return what was saved, in words.

    Raises RaceLostError when others were first each time or the champion moved, Refusal when the branch is damaged or a
    file is too large, OutsideError when the remote fails. The store here is then as it was.
    """
    if os.environ.get("GITHUB_EVENT_NAME", "").startswith(PROPOSED):
        raise Refusal("a pull request or a merge queue reads the registry and never saves to it; a push to main does")
    if os.environ.get("GITHUB_ACTIONS") and (ref := os.environ.get("GITHUB_REF", "")) != MAIN:
        raise Refusal(
            f"this run is of {ref or 'no branch'}, and only those of {MAIN} save to the registry; merge first"
        )
    if not STORE.is_dir():
        raise Refusal("there is no store in .mlflow/ to save; `make fit` begins one")
    origin = find(config.registry.branch, remote)
    with FileLock(STORE / "save.lock"):
        following.follow(config)
        for attempt in range(config.registry.tries):
            said = _try(config, origin)
            if said is not None:
                return said
            pause = random.uniform(0, min(LONGEST_PAUSE, 0.2 * 2**attempt))
            log(f"somebody else saved first; trying again in {pause:.1f} s")
            time.sleep(pause)
    raise RaceLostError(
        f"others saved first {config.registry.tries} times; nothing is lost here: `python -m train.store save` again"
    )


def _try(config: Config, origin: Origin) -> str | None:
    """Lay what is new here behind what is there and push it; None when somebody else was first."""
    head = origin.fetch()
    known = content.base()
    if head is None and known["lines"]:
        raise Refusal(f"the branch {origin.branch} is gone, and this store was restored from it; see who removed it")
    with tempfile.TemporaryDirectory() as temporary:
        fetched, merged = Path(temporary) / "fetched", Path(temporary) / "merged"
        merged.mkdir()
        theirs = content.fetch(origin, head, fetched, config) if head else None
        before = theirs.lines if theirs else []
        ledger.must_hold(before, known["lines"], known["head"], f"the branch {origin.branch}")
        ours = book.lines()
        have = {line.id for line in before}
        new = [line for line in ours if line.id not in have]
        own = content.repository(origin)
        if theirs is None:
            more = {"set-aside": head} if head else {}
            before = ledger.follow([], [ledger.new(BEGINNING, {"repository": own["name"], **more})])
        there = origin.files(head) if head and theirs else {}
        lay = _lay_versions if embedded() else _lay_copy
        lines, view, changes = lay(Start(config, origin, merged, theirs, before, new, there))
        if theirs and len(lines) == len(before) and not changes:
            content.install(theirs, head or "", snapshot_of_ours(temporary))
            return "nothing: the branch holds all of it"
        whose = own | ({"id": theirs.facts["repository"]["id"]} if theirs and not own["id"] else {})
        content.pack(merged, config, view, lines, whose)
        saved = content.check(merged, config, "the store to be saved")
        core = {path.name: path for path in merged.iterdir()}
        _must_fit(core, LARGEST)
        commit = origin.commit(head, origin.objects(core) | changes, _message(new), fresh=theirs is None)
        step("committed")
        if head and theirs is None and not _set_aside(origin, head):
            return None
        if not origin.push(commit):
            return None
        step("pushed")
        content.install(saved, commit, snapshot_of_ours(temporary))
    numbers = sorted({line.facts["version"] for line in lines[len(before) :] if line.event == REGISTRATION})
    named = f"version {', '.join(map(str, numbers))}, " if numbers else ""
    return f"{named}{len(lines) - len(before)} line(s) of the ledger"


def _lay_versions(start: Start) -> Laid:
    """Lay the versions that are new here behind those that are there."""
    if start.theirs and start.theirs.is_copy:
        branch = start.origin.branch
        raise Refusal(f"a server keeps this registry, and {branch} a copy to read; set {URI} to save")
    lines, view = merge(start.config, start.merged, start.theirs, start.before, start.new)
    return lines, view, _files(start.origin, start.config, view, start.there)


def _lay_copy(start: Start) -> Laid:
    """Lay the lines that are new here behind those that are there, and renew the copy of the server's champion."""
    lines, view = ledger.follow(start.before, start.new), registry.view(start.config)
    champion_must_match(start.before, lines[len(start.before) :])
    copied = start.origin.objects(mirror(start.config, start.merged, start.theirs, view, lines))
    changes: dict[str, str | None] = {name: it for name, it in copied.items() if start.there.get(name) != it}
    kept = {*copied, *(path.name for path in start.merged.iterdir())}
    gone = [name for name in start.there if (name == DATABASE or name.startswith(f"{ARTIFACTS}/")) and name not in kept]
    return lines, view, changes | dict.fromkeys(gone)


def _files(origin: Origin, config: Config, view: View, there: Mapping[str, str]) -> dict[str, str | None]:
    """Name the files of versions that are new or changed here, each with its git object; None for one that goes."""
    removed = tuple(f"{version.files}/" for version in view.versions.values() if REMOVED in version.tags)
    gone = {path for path in there if removed and path.startswith(removed)}
    here: dict[str, Path] = {}
    for version in view.versions.values():
        folder = inside(version.files) if version.files else None
        if folder and folder.is_dir() and REMOVED not in version.tags:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name not in KEPT_BACK and not path.name.startswith("."):
                    here[f"{version.files}/{path.relative_to(folder).as_posix()}"] = path
    _must_fit(here, config.registry.max_file_bytes)
    new = {name: it for name, it in origin.objects(here).items() if there.get(name) != it}
    return new | dict.fromkeys(gone)


def _must_fit(files: dict[str, Path], most: int) -> None:
    for name, path in files.items():
        if (size := path.stat().st_size) > most:
            why = "REGISTRY.max_file_bytes allows" if most < LARGEST else "the platform takes"
            raise Refusal(
                f"{name} has {size:,} bytes, and {why} {most:,} on the branch: make it smaller, or keep the registry on"
                " a server (MLFLOW_TRACKING_URI)"
            )


def _set_aside(origin: Origin, head: str) -> bool:
    """Keep another repository's store under a branch of its own before ours takes its place."""
    name = f"{origin.branch}-before-{head[:12]}"
    log(f"the store that lay there is kept as the branch {name}")
    return origin.push(head, name)


def _message(lines: Sequence[Line]) -> str:
    told = [f"{line.event} {line.facts.get('version', '')}".strip() for line in lines]
    return f"Save {', '.join(dict.fromkeys(told)) or 'files'}\n"
