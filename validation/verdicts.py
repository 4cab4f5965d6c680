"""All verdicts on one version together: what is missing, red, or about something else (stdlib only)."""

from collections.abc import Mapping
from dataclasses import dataclass

from train.view import Version
from validation.asked import unanswered
from validation.contract import Config
from validation.gate import VERDICTS, Verdict, read, sentences
from validation.keys import DATA_GATES, MODEL_GATES, key_of
from validation.script import Refusal


@dataclass(frozen=True)
class Collected:
    """The verdicts that could be read, by gate, and a sentence for everything that stands against the version."""

    verdicts: Mapping[str, Verdict]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Tell whether nothing stands against the version."""
        return not self.faults


def collect(version: Version, config: Config) -> Collected:
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
        faults += _strangeness(verdict, version, config) or [*sentences(verdict), *unanswered(verdict, config)]
    return Collected(verdicts, tuple(faults))


def _strangeness(verdict: Verdict, version: Version, config: Config) -> list[str]:
    """Say whether a verdict is about other data or another model than this version's, or older than its bounds."""
    again = f"run `make {verdict.gate}` again"
    if verdict.data_digest != version.tags.get("data-digest"):
        return [f"{verdict.gate}: the verdict is about other data than version {version.number} was fitted on; {again}"]
    judged = None if verdict.gate in DATA_GATES else version
    if judged and (verdict.model_version, verdict.model_digest) != (version.number, version.digest):
        return [f"{verdict.gate}: the verdict is about another model than version {version.number}; {again}"]
    if verdict.key != key_of(verdict.gate, config, verdict.data_digest, judged):
        return [f"{verdict.gate}: the verdict was made under other bounds, columns or code than those of now; {again}"]
    return []
