"""Plots over two axes: what the model says against what is so."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from validation.pages.blocks import Plot, Rows, Table, plain
from validation.pages.cells import interval_text, number_text
from validation.pages.evidence import Bin, Confusion, Curves, Tenth, Threshold
from validation.pages.svg import CANDIDATE, CELL_INK, CHAMPION, INK, LINE, SOFT, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHO = (("champion", CHAMPION, "--"), ("candidate", CANDIDATE, "-"))  # the candidate is drawn last, on top
FEW = 20  # points of a curve that its table lists
MOST_LABELS = 12
LIGHTEST = 1.8  # a share of 1 is drawn in the middle of the scale, so that dark figures stay readable on it


def curve_plots(curves: Mapping[str, Curves]) -> list[Plot]:
    """Draw ROC and precision against recall, of candidate and champion."""
    roc = {who: one.roc for who, one in curves.items() if one.roc}
    recall = {who: one.precision_recall for who, one in curves.items() if one.precision_recall}
    plots = []
    if roc:
        plots.append(_curve("ROC curve", "false positive rate", "true positive rate", roc, diagonal=True))
    if recall:
        plots.append(_curve("Precision and recall", "recall", "precision", recall, diagonal=False))
    return plots


def _curve(
    title: str, across: str, up: str, curves: Mapping[str, Sequence[tuple[float, float]]], diagonal: bool
) -> Plot:
    def draw(axes: "Axes") -> None:
        if diagonal:
            axes.plot((0, 1), (0, 1), color=SOFT, linewidth=1, linestyle=":", label="a coin")
        for who, colour, dash in WHO:
            if who in curves:
                axes.plot(*zip(*curves[who], strict=True), color=colour, linestyle=dash, linewidth=2, label=who)
        axes.set(xlabel=across, ylabel=up, xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(loc="lower right" if diagonal else "lower left")

    rows = []
    for who in reversed([who for who, *_ in WHO if who in curves]):
        points = curves[who]
        some = sorted({round(place * (len(points) - 1) / FEW) for place in range(FEW + 1)})
        rows += [(who, number_text(points[at][0]), number_text(points[at][1])) for at in some]
    says = f"{up} against {across}, of {' and '.join(reversed([who for who, *_ in WHO if who in curves]))}"
    return Plot(title, drawn(title, says, draw), Table(f"{title}: points", ("of", across, up), rows, (across, up)))


def calibration_plot(bins: Mapping[str, Sequence[Bin]], about: str) -> list[Plot]:
    """Draw what the model says against the share that is so; `about` names what the probability is of."""
    known = [(who, colour) for who, colour, _ in WHO if bins.get(who)]
    if not known:
        return []

    def draw(axes: "Axes") -> None:
        axes.plot((0, 1), (0, 1), color=SOFT, linewidth=1, linestyle=":", label="exactly calibrated")
        for who, colour in known:
            points = bins[who]
            ends = ([max(p.share - p.low, 0) for p in points], [max(p.high - p.share, 0) for p in points])
            own = who == "candidate"
            axes.errorbar(
                [p.mean for p in points], [p.share for p in points], yerr=ends, color=colour, linewidth=1.2,
                linestyle="none", marker="o" if own else "s", markersize=5, capsize=2, label=who,
                markerfacecolor=colour if own else "white",
            )  # fmt: skip
        axes.set(xlabel="said by the model", ylabel="share that is so", xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        axes.legend(loc="upper left")

    rows = [
        (who, number_text(p.mean), number_text(p.share), interval_text((p.low, p.high)), str(p.n))
        for who, _ in reversed(known)
        for p in bins[who]
    ]
    title = "Calibration"
    heads = ("of", "said", "is so", "95 % interval", "rows")
    says = f"{about}: what the model says, by tenths, against the share of rows that is so, with 95 % intervals"
    return [Plot(title, drawn(title, says, draw), Table(f"{title}: bins", heads, rows, ("said", "is so", "rows")))]


SHARES = (("precision", "-", "o"), ("recall", "--", "s"), ("accuracy", "-.", "^"), ("selected", ":", "D"))


def threshold_plot(thresholds: Sequence[Threshold]) -> list[Plot]:
    """Draw what each threshold gives."""
    if not thresholds:
        return []

    def draw(axes: "Axes") -> None:
        for (share, dash, marker), colour in zip(SHARES, (CANDIDATE, CHAMPION, INK, SOFT), strict=True):
            points = [(one.threshold, getattr(one, share)) for one in thresholds if getattr(one, share) is not None]
            if points:
                across, up = zip(*points, strict=True)
                axes.plot(across, up, color=colour, linestyle=dash, marker=marker, markersize=4, label=share)
        axes.set(xlabel="threshold", ylabel="share", ylim=(0, 1.02))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, columnspacing=1, handlelength=1.6, fontsize=9)

    heads = ("threshold", "selected", "precision", "recall", "false positive rate", "accuracy")
    rows: Rows = [
        tuple(
            number_text(value)
            for value in (one.threshold, one.selected, one.precision, one.recall, one.false_positive_rate, one.accuracy)
        )
        for one in thresholds
    ]
    title = "Thresholds"
    says = "precision, recall, accuracy and share of selected rows by the threshold from which a row is selected"
    return [Plot(title, drawn(title, says, draw), Table("What each threshold gives", heads, rows, heads))]


def confusion_plot(confusion: Confusion | None) -> list[Plot]:
    """Draw how many rows of each true label were given each label; many labels are left to the table."""
    if confusion is None:
        return []
    labels, counts = confusion.labels, confusion.counts
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]

    def draw(axes: "Axes") -> None:
        axes.grid(visible=False)
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=LIGHTEST, edgecolors="white", linewidth=2)
        for down, row in enumerate(counts):
            for across, count in enumerate(row):
                axes.text(across + 0.5, down + 0.5, f"{count:,}", ha="center", va="center", color=CELL_INK)
        middle, shown = [place + 0.5 for place in range(len(labels))], [plain(label, 12) for label in labels]
        axes.set_xticks(middle, shown)
        axes.set_yticks(middle, shown)
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.set(xlabel="chosen", ylabel="true")
        axes.spines[:].set_visible(False)

    title = "Confusion"
    heads = ("true label", *(f"chosen {label}" for label in labels))
    rows: Rows = [(label, *(str(count) for count in row)) for label, row in zip(labels, counts, strict=False)]
    says = "rows by true label, down, and by the label that the model chose, across"
    svg = drawn(title, says, draw) if len(labels) <= MOST_LABELS else ""
    return [Plot(title, svg, Table("Rows by true and chosen label", heads, rows, heads[1:]))]


def residual_plot(tenths: Sequence[Tenth], unit: str) -> list[Plot]:
    """Draw by how much outcomes differ from predictions, along the predictions."""
    if not tenths:
        return []

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=LINE, linewidth=1.5)
        ends = ([max(t.median - t.low, 0) for t in tenths], [max(t.high - t.median, 0) for t in tenths])
        axes.errorbar(
            [t.mean for t in tenths], [t.median for t in tenths], yerr=ends, color=CANDIDATE, marker="o",
            linestyle="none", capsize=3,
        )  # fmt: skip
        axes.set(xlabel=plain(f"prediction, {unit}", 46), ylabel="outcome minus prediction")

    title = "Residuals"
    heads = ("mean prediction", "10 %", "median", "90 %", "rows")
    rows: Rows = [(*(number_text(value) for value in (t.mean, t.low, t.median, t.high)), str(t.n)) for t in tenths]
    says = "outcome minus prediction by tenths of the prediction: median, with the range from 10 % to 90 % of the rows"
    return [Plot(title, drawn(title, says, draw), Table("Residuals by tenths of the prediction", heads, rows, heads))]
