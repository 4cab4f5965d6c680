"""Stage 3: one report of all verdicts on one version. It measures nothing; it only reads.

Reads   build/verdicts/*.json, the registry.
Prints  the report in Markdown: the verdict first, then every table.
Writes  build/report/index.html, the same as one page.
Exits   0 every gate passed, 1 one is red or its verdict is missing or about something else, 2 used or set up wrongly.
"""

import html
from collections.abc import Sequence

from train import registry
from train.view import Version
from validation import contract
from validation.gate import Measure
from validation.keys import DATA_GATES, MODEL_GATES
from validation.pages.cells import HEADS, cell_text, cells, table
from validation.script import BUILD, NO, YES, door, log, parser, result, version_number, writing
from validation.verdicts import Collected, collect

PAGE = BUILD / "report" / "index.html"


def headline(version: Version, collected: Collected, model: str) -> str:
    """Say the verdict in one sentence."""
    if collected.passed:
        return f"{model}, version {version.number}: every gate passed"
    return f"{model}, version {version.number}: NOT to be promoted"


def markdown(version: Version, collected: Collected, model: str) -> str:
    """Write the report as Markdown."""
    lines = [f"## {headline(version, collected, model)}", ""]
    lines += [f"- {cell_text(fault)}" for fault in collected.faults]
    if collected.faults:
        lines += [
            "",
            f"Again on a laptop: `make <gate> MODEL_VERSION={version.number}`; what to do: docs/runbook.md.",
            "",
        ]
    champion = collected.verdicts["performance"].champion_version if "performance" in collected.verdicts else None
    lines += [f"Model digest `{version.digest}`, data digest `{version.tags.get('data-digest', '')}`.", ""]
    lines += [f"Compared with the champion, version {champion}." if champion else "Compared with no champion.", ""]
    for gate in (*DATA_GATES, *MODEL_GATES):
        verdict = collected.verdicts.get(gate)
        if verdict is None:
            lines += [f"### {gate.capitalize()}: FAIL", "", "Its verdict is missing.", ""]
        else:
            lines += [f"### {gate.capitalize()}: {'pass' if verdict.passed else 'FAIL'}", "", table(verdict.measures)]
    return "\n".join(lines).rstrip() + "\n"


def page(version: Version, collected: Collected, model: str) -> str:
    """Write the report as one self-contained page."""
    title = html.escape(headline(version, collected, model))
    parts = [f"<h1 class={'pass' if collected.passed else 'fail'}>{title}</h1>"]
    if collected.faults:
        parts.append("<ul>" + "".join(f"<li>{html.escape(fault)}</li>" for fault in collected.faults) + "</ul>")
    parts.append(f"<p>Model digest <code>{html.escape(version.digest)}</code></p>")
    for gate in (*DATA_GATES, *MODEL_GATES):
        verdict = collected.verdicts.get(gate)
        word = "pass" if verdict is not None and verdict.passed else "fail"
        parts.append(f"<h2>{gate.capitalize()}: <span class={word}>{word}</span></h2>")
        if verdict is not None:
            parts.append(
                f'<div class="scroll" tabindex="0" role="region" aria-label="{gate}">{_rows(verdict.measures)}</div>'
            )
    return PAGE_TEMPLATE.format(title=title, body="\n".join(parts))


def _rows(measures: Sequence[Measure]) -> str:
    rows = ["".join(f"<td class={line.verdict}>{html.escape(cell)}</td>" for cell in cells(line)) for line in measures]
    head_row = "".join(f"<th scope=col>{head}</th>" for head in HEADS)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head_row}</tr></thead><tbody>{body}</tbody></table>"


PAGE_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }}
body {{ color: #1a1a1a; background: #fff }} table {{ border-collapse: collapse; font-size: 14px }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left }}
td:nth-child(3), td:nth-child(7) {{ text-align: right; font-variant-numeric: tabular-nums }}
.scroll {{ overflow-x: auto }} code {{ overflow-wrap: anywhere }}
h1.pass, span.pass {{ color: #12652f }} h1.fail, span.fail {{ color: #a3121e }}
td.fail {{ background: #fdecee }} td:nth-child(8) {{ font-weight: 700 }}
</style></head><body>
{body}
</body></html>
"""


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--model-version", type=version_number, required=True, help="the registered version")
    number = options.parse_args(argv).model_version
    config = contract.load()
    version = registry.view(config).version(number)
    collected = collect(version, config)
    with writing(PAGE) as file:
        file.write(page(version, collected, config.model.name))
    bounds = "".join(f"- bounds changed: {cell_text(change)}\n" for change in config.changed)
    result((bounds and bounds + "\n") + markdown(version, collected, config.model.name))
    for fault in collected.faults:
        log(fault)
    return YES if collected.passed else NO


if __name__ == "__main__":
    raise SystemExit(main())
