"""The model card: what the model is, what it was judged by, and what that does not prove, filled from facts.

Its sections are those of Mitchell et al., Model Cards for Model Reporting (2019).
"""

from collections.abc import Mapping
from typing import Any

from serve.words import ONNX
from train.view import MLFLOW, RUNTIME, RUNTIME_WHY, Version
from validation.contract import Config
from validation.gate import Verdict
from validation.pages.cells import cell_text, number_text, rows_table, table
from validation.pages.pace import pace
from validation.pages.proven import not_proven
from validation.script import ROOT
from validation.words.columns import Binary, Number, Quantity

USE = "data/intended-use.md"
CAVEATS = """\
- Another population, another time or another way to collect the data was not judged: measure the bounds anew there.
- The service refuses what lies outside the domains above; it does not know whether a legal row is usual.
- A test part that judges many models wears out: the performance gate counts them.
- What the model goes by is association, no cause: changing an input of a person need not change the outcome."""


def release_of(version: Version, config: Config) -> dict[str, Any]:
    """Name a version and where it comes from: the content of a bundle's release.json."""
    return {
        "model": config.model.name,
        "model_version": version.number,
        "model_digest": version.digest,
        "run_id": version.run_id,
        "commit": version.tags.get("commit", "unknown"),
        "data_digest": version.tags.get("data-digest", ""),
        "lock_digest": version.tags.get("lock-digest", ""),
        "runtime": version.tags.get(RUNTIME, ONNX),  # a version from before there was another says nothing
        **({"mlflow_version": mlflow} if (mlflow := version.tags.get(MLFLOW)) else {}),
        **({"runtime_why": why} if (why := version.tags.get(RUNTIME_WHY)) else {}),
    }


def card(
    release: Mapping[str, Any],
    verdicts: Mapping[str, Verdict],
    config: Config,
    price: Mapping[str, Any] | None = None,
) -> str:
    """Write the card as Markdown; `price` is what reweighing costs and brings, as calibration measured it."""
    parts = {
        "Model details": _details(release, verdicts, config),
        "Intended use": _use(),
        "Factors": _factors(config),
        "Metrics": _metrics(config),
        "Evaluation data": _evaluation(verdicts, config),
        "Training data": _training(release, config),
        "Quantitative analyses": _analyses(verdicts),
        "Ethical considerations": [*_mitigation(config, price), *not_proven(verdicts, config)],
        "Caveats and recommendations": [CAVEATS],
    }
    lines = [f"# Model card: {cell_text(release['model'])}, version {release['model_version']}", ""]
    for title, said in parts.items():
        lines += [f"## {title}", "", *said, ""]
    return "\n".join(lines).rstrip() + "\n"


def _details(release: Mapping[str, Any], verdicts: Mapping[str, Verdict], config: Config) -> list[str]:
    target = config.target
    if isinstance(target, Quantity):
        says = f"{cell_text(target.name)}, a number in {cell_text(target.unit or 'its unit')}"
        says += f" from {target.low:g} to {target.high:g}"
    else:
        says = f"{cell_text(target.name)}: one of " + ", ".join(cell_text(str(label)) for label in target.labels)
    inputs = [
        (
            column.name,
            f"{column.low:g} to {column.high:g} {column.unit}".strip()
            if isinstance(column, Number)
            else f"{len(column.values)} values{', others too' * (column.unseen == 'other')}",
            "yes" if column.missing else "no",
        )
        for column in config.inputs
    ]
    settings = ", ".join(f"{name} {value}" for name, value in config.model.parameters.items())
    hidden = ", ".join(column.name for column in config.features if column.hidden)
    slow = pace(release, verdicts)
    served = "served from a skops file" if slow else "served as an ONNX graph"
    made = f"Model digest `{release['model_digest']}`, run `{release['run_id']}`, commit `{release['commit']}`,"
    return [
        f"Predicts {says}.",
        "",
        f"A scikit-learn pipeline (`build` in `train/model.py`), {served} proven to compute the same.",
        *([f"**{cell_text(slow)}**"] if slow else []),
        f"Its settings: {cell_text(settings) or 'none'}.",
        "",
        f"{made} lock `{release['lock_digest']}`.",
        "",
        rows_table(("input", "domain", "may be missing"), inputs),
        f"Columns of the data that the model does not see: {cell_text(hidden) or 'none'}.",
    ]


def _use() -> list[str]:
    path = ROOT / USE
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return [text or f"Nobody has written it down: who may use this model for what belongs into `{USE}`."]


def _factors(config: Config) -> list[str]:
    if not config.sensitive:
        return ["No sensitive column is declared: nothing is known of groups."]
    crossed = [" and ".join(gate.columns) for gate in config.fairness if len(gate.columns) > 1]
    lines = [f"Groups by {cell_text(', '.join(config.sensitive))}."]
    if crossed:
        lines.append(f"Their intersections: {cell_text('; '.join(dict.fromkeys(crossed)))}.")
    large = f"{config.groups.min_positives} rows with the outcome and {config.groups.min_negatives} without"
    return [*lines, f"A group is judged when the test part holds {large}; a smaller one is told, not judged."]


def _metrics(config: Config) -> list[str]:
    rows = [
        (gate.measure, str(gate.bound), gate.why)
        for gates in (config.performance, config.fairness, config.behaviour)
        for gate in gates
    ]
    lines = [rows_table(("measure", "bound", "why"), rows)]
    if isinstance(config.target, Binary):
        positive = cell_text(str(config.target.positive))
        lines.append(
            f"A row is given the label {positive} when its probability is at least 0.5; rates are at this threshold."
        )
    return lines


def _evaluation(verdicts: Mapping[str, Verdict], config: Config) -> list[str]:
    performance = verdicts.get("performance")
    rows = max((line.n for line in performance.measures), default=0) if performance else 0
    frozen = f"A frozen part of `{config.data}`, {rows} rows, listed in `{config.split.test_part}`:"
    return [f"{frozen} it judges and never trains. Exact repeats of a row are on one side only."]


def _training(release: Mapping[str, Any], config: Config) -> list[str]:
    return [f"The other rows of `{config.data}`, digest of the data `{release['data_digest']}`."]


def _analyses(verdicts: Mapping[str, Verdict]) -> list[str]:
    lines = []
    for gate, verdict in verdicts.items():
        lines += [f"### {gate.capitalize()}", "", table(verdict.measures)]
    return lines


def _mitigation(config: Config, price: Mapping[str, Any] | None) -> list[str]:
    if not (config.model.reweigh_by and config.model.reweigh_strength):
        return ["Nothing is done at training to bring groups closer together.", ""]
    by, strength = cell_text(config.model.reweigh_by), f"strength {config.model.reweigh_strength:g}"
    lines = [f"Training rows are reweighed by {by} with {strength}: rates come closer between groups, at a price."]
    if price is None:
        return [*lines, "The price was not measured under the bounds and data of now; `make calibrate` does.", ""]
    rows = [
        (one.get("metric") or one["measure"], number_text(one["mitigated"]), number_text(one["plain"]))
        for one in (*price["metrics"], *price["fairness"])
    ]
    heads = ("measure", "with reweighing", "without")
    return [*lines, "", rows_table(heads, rows, heads[1:])]
