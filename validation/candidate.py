"""The frame of every model gate: which version is judged, against which champion, and whether the verdict still stands.

It stays light (no numpy, no MLflow) until there is something to work out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from train import registry
from train.source import data_digest
from train.view import Version
from validation import contract
from validation.code import file_digest
from validation.contract import Config
from validation.gate import Judgement, Verdict, decide
from validation.keys import key_of
from validation.script import Refusal, parser, version_number


@dataclass(frozen=True)
class Candidate:
    """A version under judgement: its sealed folder, and those of champion and anchor where the gate compares.

    A folder is None where there is no such version, or it is the very model under judgement. `looks` counts the models
    that this test part has judged, this one included.
    """

    version: Version
    folder: Path
    champion: Version | None = None
    champion_folder: Path | None = None
    anchor: Version | None = None
    anchor_folder: Path | None = None
    looks: int = 1


def run_gate(
    gate: str,
    manual: str | None,
    argv: Sequence[str] | None,
    work: Callable[[Candidate, Config], Judgement],
    compares: bool = False,
) -> int:
    """Judge the version on the command line by one gate; return the exit code.

    A gate that `compares` is handed the folders of champion and anchor as well.
    """
    options = parser(manual)
    options.add_argument("--model-version", type=version_number, required=True, help="the registered version to judge")
    number = options.parse_args(argv).model_version
    config = contract.load()
    data = data_digest(config)
    view = registry.view(config)
    version = view.version(number)
    if version.tags.get("test-part") != file_digest(config.split.test_part):
        raise Refusal(
            f"model version {number} was fitted beside another test part than {config.split.test_part} holds now:"
            " it may have trained on the rows that judge; run `make fit`"
        )
    champion = view.champion() if compares else None
    key = key_of(gate, config, data, version)
    against = (champion.number, champion.digest) if champion else (None, None)

    def still(standing: Verdict) -> bool:
        # A version that was promoted since stays judged as it was: it is not compared with itself
        promoted = champion is not None and champion.number == number
        return not compares or promoted or (standing.champion_version, standing.champion_digest) == against

    def judge() -> Verdict:
        anchor = view.anchor() if compares else None
        candidate = Candidate(
            version,
            registry.model_folder(version),
            champion,
            _folder(champion, version),
            anchor,
            _folder(anchor, version),
            view.looks(version),
        )
        judgement = work(candidate, config)
        return Verdict(
            gate=gate,
            key=key,
            data_digest=data,
            measures=tuple(judgement.measures),
            model_version=number,
            model_digest=version.digest,
            champion_version=against[0],
            champion_digest=against[1],
            anchor_version=judgement.anchor_version,
            evidence=judgement.evidence,
        )

    return decide(gate, key, judge, still)


def _folder(other: Version | None, version: Version) -> Path | None:
    return registry.model_folder(other) if other and other.digest != version.digest else None
