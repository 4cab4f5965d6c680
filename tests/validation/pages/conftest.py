"""Green runs of each kind of target, and contracts to go with them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.validation.pages.evidence import TARGETS, verdict
from validation.contract import Config
from validation.pages.said import GATES
from validation.verdicts import Collected


@pytest.fixture
def config_of(config: Config) -> Callable[[str], Config]:
    """Put another target into the bundled contract, without asking whether its gates fit."""

    def make(kind: str, **changed: Any) -> Config:
        fields = {name: getattr(config, name) for name in config.__dataclass_fields__}
        fields |= {"target": TARGETS.get(kind, config.target)} | changed
        return SimpleNamespace(**fields, inputs=config.inputs, columns=config.columns)  # type: ignore[return-value]

    return make


@pytest.fixture
def collected_of() -> Callable[..., Collected]:
    """All verdicts of a green run of one kind; each may be replaced, or None to be missing."""

    def make(kind: str = "binary", *faults: str, **replaced: Any) -> Collected:
        verdicts = {gate: verdict(gate, kind) for gate in GATES} | replaced
        return Collected({gate: one for gate, one in verdicts.items() if one is not None}, faults)

    return make
