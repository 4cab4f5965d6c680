"""The registry follows the ledger: every version has its line, and tags and aliases are what the lines say."""

import uuid
from datetime import UTC, datetime

from train import embedded, registry
from train.travel import book, ledger
from train.travel.effects import MARK, effects_of
from train.travel.ledger import REGISTRATION, Line
from train.view import ACTOR, FINGERPRINT, MOVED_MODEL, RUN_URL, Version, View
from validation.contract import Config


def follow(config: Config) -> View:
    """Give every version its line in the ledger, let the registry follow all lines, and look at it.

    A version's registration is claimed before its line is written: who dies between leaves a version without a line,
    and its tags say all that the line does.
    """
    seen = registry.view(config)
    have = {line.facts.get("model_id") for line in book.lines() if line.event == REGISTRATION}
    new = [_registration(version) for version in seen.versions.values() if _known_as(version) not in have]
    book.note_all(new)
    if not embedded.embedded():
        _on_server(config)
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


def _on_server(config: Config) -> None:
    """Apply the lines that the server has yet to follow; every effect sets a value, so twice is once."""
    name = config.model.name
    with registry.opened() as mlflow:
        client = mlflow.MlflowClient()
        lines = book.lines()
        mark = client.get_registered_model(name).tags.get(MARK) if lines else None
        for line in lines[next((place for place, line in enumerate(lines, 1) if line.hash == mark), 0) :]:
            effects = effects_of(line)
            for version, tags in effects.tags.items():
                for key, value in tags.items():
                    client.set_model_version_tag(name, str(version), key, value)
            for alias, version in effects.aliases.items():
                client.set_registered_model_alias(name, alias, str(version))
        if lines and mark != ledger.head(lines):
            client.set_registered_model_tag(name, MARK, ledger.head(lines))
