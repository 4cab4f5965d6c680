"""Draw with matplotlib into SVG that stands in the page: the same input gives the same bytes."""

import html
import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from validation.pages.blocks import plain
from validation.script import digest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 4.4  # inches: drawn for a phone, two side by side on a wide screen
CANDIDATE, CHAMPION, INK, SOFT, LINE = "#1f5fa8", "#a3500a", "#1c2126", "#59636e", "#d5dae0"
GRID = "#e9ecef"
CELL_INK = "#10151a"  # on coloured cells, which are light in the dark as well
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the reader's font
    "text.parse_math": False,  # a value with two $ is no formula
    "font.size": 10,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
}


def drawn(title: str, says: str, draw: Callable[["Axes"], None], height: float = 3.4) -> str:
    """Draw on one pair of axes, `height` inches high; return SVG with `title` and what it `says` for screen readers."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    title, says = plain(title), plain(says)
    name = "p" + digest(title.encode())[:10]  # the ids of all drawings share one page
    file = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the font that measures lacks a letter, the reader's will have it
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        figure.savefig(file, format="svg", metadata=nothing, transparent=True)
    return _standing(file.getvalue(), name, title, says)


def _standing(svg: str, name: str, title: str, says: str) -> str:
    """Take away what only a file of its own needs; name the drawing."""
    body = svg[svg.index("<svg") :]
    first, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', first)
    rest = re.sub(r'<g id="[^"]*"', "<g", rest)
    return (
        f'<svg {box[0] if box else ""} role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{html.escape(title)}</title><desc id="{name}-d">{html.escape(says)}</desc>{rest}'
    )
