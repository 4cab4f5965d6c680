"""A part of the tests, for machines that share them: whole files, dealt out by turns."""

import re
from collections.abc import Sequence
from typing import TypeVar

File = TypeVar("File")


def part_of(files: Sequence[File], told: str) -> list[File]:
    """Take the files of a part, told as `2/4`, the second of four; all of them where nothing is told.

    Raises ValueError when it is no part.
    """
    if not told:
        return list(files)
    found = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", told)
    number, parts = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= parts:
        raise ValueError(f"PART={told} is no part; the second of four is PART=2/4")
    return list(files[number - 1 :: parts])
