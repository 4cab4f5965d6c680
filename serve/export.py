"""Stage 4: put a judged version into the folder that is served: the bundle.

Reads   the registry, build/verdicts/*.json, SERVICE, PREDICTION_LOG, data/intended-use.md, the file that
        CALIBRATION names.
Prints  libraries=PATH, the lock of what an image needs to run the model: serve/Dockerfile takes it as LIBRARIES.
Writes  the bundle: model/ (sealed at training, without what was derived from rows), release.json, service.json,
        verdicts.json, card.md, page.json (what its page shows of them), expected.json (counts of its outputs on the
        test part, for the bake), and manifest.json with the SHA-256 of every other file; whole or not at all.
Exits   0 written, 1 a verdict on the version is missing, red or about something else, 2 used or set up wrongly, 3 the
        outside failed.
"""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serve.browser.files import PAGE
from serve.bundle import EXPECTED, KEPT_BACK, RECORDED, read_json, seal
from serve.runtime import LIBRARIES, runtime_of
from train import registry
from validation import calibrate, contract
from validation.gate import Verdict
from validation.pages.card import card, release_of
from validation.pages.served import shown_by_service
from validation.script import NO, YES, door, log, parser, replaceable, result, to_json, version_number, writing_folder
from validation.verdicts import collect


def expected(folder: Path) -> dict[str, Any] | None:
    """Count the outputs that training recorded on the test part, by the bins and labels by which the service counts.

    None where they were left behind: outputs do not travel on the registry's branch.
    """
    import numpy as np
    import pyarrow.parquet

    if not (folder / RECORDED).is_file():
        return None
    edges = read_json(folder / "drift.json")["outputs"]["edges"]
    labels = read_json(folder / "contract.json")["target"]["labels"]
    recorded = pyarrow.parquet.read_table(folder / RECORDED)
    names = [f"output_{place}" for place in range(max(len(labels), 1))]
    outputs = np.column_stack([recorded[name].to_numpy() for name in names])
    bins = np.bincount(np.searchsorted(edges[1:-1], outputs[:, -1], side="left"), minlength=len(edges) - 1)
    chosen = np.bincount(np.argmax(outputs, axis=1), minlength=len(labels))
    return {
        "rows": len(outputs),
        "outputs": {"edges": edges, "counts": bins.tolist()},
        "labels": labels,
        "chosen": chosen.tolist() if labels else [],
    }


def without_evidence(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as it is shipped: what the report draws stays in the report."""
    return {name: value for name, value in dataclasses.asdict(verdict).items() if name != "evidence"}


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--model-version", type=version_number, required=True, help="the registered version")
    options.add_argument("--to", type=Path, required=True, help="the bundle's folder; replaced if it exists")
    given = options.parse_args(argv)
    config = contract.load()
    version = registry.view(config).version(given.model_version)
    collected = collect(version, config)
    if not collected.passed:
        for fault in collected.faults:
            log(f"not exported: {fault}")
        return NO
    rates = calibrate.read(config)
    price = rates["price"] if rates is not None and calibrate.is_current(rates, config) else None
    release = release_of(version, config)
    settings = config.service.shipped() | {"prediction_log": dataclasses.asdict(config.prediction_log)}
    verdicts = {gate: without_evidence(verdict) for gate, verdict in collected.verdicts.items()}
    folder = registry.model_folder(version)
    replaceable(given.to)
    with writing_folder(given.to) as fresh:
        shutil.copytree(folder, fresh / "model", ignore=shutil.ignore_patterns(*KEPT_BACK))
        (fresh / "release.json").write_text(to_json(release))
        (fresh / "service.json").write_text(to_json(settings))
        (fresh / "verdicts.json").write_text(to_json(verdicts))
        text = card(release, collected.verdicts, config, price)
        (fresh / "card.md").write_text(text, encoding="utf-8")
        page = shown_by_service(collected.verdicts, config, text)
        (fresh / PAGE).write_text(json.dumps(page, sort_keys=True, allow_nan=False, separators=(",", ":")))
        if (counted := expected(folder)) is not None:
            (fresh / EXPECTED).write_text(to_json(counted))
        else:
            log(
                f"{RECORDED} of version {version.number} is not here, so the bundle does not tell what the bake expects"
            )
        digest = seal(fresh)
    result(f"libraries={LIBRARIES[runtime_of(folder)]}")
    log(f"{given.to}: {config.model.name}, version {version.number}, bundle {digest[:12]}")
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
