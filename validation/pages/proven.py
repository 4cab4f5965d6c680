"""What passed fairness bounds do not prove, from the facts of the verdicts (stdlib only)."""

from collections.abc import Mapping
from typing import Any

from validation.contract import Config
from validation.gate import Verdict
from validation.pages.cells import cell_text, number_text

POSITIVES, ALL = "true positive rate", "selection rate"  # measured on the rows with the outcome, and on all rows


def not_proven(verdicts: Mapping[str, Verdict], config: Config) -> list[str]:
    """Say, a line each, what the verdicts leave open."""
    if not config.sensitive:
        return ["- Whether it treats groups alike is unknown: no sensitive column is declared."]
    fairness = verdicts.get("fairness")
    evidence = fairness.evidence if fairness else {}
    groups = evidence.get("groups", [])
    lines = ["The fairness bounds hold on these test rows, for these groups, at this threshold. They do not prove:", ""]
    lines += [_perfect(by, rates) for by, rates in base_rates(groups).items() if len(rates) > 1]
    small = {f"{one['by']}: {one['group']}" for one in groups if not one["judged"]}
    small |= {line.group for line in (fairness.measures if fairness else ()) if line.verdict == "insufficient"}
    if small:
        lines.append(f"- anything about groups too small to be judged: {cell_text('; '.join(sorted(small)))};")
    for waiver in evidence.get("waivers", []):
        state = (
            f"waived until {waiver['expires']}" if waiver["in_force"] else f"a waiver that expired {waiver['expires']}"
        )
        said = f"{waiver['measure']}: {state}, {waiver['owner']} answers for it: {waiver['reason']}"
        lines.append(f"- what is waived, {cell_text(said)};")
    lines += [
        "- that a single person is treated fairly: they compare averages of groups;",
        "- the same at another threshold, or when the outputs are used as a ranking;",
        "- anything about groups that no column names, or about another population.",
    ]
    return lines


def base_rates(groups: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return, by column and judged group, the share of rows with the outcome; empty where rates do not tell it."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for one in groups:
        if one["judged"]:
            counts.setdefault((one["by"], one["group"]), {})[one["rate"]] = one["n"]
    rates: dict[str, dict[str, float]] = {}
    for (by, group), rows in counts.items():
        if rows.get(POSITIVES) and rows.get(ALL):
            rates.setdefault(by, {})[group] = rows[POSITIVES] / rows[ALL]
    return rates


def _perfect(by: str, rates: Mapping[str, float]) -> str:
    told = ", ".join(f"{cell_text(group)} {rate:.3f}" for group, rate in rates.items())
    gap = number_text(max(rates.values()) - min(rates.values()))
    return (
        f"- that equal rates by {cell_text(by)} would be right: the outcome's own share is {told}, so a model"
        f" without any error has a demographic parity difference of {gap};"
    )
