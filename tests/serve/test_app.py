"""The service as a client sees it."""

import json
import shutil
import subprocess
import sys

import httpx
import pytest

from serve.bundle import MANIFEST, seal
from tests.serve.bundles import sealed
from tests.serves import serves


@pytest.fixture(scope="module")
def golden(chain) -> dict:
    return json.loads((chain.root / "build/model/model/golden.json").read_text())


def test_the_golden_rows_answer_as_at_training(serving, chain, golden) -> None:
    """Smoke, run as a step runs it, finds nothing; one row and many rows give the same."""
    url = serving()
    ran = chain.run("serve.smoke", "--url", url, "--bundle", "build/model")
    assert (0, "### Smoke: pass") == (ran.code, ran.out.splitlines()[0])
    row = golden["rows"][-1]
    one = httpx.post(f"{url}/predict", json=row).json()
    many = httpx.post(f"{url}/predict", json={"records": [row] * 200}).json()
    assert [one["prediction"]] * 200 == many["predictions"]
    assert pytest.approx(golden["outputs"][-1][1], abs=1e-6) == one["prediction"]["probability"]
    assert one["model_version"] == 1


def test_the_routes_are_there(serving, chain) -> None:
    """Health, readiness, version, metrics, docs; what is not there is 404, a wrong method 405."""
    url = serving()
    assert {"status": "ok"} == httpx.get(f"{url}/healthz").json()
    assert {"status": "ready"} == httpx.get(f"{url}/readyz").json()
    version = serves(url)
    assert ("income", 1) == (version["model"], version["model_version"])
    assert 'model_info{digest="' + version["model_digest"] in httpx.get(f"{url}/metrics").text
    assert 200 == httpx.get(f"{url}/docs").status_code
    assert 404 == httpx.get(f"{url}/nowhere").status_code
    assert 405 == httpx.get(f"{url}/predict").status_code


def test_openapi_shows_the_typed_row_and_its_example_works(serving, config) -> None:
    """The schema names every input, and the example in it is answered."""
    url = serving()
    schema = httpx.get(f"{url}/openapi.json").json()
    row = schema["components"]["schemas"]["Row"]
    assert row["required"] == [column.name for column in config.inputs]
    assert {"type": "number", "minimum": 17, "maximum": 100, "multipleOf": 1} == row["properties"]["age"]
    post = schema["paths"]["/predict"]["post"]
    for example in post["requestBody"]["content"]["application/json"]["examples"].values():
        assert 200 == httpx.post(f"{url}/predict", json=example["value"]).status_code


def test_a_bad_row_is_a_422_with_its_field(serving, golden) -> None:
    """The answer names field and row, and shows no traceback."""
    url = serving()
    bad = {"records": [golden["rows"][0], golden["rows"][0] | {"age": 7}]}
    answer = httpx.post(f"{url}/predict", json=bad)
    assert 422 == answer.status_code
    assert {"detail": "row 1: age: Expected `float` >= 17.0", "field": "age", "row": 1} == answer.json()
    assert 400 == httpx.post(f"{url}/predict", content=b"{").status_code


def test_too_large_a_body_is_a_413(serving, chain) -> None:
    """The body is not read beyond the limit; the service goes on."""
    url = serving()
    limit = json.loads((chain.root / "build/model/service.json").read_text())["max_body_bytes"]
    answer = httpx.post(f"{url}/predict", content=b" " * (limit + 1))
    assert (413, True) == (answer.status_code, "larger than" in answer.json()["detail"])
    assert 200 == httpx.get(f"{url}/readyz").status_code


def refused(chain, bundle, **settings: str) -> str:
    """Start the service on a bundle or setting that it must refuse; return what it says."""
    environment = chain.environment() | {"BUNDLE": str(bundle), "PORT": "0"} | settings
    done = subprocess.run(
        [sys.executable, "-m", "serve.app"],
        cwd=chain.root, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert 2 == done.returncode
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


@pytest.mark.parametrize("name", ["model/model.onnx", "model/contract.json", "release.json", "card.md"])
def test_a_flipped_byte_keeps_it_from_starting(chain, tmp_path, name) -> None:
    """Whatever file it is in."""
    bundle = shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    assert f"{name} is not what the manifest lists" in refused(chain, bundle)


def test_golden_rows_that_answer_otherwise_keep_it_from_starting(chain, tmp_path) -> None:
    """A bundle whose digests are right and whose outputs are not is refused too."""
    bundle = shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    golden = json.loads((bundle / "model/golden.json").read_text())
    golden["outputs"][5][1] += 1e-3
    (bundle / "model/golden.json").write_text(json.dumps(golden))
    sealed(bundle)
    assert "golden row 5 gives another output" in refused(chain, bundle)


def test_another_model_than_the_release_names_is_refused(chain, tmp_path) -> None:
    """release.json and model/ belong together."""
    bundle = shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    release = json.loads((bundle / "release.json").read_text()) | {"model_digest": "0" * 64}
    (bundle / "release.json").write_text(json.dumps(release))
    (bundle / MANIFEST).unlink()
    seal(bundle)
    assert "names another model" in refused(chain, bundle)


def test_no_bundle_is_a_sentence(chain, tmp_path) -> None:
    """A folder that is not there is named."""
    assert "manifest.json is missing" in refused(chain, tmp_path / "nowhere")


def test_the_service_imports_nothing_that_trains(chain) -> None:
    """Neither MLflow nor scikit-learn nor pandas nor config.py is loaded by the service."""
    code = (
        "import sys\nfrom pathlib import Path\nimport serve.app\nfrom serve.loaded import load\n"
        "from serve.pages import Pages\nfrom serve.wire.app import Wire\nfrom serve.wire.served import Served\n"
        "bundle = load(Path('build/model'))\nWire(Served(bundle, Pages(bundle)))\n"
        "print(sorted({'mlflow', 'sklearn', 'pandas', 'pandera', 'config', 'skl2onnx', 'validation', 'train'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=chain.root, capture_output=True, text=True)
    assert "[]\n" == done.stdout, done.stderr


@pytest.mark.parametrize("settings", [{"PORT": "abc"}, {"PORT": "99999"}, {"LISTEN_FD": "x"}, {"LISTEN_FD": "77"}])
def test_a_wrong_setting_is_a_sentence(chain, settings) -> None:
    """Exit 2, one line, the setting's name."""
    assert next(iter(settings)) in refused(chain, chain.root / "build/model", **settings)


@pytest.mark.parametrize("golden", ['{"rows": [], "outputs": [], "fitted": []}', '{"rows": []}', "[]"])
def test_a_bundle_without_golden_rows_is_refused(chain, tmp_path, golden) -> None:
    """What cannot be checked does not serve, however well it is sealed."""
    bundle = shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    (bundle / "model/golden.json").write_text(golden)
    sealed(bundle)
    assert "refuses to start" in refused(chain, bundle)
