"""What the registry knows and takes, as plain values: versions, aliases, runs (stdlib only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from validation.script import Refusal

DIGEST, FINGERPRINT = "model-digest", "fingerprint"  # tags of a version
MLFLOW = "library.mlflow"  # the version of MLflow that registered it
RUNTIME, RUNTIME_WHY = "runtime", "runtime-why"  # what runs the model; why that is not ONNX, where it is not
ACTOR, RUN_URL = "registered-by", "run-url"  # who and where, for its line in the ledger
MOVED_RUN, MOVED_MODEL = "migrated-run-id", "migrated-model-id"  # the ids it had before it was moved to a server


@dataclass(frozen=True)
class Version:
    """A registered version: its number, the digest that is its identity, its run, where its files are.

    `files` is relative to the embedded store; empty when a server keeps them. `created` is in milliseconds since 1970.
    """

    number: int
    digest: str
    fingerprint: str
    run_id: str
    model_id: str
    files: str
    tags: Mapping[str, str]
    created: int = 0


@dataclass(frozen=True)
class View:
    """What the registry knows of the model: versions by number, and the version that each alias names."""

    versions: Mapping[int, Version]
    aliases: Mapping[str, int]

    def version(self, number: int) -> Version:
        """Return one version.

        Raises Refusal when it does not exist.
        """
        if number not in self.versions:
            have = (
                f"it has {_spans(sorted(self.versions))}" if self.versions else "it is empty; `make fit` registers one"
            )
            raise Refusal(f"model version {number} does not exist in the registry: {have}")
        return self.versions[number]

    def champion(self) -> Version | None:
        """Return the version in service, or None when there has been none yet."""
        return self._named("champion")

    def anchor(self) -> Version | None:
        """Return the first accepted version of this line of models, or None when there has been none yet."""
        return self._named("anchor")

    def looks(self, version: Version) -> int:
        """Count the models that the test part of a version has judged, it included; equal models count once."""
        part = version.tags.get("test-part")
        alike = (other for other in self.versions.values() if other.tags.get("test-part") == part)
        return len({version.digest, *(other.digest for other in alike if other.number <= version.number)})

    def _named(self, alias: str) -> Version | None:
        number = self.aliases.get(alias)
        return None if number is None else self.version(number)


def _spans(numbers: list[int]) -> str:
    return f"version {numbers[0]}" if len(numbers) == 1 else f"versions {numbers[0]} to {numbers[-1]}"


@dataclass(frozen=True)
class Run:
    """What a training run leaves in MLflow beside the model."""

    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    data_digest: str
    data_source: str
