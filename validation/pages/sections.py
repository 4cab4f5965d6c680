"""The parts of the page, one by one: each gate, what changed, how often the gates err, where the model comes from."""

from collections.abc import Mapping, Sequence

from train.view import View
from validation.contract import Config
from validation.gate import Verdict
from validation.keys import DATA_GATES, MODEL_GATES
from validation.pages import plots
from validation.pages.blocks import Plot, Rows, Section, Table
from validation.pages.cells import HEADS, RIGHT, number_text
from validation.pages.changed import RATE_HEADS, against, rate_row, sentences, tables, unproven, unwanted
from validation.pages.evidence import (
    BehaviourEvidence,
    Costs,
    FairnessEvidence,
    Metric,
    ParityEvidence,
    PerformanceEvidence,
    evidence_of,
)
from validation.pages.markdown import SHOWN, texts
from validation.pages.said import GateSaid, Line, Summary

TELLS = {
    "performance": "Is it good enough, and no worse than the model in service? On rows that never train.",
    "fairness": "Does it treat groups alike? By each sensitive column, on the same rows.",
    "behaviour": "Does it behave as people expect, whatever its figures?",
    "parity": "Does the service compute what training computed, and what does it cost?",
    "schema": "Does every row keep the contract?",
    "dataset": "Does the table as a whole keep its promises?",
}
# A narrow screen shows the first columns only
ORDER = (*HEADS[:1], "verdict", *(head for head in HEADS[1:] if head != "verdict"))
METRIC_HEADS = ("metric", "better", "candidate", "champion")


def gate_sections(summary: Summary, verdicts: Mapping[str, Verdict], config: Config) -> list[Section]:
    """Write a section for each gate, those on the model first."""
    performance = evidence_of(verdicts, "performance", PerformanceEvidence)
    fairness = evidence_of(verdicts, "fairness", FairnessEvidence)
    behaviour = evidence_of(verdicts, "behaviour", BehaviourEvidence)
    cost = evidence_of(verdicts, "parity", ParityEvidence).cost
    drawn: dict[str, list[Plot]] = {
        "performance": plots.performance_plots(performance, config),
        "fairness": plots.group_plots(fairness),
        "behaviour": plots.behaviour_plots(behaviour),
    }
    more: dict[str, list[Table]] = {"performance": [*_metrics("All metrics", performance.metrics)]}
    if performance.window is not None:
        title = f"On {performance.window.rows} rows that came after the freeze"
        more["performance"] += _metrics(title, performance.window.metrics)
    if fairness.waivers:
        rows: Rows = [
            (one.measure, one.owner, one.expires, "yes" if one.in_force else "NO, it has expired", one.reason)
            for one in fairness.waivers
        ]
        more["fairness"] = [Table("Waivers", ("measure", "owner", "expires", "in force", "reason"), rows)]
    if behaviour.cases:
        rows = [(one.case, one.expected, one.got, "held" if one.held else "FAIL") for one in behaviour.cases]
        more["behaviour"] = [Table("Cases that people wrote", ("case", "expected", "got", "verdict"), rows)]
    if cost is not None:
        more["parity"] = [_cost(cost)]
    said: dict[str, GateSaid] = {gate.gate: gate for gate in summary.gates}
    return [_gate(said[gate], drawn.get(gate, []), more.get(gate, [])) for gate in (*MODEL_GATES, *DATA_GATES)]


def word_of(gate: GateSaid) -> str:
    """Say a gate's verdict in a word."""
    return "missing" if gate.passed is None else "pass" if gate.passed else "FAIL"


def _gate(gate: GateSaid, drawn: Sequence[Plot], more: Sequence[Table]) -> Section:
    said = [TELLS[gate.gate]]
    if gate.passed is None:
        said.append("Its verdict is missing: nothing is known, so nothing is proven.")
    judged = [_row(line) for line in gate.measures if line.verdict not in SHOWN]
    shown = [_row(line) for line in gate.measures if line.verdict in SHOWN]
    found = [Table(f"What {gate.gate} judged", ORDER, judged, RIGHT)] if judged else []
    if shown:
        found.append(Table(f"What {gate.gate} shows and nothing judges", ORDER, shown, RIGHT, folded=True))
    whole = [table.without_empty_columns() for table in (*found, *more)]
    return Section(gate.gate, gate.gate.capitalize(), word_of(gate), said, whole, drawn)


