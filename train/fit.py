"""Stage 2: fit the model, prove the form in which it serves, seal it, register it; it has the alias `challenger`.

Usage: python -m train.fit
       python -m train.fit --reproduce N|champion

Reads   the data and the frozen test part; of config.py FEATURES, TARGET, KEY, SENSITIVE, MODEL, SPLIT, SEED, PARITY.
Prints  model-version=N; and reused=true when nothing that `fit` reads has changed since version N was fitted.
Writes  a run and a version in the registry; nothing else.
Exits   0 there is a version, 2 used or set up wrongly, 3 the outside failed, 130 interrupted (no version is left).

With --reproduce nothing is registered: version N is trained again from its recorded commit and data, and the bytes of
both models are compared. It prints a table, and exits 0 when they are identical (on another platform than the recorded
one: outputs within 1e-6 and no label flipped), 1 when they are not, or the data are no longer the same.
"""

import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serve.bundle import KEPT_BACK
from serve.runtime import NOTES
from train import following, kept, registry
from train.source import data_digest
from train.travel import ledger
from train.view import DIGEST, FINGERPRINT, MLFLOW, Run, Version
from validation import contract
from validation.code import code_digest, file_digest
from validation.contract import Config
from validation.script import ROOT, Refusal, digest, digest_of, door, log, parser, result
from validation.words.bounds import PERFORMANCE_METRICS

if TYPE_CHECKING:
    from train.data import Parts

# Our modules that only carry a fit's result, or hold the words of gates: what changes there retrains nothing
AROUND = (
    "train/embedded.py",
    "train/following.py",
    "train/kept.py",
    "train/logged.py",
    "train/registry.py",
    "train/reproduce.py",
    "train/travel/ledger.py",
    "train/server.py",
    "train/view.py",
    "validation/code.py",
    "validation/words/deploy.py",
    "validation/words/expectations.py",
    "validation/words/limits.py",
    "validation/words/rules.py",
    "validation/script.py",
)
LOCK = "requirements.txt"


def fingerprint(config: Config, data: str) -> str:
    """Name all that `fit` reads: the same fingerprint means the same model."""
    fixed = [config.features, config.target, config.key, config.sensitive, config.model, config.split]
    facts = {
        "config": repr([*fixed, config.seed, config.parity]),
        "data": data,
        "test part": file_digest(config.split.test_part),
        "code and lock": code_digest("train/fit.py", but=AROUND),
    }
    return digest_of(facts)


def fit(config: Config, data: str, mark: str, again: Sequence[Version] = ()) -> int:
    """Fit, prove, seal and register; return the version's number.

    One of the versions `again` is completed instead where its model comes out the same, byte for byte.
    """
    from importlib.metadata import version

    from train.bundle import seal_model
    from train.data import load, outcomes, split
    from train.recipe import fit_recipe
    from train.reproduce import machine

    started = time.monotonic()
    parts = split(load(config), config)
    log(f"fitting on {len(parts.train)} rows; {len(parts.test)} judge, {len(parts.window)} wait for the next freeze")
    outcome = outcomes(parts.train, config)
    absent = [str(label) for place, label in enumerate(config.target.labels) if not (outcome == place).any()]
    if absent:
        raise Refusal(f"no training row holds the label {', '.join(absent)}; mend TARGET in config.py, or the data")
    pipeline = fit_recipe(parts.train, outcome, config)
    seconds = time.monotonic() - started
    log(f"fitted in {seconds:.1f} s; proving the form in which it serves")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        identity, form = seal_model(folder, pipeline, parts, config)
        if form.why:
            log(f"RUNTIME {form.runtime}: {form.why}. {NOTES[form.runtime]}; see docs/adopt.md, section 5")
        for known in again:
            if known.digest == identity:
                kept.complete(known, folder)
                return known.number
        libraries = ("scikit-learn", "skl2onnx", "onnxruntime", "skops", "numpy", "pandas", "mlflow")
        environment = {f"library.{name}": version(name) for name in libraries}
        run = Run(
            parameters={
                "estimator": type(pipeline[-1]).__name__,
                "reweigh_by": config.model.reweigh_by,
                "reweigh_strength": config.model.reweigh_strength,
                "seed": config.seed,
                **config.model.parameters,
            },
            metrics={
                "train_rows": len(parts.train),
                "test_rows": len(parts.test),
                "fit_seconds": seconds,
                **_test_metrics(folder, parts, config),
            },
            tags={
                "commit": ledger.commit(),
                "data-digest": data,
                "lock-digest": digest((ROOT / LOCK).read_bytes()),
                "python": platform.python_version(),
                "platform": platform.platform(),
                FINGERPRINT: mark,
                **environment,
            },
            data_digest=data,
            data_source=config.data,
        )
        named = ("commit", "data-digest", "lock-digest", FINGERPRINT, MLFLOW)
        tags = {
            DIGEST: identity,
            **form.tags(),
            "test-part": file_digest(config.split.test_part),
            "platform": machine(),
            **{name: run.tags[name] for name in named},
        }
        return registry.register(config, folder, run, tags)


def _test_metrics(folder: Path, parts: "Parts", config: Config) -> dict[str, float]:
    """Measure the sealed model on the frozen test part, for the record; the gates measure again and decide."""
    from serve.model import Model
    from train.data import as_columns, model_inputs, outcomes
    from validation.measures.metrics import measure

    inputs = model_inputs(parts.test, config.inputs)
    outputs = Model(folder).outputs(as_columns(inputs)).astype("float64")
    outcome = outcomes(parts.test, config)
    return {f"test_{name}": measure(name, outcome, outputs) for name in PERFORMANCE_METRICS[config.target.kind]}


def _lacking(version: Version) -> list[str] | None:
    """Name the files of a version that are not here; None where others are damaged, so that it is not used again."""
    try:
        folder = registry.model_folder(version)
    except Refusal as damage:
        log(f"{damage}; it is fitted again")
        return None
    absent = [name for name in KEPT_BACK if not (folder / name).is_file()]
    if absent:
        log(f"{', '.join(absent)} of version {version.number} does not travel on the branch; it is fitted again")
    return absent


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--reproduce", metavar="N", help="a version's number, or champion")
    which = options.parse_args(argv).reproduce
    config = contract.load()
    if which is not None:
        from train.reproduce import reproduce

        return reproduce(config, which)
    data = data_digest(config)
    mark = fingerprint(config, data)
    seen = following.follow(config)
    known = [version for version in seen.versions.values() if version.fingerprint == mark]
    lacking = {version.number: _lacking(version) for version in known}
    same = [version for version in known if lacking[version.number] == []]
    again = [version for version in known if lacking[version.number]]
    number = max(version.number for version in same) if same else fit(config, data, mark, again)
    if number in seen.versions and seen.aliases.get("challenger") != number:
        following.challenge(config, number)
    following.follow(config)
    result(f"model-version={number}")
    if number in lacking:
        log(f"nothing that fit reads has changed since version {number} was fitted; no other one is made")
        result("reused=true")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
