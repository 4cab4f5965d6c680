"""What is not fit to serve is refused by a reload as it is at the start, and the old bundle serves on."""

import json
import shutil
from pathlib import Path

import httpx

from serve.bundle import MANIFEST, seal
from tests.serve.bundles import changed, sealed
from tests.serve.reload.conftest import both
from tests.serves import serves


def flipped(bundle: Path) -> str:
    content = bytearray((bundle / "model/model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model/model.onnx").write_bytes(content)
    return "model/model.onnx is not what the manifest lists; its digest differs"


def answering_otherwise(bundle: Path) -> str:
    golden = json.loads((bundle / "model/golden.json").read_text())
    golden["outputs"][5][1] += 1e-3
    changed(bundle / "model/golden.json", outputs=golden["outputs"])
    sealed(bundle)
    return "golden row 5 gives another output than at training"


def of_another_format(bundle: Path) -> str:
    (bundle / "model/contract.json").write_text('{"columns": []}')
    sealed(bundle)
    return "the bundle is not of this service's format: KeyError: 'inputs'"


def with_another_manifest(bundle: Path) -> str:
    changed(bundle / MANIFEST, format=2)
    return "manifest.json is not of format 1"


def without_a_limit(bundle: Path) -> str:
    limits = json.loads((bundle / "service.json").read_text())
    del limits["burst"]
    (bundle / "service.json").write_text(json.dumps(limits))
    sealed(bundle)
    return "service.json of the bundle does not say burst"


def with_half_a_place(bundle: Path) -> str:
    changed(bundle / "service.json", concurrent=0.5)
    sealed(bundle)
    return "service.json of the bundle: concurrent is no whole number above 0"


def with_rows_that_are_no_number(bundle: Path) -> str:
    changed(bundle / "service.json", max_rows=None)
    sealed(bundle)
    return "max_rows is no whole number above 0"


def with_no_rows(bundle: Path) -> str:
    changed(bundle / "service.json", max_rows=0)
    sealed(bundle)
    return "max_rows is no whole number above 0"


def of_another_model(bundle: Path) -> str:
    changed(bundle / "release.json", model="houses")
    (bundle / MANIFEST).unlink()
    seal(bundle)
    return "it holds model houses, this service serves income"


def gone(bundle: Path) -> str:
    shutil.rmtree(bundle)
    return "manifest.json is missing"


BROKEN = (
    flipped,
    answering_otherwise,
    of_another_format,
    with_another_manifest,
    without_a_limit,
    with_half_a_place,
    of_another_model,
    gone,
)


@both
def test_a_bad_bundle_is_refused_and_the_old_one_serves_on(mounted, bundles, golden, tmp_path) -> None:
    """One sentence in the log for each; answers and /version stay; the next good one is taken."""
    before = serves(mounted.url)
    answer = httpx.post(f"{mounted.url}/predict", json=golden["rows"][0]).content
    for place, spoil in enumerate(BROKEN):
        bundle = shutil.copytree(bundles / "2", tmp_path / spoil.__name__)
        sentence = spoil(bundle)
        message = mounted.reload(bundle, "reload refused")["message"]
        assert sentence in message
        assert message.endswith("version 1 serves on")
        assert "\n" not in message
        assert place + 1 == len(mounted.events("reload refused"))
        assert before == serves(mounted.url)
        assert answer == httpx.post(f"{mounted.url}/predict", json=golden["rows"][0]).content
    mounted.reload(bundles / "2")
    after = serves(mounted.url)
    assert 2 == after["model_version"]
    assert after["loaded"] >= before["loaded"]
    counted = {name: count for name, count in mounted.samples().items() if name.startswith("model_reloads_total")}
    assert {'model_reloads_total{outcome="done"}': 1, 'model_reloads_total{outcome="refused"}': len(BROKEN)} == counted


def test_the_same_bundle_again_is_left_alone(mounted, bundles) -> None:
    """Nothing is loaded twice, and the log says why."""
    before = serves(mounted.url)
    message = mounted.reload(bundles / "1", "reload")["message"]
    assert "the folder holds the bundle that serves, version 1" == message
    assert before == serves(mounted.url)
