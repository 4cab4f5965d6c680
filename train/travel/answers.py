"""What people ask the store: is it whole, what is live, what was, and where does a version come from."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from serve.bundle import MANIFEST
from train import embedded, following, registry
from train.embedded import DATABASE, STORE
from train.travel import book, content, history, ledger, rows
from train.travel.effects import ANCHOR, CHALLENGER, CHAMPION, MARK, REMOVED, aliases_of, effects_of
from train.travel.ledger import DEPLOYMENT, PROMOTION, PUBLICATION, ROLLBACK, VERDICTS, Line
from train.view import Version
from validation.contract import Config
from validation.pages.cells import cell_text
from validation.script import Refusal, log

HASH = re.compile(r"[0-9a-f]{12,64}")


def verify(config: Config, head: str) -> str:
    """Check the store here: the ledger's chain, the registry against it, every model's files, what was deployed here.

    Raises Refusal that names the first line or version that is not as it was written.
    """
    from infra import place as places

    lines = book.lines()
    hashes = {line.hash for line in lines}
    if head and not HASH.fullmatch(head):
        raise Refusal(
            f"{head!r} is no hash of a ledger's line; give its 64 hex digits, or the first 12 of them at least"
        )
    if not any(one.startswith(head) for one in hashes | {ledger.START}):
        raise Refusal(f"the ledger of {len(lines)} line(s) does not hold {head[:12]}: it was rewritten since")
    for name, carried in places.heads(places.home()).items():
        if carried not in hashes | {ledger.START}:
            raise Refusal(
                f"{name} carries the ledger's head {carried[:12]}, which the ledger of {len(lines)} line(s) does not"
                " hold: it was rewritten since"
            )
    view = following.follow(config)
    lines = book.lines()
    absent = 0
    copied = (CHAMPION, ANCHOR) if content.base()["copy"] and embedded.embedded() else None  # all that a copy holds
    for alias, number in aliases_of(lines).items():
        if copied and alias not in copied:
            continue
        if view.aliases.get(alias) != number:
            raise Refusal(
                f"the alias {alias} names version {view.aliases.get(alias)}, and by the ledger it is version {number}:"
                " somebody moved it by other means"
            )
    for line in lines:
        unit = line.facts.get("unit", {}) if line.facts.get("phase") == history.LIVE else {}
        found = view.versions.get(unit.get("version", 0))
        if found is not None and found.digest != unit["model"]:
            raise Refusal(
                f"line {line.number} has model {unit['model'][:12]} live as version {found.number}, which is model"
                f" {found.digest[:12]}: the version had another number when it was deployed"
            )
    for version in view.versions.values():
        mark = version.tags.get(MARK)
        if mark and mark not in hashes:
            raise Refusal(
                f"model version {version.number} was promoted by the line {mark[:12]}, which the ledger does not hold:"
                " it was rewritten since"
            )
        if REMOVED in version.tags:
            continue
        if version.files and not (embedded.inside(version.files) / MANIFEST).is_file():
            absent += 1
            continue
        registry.model_folder(version)
    there = f"; the files of {absent} are on the branch, not here" if absent else ""
    return (
        f"verified: {len(lines)} line(s) of the ledger, head {ledger.head(lines)[:12]};"
        f" {len(view.versions)} version(s){there}"
    )


def live(config: Config, at: str) -> str:
    """Tell what is live in each environment, now or at a moment, and who put it there."""
    lines = book.lines()
    if at:
        moment = history.moment_of(at)
        if moment > datetime.now(UTC):
            log(f"{at} is yet to come; this is what is live now")
        lines = history.until(lines, moment)
    else:
        following.follow(config)
        lines = book.lines()
    heads = ("what", "version", "model", "since", "by", "commit", "why", "run")
    rows = []
    for name in history.environments(lines):
        line = history.live(lines, name)
        if line:
            unit = history.unit_of(line.facts)
            rows.append((f"live in {name}", str(unit.version), unit.model, *_who(line)))
    promoted = [line for line in lines if CHAMPION in effects_of(line).aliases]
    if promoted:
        last = promoted[-1]
        facts = last.facts.get("unit") or last.facts
        rows.append((CHAMPION, str(facts["version"]), facts["model"], *_who(last)))
    registered = [line for line in lines if line.event == ledger.REGISTRATION]
    if registered:
        rows.append(
            (CHALLENGER, str(registered[-1].facts["version"]), registered[-1].facts["model"], *_who(registered[-1]))
        )
    if not rows:
        return f"nothing {'had happened by ' + at if at else 'has happened yet'}: the ledger has {len(lines)} line(s)"
    return _table(heads, [(row[0], row[1], row[2][:12], *row[3:]) for row in rows])


def of_version(config: Config, number: int) -> str:
    """Tell where a version comes from and what became of it."""
    version = following.follow(config).version(number)
    lines = book.lines()
    facts = [
        ("model", version.digest),
        *((name, version.tags.get(name, "")) for name in ("commit", "data-digest", "lock-digest", "test-part")),
        ("run", version.run_id),
        *_run_facts(version),
        ("files", f"removed {version.tags[REMOVED]}" if REMOVED in version.tags else "kept"),
        ("reproduce", f"python -m train.fit --reproduce {number}"),
    ]
    parts = [f"### {config.model.name}, version {number}", _table(("what", "value"), facts)]
    about = history.about(lines, number)
    heads = ("line", "event", "facts", "time", "by", "commit", "why", "run")
    parts.append(_table(heads, [(str(line.number), line.event, _facts(line), *_who(line)) for line in about]))
    return "\n\n".join(parts)


def _run_facts(version: Version) -> list[tuple[str, str]]:
    """Return parameters, metrics and tags of the run that made a version, by name."""
    if embedded.embedded():
        with rows.opened(STORE / DATABASE) as connection:
            return rows.run_facts(connection, version.run_id)
    with registry.opened() as mlflow:
        told = mlflow.MlflowClient().get_run(version.run_id).data
    kinds = (("parameter", told.params), ("metric", told.metrics), ("tag", told.tags))
    return [(f"{kind} {name}", str(value)) for kind, found in kinds for name, value in sorted(found.items())]


def _facts(line: Line) -> str:
    facts = line.facts
    if line.event == VERDICTS:
        return ", ".join(f"{gate}: {said.split()[0]}" for gate, said in facts["gates"].items())
    if line.event == PROMOTION:
        return f"in place of {facts['instead_of'][:12] or 'none'}"
    if line.event == PUBLICATION:
        return f"image {facts['image']}, bundle {facts['bundle'][:12]}"
    if line.event in (DEPLOYMENT, ROLLBACK):
        unit = history.unit_of(facts)
        image = f", image {unit.image}" if unit.image else ""
        return f"{facts['environment']}: {facts['phase']}, bundle {unit.bundle[:12]}{image}"
    return ""


def _who(line: Line) -> tuple[str, str, str, str, str]:
    return (line.time, line.actor, line.commit[:12], line.reason, line.run_url)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    body = [[cell_text(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *body))
