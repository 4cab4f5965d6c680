"""Plots of named things, one under the other: groups, features, slices, columns, error rates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from validation.pages.blocks import plain
from validation.pages.cells import number_text
from validation.pages.svg import CANDIDATE, CHAMPION, INK, SOFT, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS, LONGEST_LABEL = 16, 46  # bars and characters that a screen takes; the table has them all


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value, the ends of its interval; a `faint` one was not judged."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    faint: bool = False


def bars(title: str, says: str, across: str, shown: Sequence[Bar], mark: float | None = None, marked: str = "") -> str:
    """Draw bars with their intervals, label and value above each; `mark` draws a line that is `marked` so."""
    some = shown[:MOST_BARS]

    def draw(axes: "Axes") -> None:
        axes.grid(visible=False, axis="y")
        line = axes.get_yaxis_transform()
        for place, bar in enumerate(some):
            colour = CANDIDATE if bar.value >= 0 else CHAMPION
            fill: dict[str, Any] = (
                {"facecolor": "none", "edgecolor": colour, "hatch": "////"} if bar.faint else {"color": colour}
            )
            axes.barh(place, bar.value, height=0.32, linewidth=1, **fill)
            if bar.low is not None and bar.high is not None:
                axes.plot((bar.low, bar.high), (place, place), color=INK, linewidth=1.4, marker="|", markersize=7)
            axes.text(0, place - 0.24, plain(bar.label, LONGEST_LABEL), transform=line, va="bottom", fontsize=9)
            value = number_text(bar.value)
            axes.text(1, place - 0.24, value, transform=line, va="bottom", ha="right", fontsize=9)
        tops, ends = [place - 0.2 for place in range(len(some))], [place + 0.2 for place in range(len(some))]
        axes.vlines([0] * len(some), tops, ends, color=SOFT, linewidth=0.8)
        if mark is not None:
            axes.vlines([mark] * len(some), tops, ends, color=INK, linestyle=":", linewidth=1.4, label=marked)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=9, borderaxespad=0)
        axes.set(xlabel=plain(across, LONGEST_LABEL), ylim=(len(some) - 0.6, -0.85), yticks=[])
        axes.margins(x=0.02)
        axes.locator_params(axis="x", nbins=5)
        axes.spines["left"].set_visible(False)

    return drawn(title, says, draw, height=0.9 + 0.46 * len(some))