def _row(line: Line) -> tuple[str, ...]:
    named = dict(zip(HEADS, texts(line), strict=True))
    return tuple(named[head] for head in ORDER)


def _metrics(title: str, metrics: Sequence[Metric]) -> list[Table]:
    rows: Rows = [
        (
            one.metric,
            {"up": "higher", "down": "lower"}.get(one.better, ""),
            number_text(one.candidate),
            "" if one.champion is None else number_text(one.champion),
        )
        for one in metrics
    ]
    return [Table(title, METRIC_HEADS, rows, METRIC_HEADS[2:])] if rows else []


def _cost(cost: Costs) -> Table:
    def cells(*values: float | None) -> tuple[str, ...]:
        return tuple("" if value is None else number_text(value) for value in values)

    rows: Rows = [
        ("size of the graph, bytes", *cells(cost.bytes, cost.champion_bytes), _ratio(cost.bytes, cost.champion_bytes)),
        ("one row, microseconds", *cells(cost.row_microseconds_per_row, None, cost.row_ratio)),
        ("a row of a batch, microseconds", *cells(cost.batch_microseconds_per_row, None, cost.batch_ratio)),
    ]
    heads = ("cost", "candidate", "champion", "ratio")
    return Table("What it costs", heads, rows, heads[1:])


def _ratio(mine: int, theirs: int | None) -> str:
    return number_text(mine / theirs) if theirs else ""


def change_section(summary: Summary) -> Section:
    """Write what changed against the champion, or why nothing is compared."""
    changes = summary.changes
    if changes is None:
        return Section("changes", "Against the champion", sentences=[against(summary)])
    made = {title: Table(title, heads, rows, heads[1:]) for title, heads, rows in tables(summary)}
    data = made.pop("Training data", None)
    drawn = plots.data_plot(changes.data or [], data) if data else []  # none where nothing moved
    said = [against(summary), *sentences(changes)]
    return Section("changes", f"Changed against version {changes.against}", "", said, list(made.values()), drawn)


def rate_section(summary: Summary) -> Section:
    """Write how often the gates err, as measured, or why nobody knows."""
    rates = summary.calibration
    title = "How often these gates err"
    if rates is None or not rates.current:
        why = "It was not measured" if rates is None else "It was measured under other bounds, code or data"
        return Section("rates", title, sentences=[f"{why}; make calibrate does it."])
    said = ["Simulated candidates whose truth is known went through the gates: so many passed.", unwanted(rates)]
    said.append(unproven(rates))
    table = Table("Error rates of the gates", RATE_HEADS, [rate_row(one) for one in rates.lines], ("passed", "trials"))
    word = "not as wanted" if unwanted(rates) else "pass"
    return Section("rates", title, word, [one for one in said if one], plots=plots.rate_plot(rates.lines, table))


def lineage_section(summary: Summary, view: View, config: Config) -> Section:
    """Write where the model comes from and what it was held against."""
    version = view.version(summary.version)
    facts = [
        ("model", f"{summary.model}, version {summary.version}"),
        ("model digest", version.digest),
        ("run", version.run_id),
        ("commit", summary.commit),
        ("data", config.data),
        ("data digest", summary.data_digest),
        ("test part", version.tags.get("test-part", "")),
        ("lock digest", version.tags.get("lock-digest", "")),
        ("champion", _other(view, summary.champion)),
        ("anchor", _other(view, summary.anchor)),
    ]
    rows: Rows = [(name, value or "unknown") for name, value in facts]
    return Section(
        "lineage",
        "Lineage",
        sentences=["Where the model comes from."],
        tables=[Table("Origin and comparison", ("what", "which"), rows)],
    )


def _other(view: View, number: int | None) -> str:
    if number is None:
        return "none"
    other = view.versions.get(number)
    return f"version {number}, digest {other.digest}" if other else f"version {number}"
