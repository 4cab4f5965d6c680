"""What the page is made of: sections that hold sentences, tables and plots (stdlib only)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

Rows = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its head, the columns named `right` hold numbers.

    `title` names it among all tables of the page. `folded` ones open on a click.
    """

    title: str
    heads: tuple[str, ...]
    rows: Rows
    right: tuple[str, ...] = ()
    folded: bool = False

    def without_empty_columns(self) -> "Table":
        """Return the table without the columns in which no row says anything."""
        kept = [place for place in range(len(self.heads)) if place == 0 or any(row[place] for row in self.rows)]
        heads = tuple(self.heads[place] for place in kept)
        return replace(self, heads=heads, rows=[tuple(row[place] for place in kept) for row in self.rows])


@dataclass(frozen=True)
class Plot:
    """A drawing (SVG that is safe to include) and the table of what it shows."""

    title: str
    svg: str
    table: Table


@dataclass(frozen=True)
class Section:
    """A part of the page with its heading; `word` is its verdict in a word, where it has one."""

    name: str
    title: str
    word: str = ""
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = field(default=())


def plain(text: str, longest: int | None = None) -> str:
    """Make a text one line that can be written down; `longest` cuts it."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if longest is None or len(line) <= longest else line[: longest - 1] + "…"
