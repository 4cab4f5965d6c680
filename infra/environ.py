"""Variables that hold for a while, for whatever reads them, programs that we start included."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def holding(**variables: str | None) -> Iterator[None]:
    """Set variables while the block runs, None for one that is not to be there."""
    before = {name: os.environ.get(name) for name in variables}
    try:
        _set(variables)
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, text in variables.items():
        if text is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = text
