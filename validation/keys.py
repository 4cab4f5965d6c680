"""The key of a verdict: a digest of everything its gate looks at. Another key, another verdict."""

from collections.abc import Callable
from typing import Any

from train.view import Version
from validation.code import code_digest, file_digest
from validation.contract import Config
from validation.script import digest_of
from validation.words.behaviours import Cases
from validation.words.settings import in_force

# What each gate reads of config.py, beside the columns
BOUNDS: dict[str, Callable[[Config], Any]] = {
    "schema": lambda config: config.show_values,
    "dataset": lambda config: config.dataset,
    "performance": lambda config: (config.performance, config.looks, config.seed),
    "fairness": lambda config: (
        config.fairness,
        config.groups,
        config.sensitive,
        [(waiver, in_force(waiver)) for waiver in config.waivers],
        config.seed,
    ),
    "behaviour": lambda config: (config.behaviour, config.seed),
    "parity": lambda config: (config.parity, config.cost, config.seed, config.model.runtime),
}
DATA_GATES = ("schema", "dataset")
MODEL_GATES = ("performance", "fairness", "behaviour", "parity")


def key_of(gate: str, config: Config, data: str, version: Version | None = None) -> str:
    """Name all that a gate looks at: data (their digest), columns, bounds, code, and for a model gate the version."""
    facts: dict[str, Any] = {
        "data": [config.data, data],
        "columns": repr((config.features, config.target, config.key)),
        "bounds": repr(BOUNDS[gate](config)),
        "code": code_digest(f"validation/{gate}.py"),
    }
    if gate == "dataset":
        facts["reference"] = file_digest(config.reference)
    if gate == "behaviour":
        facts["cases"] = [file_digest(rule.file) for rule in config.behaviour if isinstance(rule, Cases)]
    if version is not None:
        facts["model"] = [version.number, version.digest]
        facts["test part"] = file_digest(config.split.test_part)
    return digest_of(facts)
