"""The ledger of the store here, `.mlflow/ledger.jsonl`: read it, and write down what happens."""

from collections.abc import Mapping
from typing import Any

from filelock import FileLock

from train.embedded import STORE
from train.travel import ledger
from train.travel.ledger import Line

BOOK = STORE / ledger.NAME


def lines() -> list[Line]:
    """Return the lines so far; raises LedgerError that names the first bad one."""
    return ledger.read(BOOK)


def note(event: str, facts: Mapping[str, Any], reason: str = "", **known: str) -> Line:
    """Write down what happens now, and return the line as it stands in the ledger."""
    [line] = note_all([ledger.new(event, facts, reason, **known)])
    return line


def note_all(more: list[Line]) -> list[Line]:
    """Write lines down that are not there yet, all or none; return them in their places."""
    if not more:
        return []  # a reader with nothing to write makes no folder
    STORE.mkdir(parents=True, exist_ok=True)
    with FileLock(STORE / "ledger.lock"):
        before = lines()
        grown = ledger.follow(before, more)
        if len(grown) > len(before):
            ledger.write(BOOK, grown)
    return grown[len(before) :]
