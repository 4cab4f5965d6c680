"""A drawing of the report as a picture of its own: small, in the reader's font, dark in the dark."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from validation.pages.svg import CANDIDATE, CHAMPION, GRID, INK, LINE, SOFT

NAMESPACE = "http://www.w3.org/2000/svg"
# Each colour of the drawings by a name, and what it is in the dark; the panel around is the page's
COLOURS = {
    CANDIDATE: ("own", "#7db4f5"),
    CHAMPION: ("other", "#e8a36b"),
    INK: ("ink", "#e6eaee"),
    SOFT: ("soft", "#a6b0bb"),
    LINE: ("line", "#3d4651"),
    GRID: ("grid", "#2a323b"),
    "#ffffff": ("paper", "#1b2128"),
}
FONT = "system-ui,-apple-system,'Segoe UI','Noto Sans','Liberation Sans',sans-serif"
STYLE = (
    ":root{" + ";".join(f"--{name}:{light}" for light, (name, _) in COLOURS.items()) + "}"
    "@media(prefers-color-scheme:dark){:root{" + ";".join(f"--{name}:{dark}" for name, dark in COLOURS.values()) + "}}"
    f"text{{font-family:{FONT}}}"
)
PLACES = re.compile(r'\b(d|x|y|transform)="([^"]*)"')
LONG = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is finer than any screen
FAMILY = re.compile(r" font-family: [^;\"]*;?")
STYLES = re.compile(r'style="[^"]*"')


@dataclass(frozen=True)
class Picture:
    """An SVG file with its size, and what it says to who does not see it."""

    svg: str
    says: str
    width: float
    height: float


def picture(svg: str) -> Picture:
    """Make a drawing a file of its own."""
    first, rest = svg.split(">", 1)
    rest = PLACES.sub(_placed, rest)
    rest = STYLES.sub(lambda found: _coloured(FAMILY.sub("", found[0])), rest)
    rest = re.sub(r">\s+<", "><", rest)
    opened = f'{first} xmlns="{NAMESPACE}" xmlns:xlink="http://www.w3.org/1999/xlink"'
    whole = f"{opened}><style>{STYLE}</style>{rest.strip()}"
    read = ElementTree.fromstring(whole)  # noqa: S314  our own drawing
    *_, width, height = map(float, read.attrib["viewBox"].split())
    return Picture(whole, read.findtext(f"{{{NAMESPACE}}}desc") or "", width, height)


def _placed(found: re.Match[str]) -> str:
    return f'{found[1]}="{LONG.sub(lambda number: number[1], " ".join(found[2].split()))}"'


def _coloured(style: str) -> str:
    for colour, (name, _) in COLOURS.items():
        style = style.replace(colour, f"var(--{name})")
    return style
