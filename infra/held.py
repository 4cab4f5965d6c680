"""What a rollback left is held: it is not brought back to that environment until somebody releases it."""

from train.travel import book, history
from train.travel.history import Unit


class HeldError(Exception):
    """A rollback left this unit and nobody released it since: one sentence."""


def must_be_free(environment: str, unit: Unit) -> None:
    """Raise HeldError when a rollback holds a unit back."""
    line = history.hold(book.lines(), environment, unit)
    if line is None:
        return
    left = line.facts["left"]["version"]
    raise HeldError(
        f"version {unit.version} is held in {environment}: {line.actor} rolled it back on {line.time[:16]} UTC because:"
        f" {line.reason}; once it is mended or forgiven, release it by `python -m infra.rollback --environment"
        f' {environment} --release {left} --reason "…"`'
    )
