"""Lay what is new here behind what is on the branch: rows, ledger, and the champion's place."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from train.embedded import DATABASE, STORE, embedded
from train.travel import content, copying, keeping, ledger, rows
from train.travel.content import Saved
from train.travel.history import LIVE
from train.travel.ledger import PROMOTION, REGISTRATION, ROLLBACK, Line
from train.view import View
from validation.contract import Config
from validation.script import OutsideError, Refusal


class RaceLostError(OutsideError):
    """Others kept saving first, or moved the champion meanwhile; nothing here is lost."""


def snapshot_of_ours(temporary: str) -> Path | None:
    """Copy the database here as it is; None where a server keeps the registry."""
    if not (STORE / DATABASE).is_file() or not embedded():
        return None
    copy = Path(temporary) / "ours.db"
    if not copy.exists():
        content.snapshot(STORE / DATABASE, copy)
        content.without_place(copy)
    return copy


def merge(
    config: Config, folder: Path, theirs: Saved | None, before: Sequence[Line], new: Sequence[Line]
) -> tuple[list[Line], View]:
    """Write the database that holds what is there and what is new here; return its ledger and view.

    Versions that are new get the next numbers there, and the lines about them those numbers. Raises RaceLostError when
    a line moves the champion from another one than is there now, or what is needed was compacted.
    """
    database, model = folder / DATABASE, config.model.name
    ours = snapshot_of_ours(str(folder.parent))
    if ours is None:
        raise Refusal("there is no store in .mlflow/ to save; `make fit` begins one")
    granted: dict[int, int] = {}
    if theirs and theirs.database:
        shutil.copyfile(theirs.database, database)
        for line in new:
            if line.event == REGISTRATION:
                granted[line.facts["version"]] = copying.copy_version(ours, database, model, line.facts["model_id"])
    else:
        shutil.copyfile(ours, database)
    lines = ledger.follow(before, [_renumbered(line, granted) for line in new])
    champion_must_match(before, lines[len(before) :])
    with rows.opened(database) as connection:
        if not theirs:
            rows.forget(connection, model)
        rows.follow(connection, model, lines)
        view = rows.read_view(connection, model)
    if lost := keeping.lost(view, before, lines):
        named = ", ".join(map(str, sorted(lost)))
        raise RaceLostError(
            f"a compaction removes the files of version {named}, which somebody else has put to use meanwhile; restore"
            " the store with --replace, and do this again"
        )
    content.without_place(database)
    return lines, view


def _renumbered(line: Line, granted: dict[int, int]) -> Line:
    """Return a line with the numbers that its versions got."""
    facts = dict(line.facts)
    for name in ("version", "champion", "anchor"):
        if facts.get(name) in granted:
            facts[name] = granted[facts[name]]
    for name in ("unit", "left"):
        if isinstance(facts.get(name), dict) and facts[name]["version"] in granted:
            facts[name] = facts[name] | {"version": granted[facts[name]["version"]]}
    return dataclasses.replace(line, facts=facts)


def champion_of(lines: Sequence[Line]) -> str:
    """Return the digest of the model that a ledger's lines made the champion; empty where none did."""
    digest = ""
    for line in lines:
        if line.event == PROMOTION:
            digest = line.facts["model"]
        elif line.event == ROLLBACK and line.facts["phase"] == LIVE and line.facts.get("leads"):
            digest = line.facts["unit"]["model"]
    return digest


def champion_must_match(before: Sequence[Line], new: Sequence[Line]) -> None:
    """Raise RaceLostError when a promotion takes the place of another champion than it was judged against."""
    now = champion_of(before)
    for line in new:
        if line.event == PROMOTION and line.facts["instead_of"] != now:
            raise RaceLostError(
                f"version {line.facts['version']} was judged against the champion"
                f" {line.facts['instead_of'][:12] or 'none'}, and now it is {now[:12] or 'none'}; restore the"
                " store with --replace, and judge again"
            )
        now = champion_of([line]) or now
