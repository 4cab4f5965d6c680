"""The branch's README.md: what lives where, and what happened last, as the repository's page shows it."""

from collections.abc import Sequence
from pathlib import Path

from train.travel import history, rows
from train.travel.effects import ANCHOR, CHALLENGER, CHAMPION
from train.travel.ledger import DEPLOYMENT, REGISTRATION, ROLLBACK, VERDICTS, Line
from train.view import View
from validation.contract import Config
from validation.pages.cells import cell_text

BARS = "▁▂▃▄▅▆▇█"
LAST, SHOWN = 30, 10  # points of the curve; rows of a table


def page(config: Config, view: View, lines: Sequence[Line], database: Path) -> str:
    """Write the page in Markdown."""
    metric = config.performance[0].metric
    values = _values(database, config.model.name, metric)
    parts = [
        f"# {config.model.name}",
        "This branch is the model registry of this repository. Scripts write it; `python -m train.store` reads it.",
        _table(("alias", "version", "model", "promoted by", "promoted at"), _aliases(view)),
    ]
    live = [(name, history.live(lines, name)) for name in history.environments(lines)]
    rows_live = [
        (name, str(line.facts["unit"]["version"]), line.time, line.actor, line.event) for name, line in live if line
    ]
    if rows_live:
        parts += ["## Live", _table(("environment", "version", "since", "by", "by way of"), rows_live)]
    if values:
        shown = values[-LAST:]
        told = f"`{sparkline([value for _, value in shown])}` {shown[0][1]:.4g} to {shown[-1][1]:.4g}"
        parts += [f"## {metric} on the test part", f"{told}, versions {shown[0][0]} to {shown[-1][0]}"]
    verdicts = [line for line in lines if line.event == VERDICTS][-SHOWN:]
    if verdicts:
        told_of = [(str(line.facts["version"]), *_verdict(line), line.time, _run(line)) for line in reversed(verdicts)]
        parts += ["## Last verdicts", _table(("version", "verdict", "red", "time", "run"), told_of)]
    moved = [line for line in lines if line.event in (DEPLOYMENT, ROLLBACK)][-SHOWN:]
    if moved:
        told_of_moves = [
            (line.event, line.facts["environment"], str(line.facts["unit"]["version"]), line.facts["phase"], line.time,
             line.actor, cell_text(line.reason), _run(line))
            for line in reversed(moved)
        ]  # fmt: skip
        heads = ("what", "environment", "version", "state", "time", "by", "why", "run")
        parts += ["## Last deployments", _table(heads, told_of_moves)]
    count = sum(line.event == REGISTRATION for line in lines)
    parts.append(f"{len(view.versions)} version(s), {len(lines)} line(s) in the ledger, {count} registration(s).")
    return "\n\n".join(parts) + "\n"


def sparkline(values: Sequence[float]) -> str:
    """Draw values as one line of bars, the least as the lowest."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)


def _aliases(view: View) -> list[tuple[str, ...]]:
    order = [CHAMPION, CHALLENGER, ANCHOR, *sorted(set(view.aliases) - {CHAMPION, CHALLENGER, ANCHOR})]
    found: list[tuple[str, ...]] = []
    for alias in order:
        version = view.versions.get(view.aliases.get(alias, 0))
        if version:
            by, at = (cell_text(version.tags.get(name, "")) for name in ("promoted-by", "promoted-at"))
            found.append((alias, str(version.number), f"`{version.digest[:12]}`", by, at))
    return found or [("none yet", "", "", "", "")]


def _verdict(line: Line) -> tuple[str, str]:
    red = [gate for gate, said in line.facts["gates"].items() if not said.startswith("pass")]
    return ("FAIL" if red else "pass", ", ".join(red))


def _run(line: Line) -> str:
    return f"[run]({line.run_url})" if line.run_url.startswith("https://") else ""


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *body))


def _values(database: Path, model: str, metric: str) -> list[tuple[int, float]]:
    """Read a metric of every version, in order; none where a server keeps the registry."""
    if not database.is_file():
        return []
    asked = (
        "SELECT version, value FROM model_versions JOIN latest_metrics ON run_uuid = run_id"
        " WHERE name = ? AND key = ? AND is_nan = 0 ORDER BY version"
    )
    with rows.opened(database) as connection:
        found: list[tuple[int, float]] = connection.execute(asked, (model, f"test_{metric}")).fetchall()
    return found
