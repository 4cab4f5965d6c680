"""What the service's page shows of a judged version, beside release and contract: the content of a bundle's page.json.

Figures are those of the verdicts, which the bundle holds as well. Plots are the report's, drawn from sums over rows of
the test part: they leave with the bundle where SHOW_VALUES lets values leave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from validation.contract import Config
from validation.gate import Measure, Verdict
from validation.pages.blocks import Plot
from validation.pages.cells import cells, interval_text, number_text
from validation.pages.evidence import FairnessEvidence, PerformanceEvidence, evidence_of
from validation.pages.picture import picture
from validation.pages.plots import group_plots, performance_plots
from validation.pages.tree import parts, tree

FORMAT = 1
LEFT_OUT = "Plots stay in the report: SHOW_VALUES in config.py is off."
NONE = "No plot was drawn: the verdicts left nothing to draw."
HEADS = ("measure", "group", "value", "interval", "bound", "n", "verdict", "why")
RIGHT = ("value", "n")


def shown_by_service(verdicts: Mapping[str, Verdict], config: Config, card: str) -> dict[str, Any]:
    """Gather figures, fairness, plots and card; the same verdicts give the same content.

    Raises Refusal when a gate's evidence is not of the form that the report reads.
    """
    plots: dict[str, list[Plot]] = {"performance": [], "groups": []}
    if config.show_values:
        performance = evidence_of(verdicts, "performance", PerformanceEvidence)
        plots["performance"] = performance_plots(performance, config)
        plots["groups"] = group_plots(evidence_of(verdicts, "fairness", FairnessEvidence))
    drawn = {part: [_drawn(plot) for plot in some if plot.svg] for part, some in plots.items()}
    without = NONE if config.show_values else LEFT_OUT
    return {
        "format": FORMAT,
        "figures": [_figure(line) for line in _measures(verdicts, "performance") if line.interval],
        "performance": _table("What performance judged", _measures(verdicts, "performance")),
        "fairness": _table("What fairness judged", [one for one in _measures(verdicts, "fairness") if one.bound]),
        "plots": drawn,
        "without_plots": "" if any(drawn.values()) else without,
        "card": parts(tree(card)),
    }


def _measures(verdicts: Mapping[str, Verdict], gate: str) -> Sequence[Measure]:
    return verdicts[gate].measures if gate in verdicts else ()


def _figure(line: Measure) -> dict[str, str]:
    """Say one judged measure as a figure with its interval and bound."""
    named = {"measure": line.measure, "value": number_text(line.value), "interval": interval_text(line.interval)}
    return named | {"bound": str(line.bound or ""), "verdict": line.verdict}


def _table(title: str, lines: Sequence[Measure]) -> dict[str, Any]:
    rows = [(said[0], said[1], said[2], said[3], said[4], said[6], said[7], said[8]) for said in map(cells, lines)]
    return {"title": title, "heads": HEADS, "rows": rows, "right": RIGHT}


def _drawn(plot: Plot) -> dict[str, Any]:
    table = {name: getattr(plot.table, name) for name in ("title", "heads", "rows", "right")}
    return {"title": plot.title, **asdict(picture(plot.svg)), "table": table}
