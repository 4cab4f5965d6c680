"""The registry follows the ledger: every version has its line, and tags and aliases are what the lines say."""

import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from train import embedded, registry, server
from train.embedded import STORE
from train.travel import book, ledger
from train.travel.effects import MARK, effects_of
from train.travel.ledger import PROMOTION, REGISTRATION, Line
from train.view import ACTOR, FINGERPRINT, MOVED_MODEL, RUN_URL, Version, View
from validation.contract import Config
from validation.script import Refusal, writing

FOLLOWED = "followed"  # of the store here: the last line that a server was told of from here


def follow(config: Config) -> View:
    """Give every version its line in the ledger, let the registry follow all lines, and look at it.

    A version's registration is claimed before its line is written: who dies between leaves a version without a line,
    and its tags say all that the line does.

    Raises Refusal when the ledger is of another registry than the server's.
    """
    seen = registry.view(config)
    have = {line.facts.get("model_id") for line in book.lines() if line.event == REGISTRATION}
    new = [_registration(version) for version in seen.versions.values() if _known_as(version) not in have]
    book.note_all(new)
    if not embedded.embedded():
        _on_server(config, seen)
    return registry.view(config)


def _known_as(version: Version) -> str:
    """Return the id of a version's model in the ledger: the one it had before it was moved to a server, if it was."""
    return version.tags.get(MOVED_MODEL, version.model_id)


def _registration(version: Version, again: str = "") -> Line:
    """Make the line of a version's registration from its tags; it has one id, whoever makes it."""
    moment = datetime.fromtimestamp(version.created / 1000, UTC).isoformat(timespec="milliseconds")
    facts = {"version": version.number, "model": version.digest, "model_id": _known_as(version), "run": version.run_id}
    kept = {name: version.tags.get(name, "") for name in ("data-digest", "lock-digest", "test-part", FINGERPRINT)}
    known = {
        "id": again or f"registration-{_known_as(version)}",
        "time": ledger.now() if again else moment,
        "actor": ledger.actor() if again else version.tags.get(ACTOR, "unknown"),
        "commit": ledger.commit() if again else version.tags.get("commit", "unknown"),
        "run_url": ledger.run_url() if again else version.tags.get(RUN_URL, ""),
    }
    return ledger.new(REGISTRATION, facts | kept | ({"again": True} if again else {}), **known)


def challenge(config: Config, number: int) -> None:
    """Let an earlier version be the challenger again."""
    version = registry.view(config).version(number)
    book.note_all([_registration(version, again=uuid.uuid4().hex)])
    follow(config)


def _on_server(config: Config, seen: View) -> None:
    """Tell the server what the lines say that nobody has told it yet; every effect sets a value, so twice is once.

    Where it was told last of a line that is not here, others have gone on: only what was written here since is new.
    """
    name, lines = config.model.name, book.lines()
    _must_be_its(name, lines, seen)
    if not seen.versions or not lines:
        return
    mine = STORE / FOLLOWED
    here = mine.read_text(encoding="utf-8") if mine.is_file() else None
    with registry.opened() as mlflow:
        client = mlflow.MlflowClient()
        mark = client.get_registered_model(name).tags.get(MARK)
        # Its id names a line: the hash is another one once it is saved behind what others have saved
        places = {name: place for place, line in enumerate(lines, 1) for name in (line.id, line.hash)}
        known = [places[name] for name in (mark, here) if name in places]
        new = lines[max(known, default=len(lines) if mark else 0) :]
        for line in [*(_moved(lines, seen) if mark in places else []), *new]:
            effects = effects_of(line)
            for version in effects.tags.keys() & seen.versions.keys():  # others were deleted there since
                for key, value in effects.tags[version].items():
                    client.set_model_version_tag(name, str(version), key, value)
            for alias, version in effects.aliases.items() if line in new else ():
                if version in seen.versions:
                    client.set_registered_model_alias(name, alias, str(version))
        if new:
            client.set_registered_model_tag(name, MARK, lines[-1].id)
    if here != lines[-1].id:
        with writing(mine) as file:
            file.write(lines[-1].id)


def _moved(lines: Sequence[Line], seen: View) -> list[Line]:
    """Return the promotions that got another hash, behind what others had saved, since their version was told of it."""
    hashes = {line.hash for line in lines}
    told = {number: version.tags[MARK] for number, version in seen.versions.items() if MARK in version.tags}
    return [
        line for line in lines if line.event == PROMOTION and told.get(line.facts["version"], line.hash) not in hashes
    ]


def _must_be_its(name: str, lines: Sequence[Line], seen: View) -> None:
    """Raise Refusal unless the server has versions that the ledger tells of, and no other ones under their numbers."""
    told = {line.facts["version"]: line for line in lines if line.event == REGISTRATION}
    others = [
        line
        for number, line in told.items()
        if number in seen.versions and seen.versions[number].digest != line.facts["model"]
    ]
    if others or (told and not seen.versions):
        line, has = (others[0], "another one") if others else (next(iter(told.values())), "none")
        raise Refusal(
            f"line {line.number} of the ledger in .mlflow/ tells of version {line.facts['version']} of {name}, and the"
            f" server {os.environ[server.URI]} has {has}: without MLFLOW_TRACKING_URI, `python -m train.store migrate"
            " --to URL` moves the versions there; or move .mlflow/ away"
        )
