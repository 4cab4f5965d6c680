"""The three answers of the doctor: fine, missing with its fix, cannot see with the reason (stdlib only)."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from validation.pages.cells import cell_text

FINE, MISSING, UNSEEN = "fine", "missing", "cannot see"
HEADS = ("check", "answer", "fix")


@dataclass(frozen=True)
class Answer:
    """What a check says; `needed`: without it the chain stops; `failed`: the platform did not answer as it should."""

    said: str
    text: str
    fix: str = ""
    needed: bool = False
    failed: bool = False


def fine(text: str) -> Answer:
    """Say that nothing is missing."""
    return Answer(FINE, text)


def missing(text: str, fix: str, needed: bool = False) -> Answer:
    """Say what is missing, and the fix, in Markdown."""
    return Answer(MISSING, text, fix, needed)


def unseen(text: str, fix: str = "", failed: bool = False) -> Answer:
    """Say why nothing can be said, and who could."""
    return Answer(UNSEEN, text, fix, failed=failed)


def code(command: str) -> str:
    """Show a command as code in a cell; what was read elsewhere and is no plain word cannot end the code."""
    return f"`{re.sub(r'[`|]|[^ -~…]', '?', command)}`"


def order(answers: dict[str, Answer]) -> list[tuple[str, Answer]]:
    """Sort checks: what stops the chain, what else is missing, what cannot be seen, what is fine."""
    ranks = (MISSING, UNSEEN, FINE)
    return sorted(answers.items(), key=lambda it: (not it[1].needed, ranks.index(it[1].said)))


def table(answers: Sequence[tuple[str, Answer]]) -> str:
    """Write checks as a Markdown table: check, answer, fix; neighbours that say the same share a line."""
    lines = ["| " + " | ".join(HEADS) + " |", "| --- | --- | --- |"]
    for answer, group in itertools.groupby(answers, key=lambda it: it[1]):
        said = f"**{answer.said}**" if answer.needed else answer.said
        lines.append(f"| {', '.join(check for check, _ in group)} | {said}: {cell_text(answer.text)} | {answer.fix} |")
    return "\n".join(lines)
