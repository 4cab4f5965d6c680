"""The plots of each gate, from what it left; a gate that left nothing has none."""

from collections.abc import Sequence
from itertools import groupby

from validation.contract import Config
from validation.pages.bars import Bar, bars
from validation.pages.blocks import Plot, Rows, Table
from validation.pages.cells import interval_text, number_text
from validation.pages.curves import calibration_plot, confusion_plot, curve_plots, residual_plot, threshold_plot
from validation.pages.evidence import BehaviourEvidence, Contributions, FairnessEvidence, PerformanceEvidence
from validation.pages.said import Moved, Rate
from validation.words.columns import Binary, Quantity

TOO_SMALL = " (too small to be judged)"
EVERY = "all conditions"  # what calibration calls the gate as a whole
FEATURES_OF_A_ROW = 7  # drawn; the smaller ones are added up


def performance_plots(evidence: PerformanceEvidence, config: Config) -> list[Plot]:
    """Draw how good the model is."""
    target = config.target
    about = f"Probability of {target.positive}" if isinstance(target, Binary) else "Confidence of the chosen label"
    unit = target.unit if isinstance(target, Quantity) else ""
    return [
        *curve_plots(evidence.curves),
        *calibration_plot(evidence.calibration, about),
        *threshold_plot(evidence.thresholds),
        *confusion_plot(evidence.confusion),
        *residual_plot(evidence.residuals, unit or "in its unit"),
    ]


def group_plots(evidence: FairnessEvidence) -> list[Plot]:
    """Draw each rate by group, with intervals; groups that were too small are hatched."""
    plots = []
    ordered = sorted(evidence.groups, key=lambda group: (group.by, group.rate))
    for (by, rate), groups in groupby(ordered, key=lambda group: (group.by, group.rate)):
        some = list(groups)
        shown = [
            Bar(one.group + TOO_SMALL * (not one.judged), one.value, one.low, one.high, faint=not one.judged)
            for one in some
            if one.value is not None
        ]
        title = f"{rate.capitalize()} by {by}"
        rows: Rows = [
            (one.group, number_text(one.value), _ends(one.low, one.high), str(one.n), "yes" if one.judged else "no")
            for one in some
        ]
        says = f"{rate} of each group by {by}, with 95 % intervals"
        heads = ("group", rate, "95 % interval", "rows", "judged")
        table = Table(f"{title}: groups", heads, rows, (rate, "rows"))
        plots.append(Plot(title, bars(title, says, rate, shown) if shown else "", table))
    return plots


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else interval_text((low, high))


def behaviour_plots(evidence: BehaviourEvidence) -> list[Plot]:
    """Draw what the model goes by, for all rows and for a few, and where it is worst."""
    return [*_importances(evidence), *_slices(evidence), *(_row(one) for one in evidence.contributions)]


def _importances(evidence: BehaviourEvidence) -> list[Plot]:
    if not evidence.importances:
        return []
    title, says = "What the model goes by", "rise of the loss when a feature is shuffled among rows, with intervals"
    shown = [Bar(one.feature, one.rise, one.low, one.high) for one in evidence.importances]
    rows: Rows = [
        (one.feature, number_text(one.rise), interval_text((one.low, one.high))) for one in evidence.importances
    ]
    table = Table(f"{title}: features", ("feature", "rise of the loss", "interval"), rows, ("rise of the loss",))
    return [Plot(title, bars(title, says, "rise of the loss", shown), table)]


def _slices(evidence: BehaviourEvidence) -> list[Plot]:
    if not evidence.slices:
        return []
    title, says = "Where it is worst", "loss on the worst slices found, with intervals, against the loss on all rows"
    shown = [Bar(one.slice, one.loss, one.low, one.high) for one in evidence.slices]
    rows: Rows = [
        (one.slice, str(one.rows), number_text(one.loss), interval_text((one.low, one.high)), number_text(one.overall))
        for one in evidence.slices
    ]
    table = Table(
        "The worst slices", ("slice", "rows", "loss", "interval", "all rows"), rows, ("rows", "loss", "all rows")
    )
    return [Plot(title, bars(title, says, "loss", shown, evidence.slices[0].overall, "all rows"), table)]


def _row(one: Contributions) -> Plot:
    """Draw what each feature adds to the output of one row."""
    largest, rest = one.features[:FEATURES_OF_A_ROW], one.features[FEATURES_OF_A_ROW:]
    shown = [Bar(f"{part.feature} = {part.value}", part.contribution) for part in largest]
    if rest:
        shown.append(Bar(f"{len(rest)} others", sum(part.contribution for part in rest)))
    title = f"{one.row[:1].upper()}{one.row[1:]}: from {number_text(one.base)} to {number_text(one.output)}"
    says = "what each feature adds to the base, or takes from it, to give the output of this row"
    rows: Rows = [(part.feature, part.value, number_text(part.contribution)) for part in one.features]
    table = Table(f"{title}: features", ("feature", "value", "adds"), rows, ("adds",))
    return Plot(title, bars(title, says, "adds to the output", shown), table)


def data_plot(data: Sequence[Moved], table: Table) -> list[Plot]:
    """Draw how far each column's training data moved from the champion's; nothing where none moved."""
    shown = [Bar(one.column, one.psi) for one in data if one.psi is not None]
    if not any(bar.value for bar in shown):
        return []
    title, says = "Training data", "population stability index of each column against the champion's training data"
    return [Plot(title, bars(title, says, "PSI", shown, 0.1, "moved from 0.1"), table)]


def rate_plot(rates: Sequence[Rate], table: Table) -> list[Plot]:
    """Draw the share of trials that passed, with intervals."""
    shown = [
        Bar(one.what if one.measure == EVERY else f"{one.what}, {one.measure}", one.passed, one.low, one.high)
        for one in rates
        if one.passed is not None
    ]
    if not shown:
        return []
    title, says = "Share of trials that passed", "share of simulated candidates that passed, with 95 % intervals"
    return [Plot(title, bars(title, says, "share that passed", shown), table)]
