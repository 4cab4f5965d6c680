"""The model card: what the model is, what it was judged by, and what that does not prove, filled from facts."""

from collections.abc import Mapping
from typing import Any

from validation.contract import Config
from validation.gate import Verdict
from validation.pages.cells import cell_text, table
from validation.words.columns import Number, Quantity


def card(release: Mapping[str, Any], verdicts: Mapping[str, Verdict], config: Config) -> str:
    """Write the card as Markdown; its sections follow Mitchell et al., Model Cards for Model Reporting (2019)."""
    target = config.target
    says = (
        f"`{target.name}` in {target.unit or 'its unit'}"
        if isinstance(target, Quantity)
        else (f"`{target.name}`: one of " + ", ".join(cell_text(str(label)) for label in target.labels))
    )
    inputs = [
        f"| {column.name} | "
        + (
            f"{column.low:g} to {column.high:g} {column.unit}"
            if isinstance(column, Number)
            else f"{len(column.values)} values"
        )
        + f" | {'yes' if column.missing else 'no'} |"
        for column in config.inputs
    ]
    hidden = ", ".join(column.name for column in config.features if column.hidden) or "none"
    lines = [
        f"# Model card: {release['model']}, version {release['model_version']}",
        "",
        "## Model",
        "",
        f"Predicts {says}.",
        f"Digest `{release['model_digest']}`, run `{release['run_id']}`, commit `{release['commit']}`.",
        "",
        "| input | domain | may be missing |",
        "| --- | --- | --- |",
        *inputs,
        "",
        f"Columns of the data that the model does not see: {hidden}.",
        "",
        "## Data",
        "",
        f"`{config.data}`, SHA-256 `{release['data_digest']}`. A frozen part of the rows judges; it never trains.",
        "",
        "## Fairness",
        "",
        *_fairness(config),
        "",
        "## Verdicts",
        "",
    ]
    for gate, verdict in verdicts.items():
        lines += [f"### {gate.capitalize()}", "", table(verdict.measures)]
    return "\n".join(lines).rstrip() + "\n"


def _fairness(config: Config) -> list[str]:
    if not config.sensitive:
        return ["No sensitive column is declared: nothing is said about groups."]
    lines = [f"Judged by {', '.join(config.sensitive)}."]
    if config.model.reweigh_by and config.model.reweigh_strength:
        lines.append(
            f"Training rows are reweighed by {config.model.reweigh_by} with strength {config.model.reweigh_strength:g}:"
            " rates come closer between groups, at a small price in accuracy."
        )
    lines.append(
        "The bounds hold on these test rows, for these groups and this threshold. They do not prove that a single"
        " person is treated fairly, nor anything about groups too small to be judged, or about another population."
    )
    return lines
