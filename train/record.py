"""After stage 3: write the verdicts on a version, red ones too, into registry and ledger, and keep its report.

Reads   build/verdicts/*.json, build/report/, the registry.
Prints  a table: gate, verdict.
Writes  a line `verdicts` in the ledger and, through it, tags of the version; a line `waiver` for each waiver that let a
        figure pass; the report and the model card beside the version's model.
Exits   0 written, whatever the verdicts; 2 used or set up wrongly; 3 the outside failed.
"""

from collections.abc import Sequence
from pathlib import Path

from train import following, kept
from train.travel import book, ledger
from train.travel.ledger import VERDICTS, WAIVER, Line
from train.view import Version
from validation import contract
from validation.contract import Config
from validation.keys import DATA_GATES, MODEL_GATES
from validation.pages.summary import REPORT, read_summary
from validation.script import YES, Refusal, door, log, parser, result, version_number
from validation.verdicts import Collected, collect
from validation.words.settings import in_force

KEPT = {"report.html": "index.html", "report.md": "report.md", "card.md": "card.md"}  # by their names in the registry


def report_of(version: Version) -> dict[str, Path]:
    """Name the files of the report on a version; none, and a sentence in the log, when there is no such report."""
    try:
        summary = read_summary(REPORT)
    except Refusal as refusal:
        log(f"no report is kept with version {version.number}: {refusal}")
        return {}
    if (summary.version, summary.model_digest) != (version.number, version.digest):
        log(f"no report is kept with version {version.number}: build/report is about version {summary.version}")
        return {}
    return {kept: REPORT.parent / name for kept, name in KEPT.items() if (REPORT.parent / name).is_file()}


def record(config: Config, version: Version, collected: Collected) -> Line:
    """Write down what the gates said of a version, once; return the line that says so."""
    gates = {gate: _said(gate, collected) for gate in (*DATA_GATES, *MODEL_GATES)}
    performance = collected.verdicts.get("performance")
    facts = {
        "version": version.number,
        "model": version.digest,
        "gates": gates,
        "passed": collected.passed,
        "faults": list(collected.faults) if config.show_values else len(collected.faults),
        "against": (performance.champion_digest or "") if performance else "",
        "begins": performance is None or performance.anchor_version is None,
    }
    for line in book.lines():
        if line.event == VERDICTS and line.facts == facts:
            return line
    if report := report_of(version):
        kept.keep_report(version, report)
    lines = [ledger.new(VERDICTS, facts), *_waivers(config, version, collected)]
    noted = book.note_all(lines)
    following.follow(config)
    return noted[0]


def _said(gate: str, collected: Collected) -> str:
    """Say what a gate said; a verdict that stands against the version is no pass, whatever it says of itself."""
    verdict = collected.verdicts.get(gate)
    if verdict is None:
        return "missing"
    red = not verdict.passed or any(fault.startswith(f"{gate}: ") for fault in collected.faults)
    return f"{'fail' if red else 'pass'} {verdict.key}"


def _waivers(config: Config, version: Version, collected: Collected) -> list[Line]:
    """Make a line for each waiver in force that let a figure of this version pass."""
    fairness = collected.verdicts.get("fairness")
    if not fairness or not any(measure.verdict == "waived" for measure in fairness.measures):
        return []
    return [
        ledger.new(
            WAIVER,
            {
                "version": version.number,
                "metric": waiver.metric,
                "by": waiver.by if isinstance(waiver.by, str) else list(waiver.by),
                "owner": waiver.owner,
                "expires": waiver.expires.isoformat(),
            },
            waiver.reason,
        )
        for waiver in config.waivers
        if in_force(waiver)
    ]


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--model-version", type=version_number, required=True, help="the registered version")
    number = options.parse_args(argv).model_version
    config = contract.load()
    version = following.follow(config).version(number)
    line = record(config, version, collect(version, config))
    rows = [f"| {gate} | {said.split()[0]} |" for gate, said in line.facts["gates"].items()]
    head = f"Line {line.number} of the ledger: the verdicts on {config.model.name}, version {number}."
    result("\n".join([head, "", "| gate | verdict |", "| --- | --- |", *rows]))
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
