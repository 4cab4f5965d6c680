"""All verdicts on one version together: what is missing, red, or about something else (stdlib only)."""

from collections.abc import Mapping
from dataclasses import dataclass

from train.view import Version
from validation.gate import VERDICTS, Verdict, read, sentences
from validation.script import Refusal

DATA_GATES = ("schema", "dataset")
MODEL_GATES = ("performance", "fairness", "behaviour", "parity")


@dataclass(frozen=True)
class Collected:
    """The verdicts that could be read, by gate, and a sentence for everything that stands against the version."""

    verdicts: Mapping[str, Verdict]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Tell whether nothing stands against the version."""
        return not self.faults


def collect(version: Version) -> Collected:
    """Hold every gate's verdict against the version: one that is missing, red or of another model is a fault."""
    verdicts: dict[str, Verdict] = {}
    faults: list[str] = []
    for gate in (*DATA_GATES, *MODEL_GATES):
        try:
            verdict = read(VERDICTS / f"{gate}.json")
        except Refusal as refusal:
            faults.append(f"{gate}: {refusal}")
            continue
        verdicts[gate] = verdict
        faults += _strangeness(verdict, version) or sentences(verdict)
    return Collected(verdicts, tuple(faults))


def _strangeness(verdict: Verdict, version: Version) -> list[str]:
    """Say whether a verdict is about other data or another model than this version's."""
    again = f"run `make {verdict.gate}` again"
    if verdict.data_digest != version.tags.get("data-digest"):
        return [f"{verdict.gate}: the verdict is about other data than version {version.number} was fitted on; {again}"]
    if verdict.gate in DATA_GATES:
        return []
    if (verdict.model_version, verdict.model_digest) != (version.number, version.digest):
        return [f"{verdict.gate}: the verdict is about another model than version {version.number}; {again}"]
    return []
