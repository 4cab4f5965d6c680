"""What a cell of a CSV says where a number is wanted: one grammar for /invocations and for batch, on whatever machine.

An empty cell is missing. A word for no number or for no end (nan, inf) is a text, and so is what only some languages
read as a number (1_000, 0x10); spaces around it are nothing.
"""

import re

NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
SPACES = " \t\n\v\f\r"  # those that pyarrow's ascii_trim_whitespace takes away
_whole = re.compile(NUMBER).fullmatch


def number(text: str) -> float | str | None:
    """Read a cell; a text that is no number stays one, for the contract to refuse."""
    held = text.strip(SPACES)
    return (float(held) if _whole(held) else held) if held else None
