"""The report as one page that needs nothing else: no script, no other host."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.view import View
from validation.contract import Config
from validation.pages.blocks import plain
from validation.pages.cells import FAIL
from validation.pages.markdown import NOT_HERE, again, headline, red_gates, waived
from validation.pages.said import Summary
from validation.pages.sections import change_section, gate_sections, lineage_section, rate_section
from validation.verdicts import Collected

TEMPLATE = "report.html"
RED = (FAIL, "FAIL", "missing", "NO, it has expired")


def page(summary: Summary, collected: Collected, view: View, config: Config) -> str:
    """Write the page as HTML; the same verdicts give the same bytes.

    Raises Refusal when a gate's evidence is not of the form that the report reads.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    gates = gate_sections(summary, collected.verdicts, config)
    sections = [change_section(summary), *gates, rate_section(summary), lineage_section(summary, view, config)]
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    environment.finalize = lambda value: plain(value) if type(value) is str else value
    environment.globals |= {"class_of": class_of, "svg": Markup}  # our own drawings; what they quote is escaped there
    return environment.get_template(TEMPLATE).render(
        title=headline(summary),
        summary=summary,
        sections=sections,
        gates=gates,
        waived=waived(summary),
        commands=[again(gate, summary.version) for gate in red_gates(summary)],
        not_here=NOT_HERE.replace("`", ""),
    )


def class_of(head: str, cell: str, right: Sequence[Any]) -> str:
    """Name the classes of a cell: numbers stand right, words of a verdict are coloured as well."""
    if head in ("verdict", "in force", "judged"):
        return f"word {'red' if cell in RED else 'amber' if cell == 'waived' else 'plain'}"
    return "number" if head in right else ""
