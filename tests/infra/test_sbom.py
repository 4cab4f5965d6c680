"""The bill of materials: what the lock demands is in it, and so is the model."""

import json

import pytest

from infra import sbom
from validation.script import ROOT

LOCK = """numpy==2.4.6 \\
    --hash=sha256:00
some_name==1.0 ; sys_platform == 'win32' \\
uvloop==0.23.0 ; sys_platform != 'win32' \\
    # via x
"""
PARTS = [("numpy", "2.4.6"), ("uvloop", "0.23.0")]


def bill(parts=PARTS, **words):
    listed = [{"type": "library", "name": n, "version": v, "purl": f"pkg:pypi/{n}@{v}"} for n, v in parts]
    listed += [{"type": "library", "name": "libc6", "version": "2.36", "purl": "pkg:deb/debian/libc6@2.36"}]
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": listed} | words)


@pytest.fixture
def ask(make_real_bundle, tmp_path):
    """Complete a bill in place; returns exit code and what is in it then."""
    sealed = make_real_bundle(3)

    def run(text, lock=LOCK):
        path, locked = tmp_path / "sbom.json", tmp_path / "requirements.txt"
        path.write_text(text)
        locked.write_text(lock)
        code = sbom.main(["--sbom", str(path), "--bundle", str(sealed.folder), "--lock", str(locked)])
        return code, path

    return sealed, run


def test_the_model_becomes_a_part(ask, capsys):
    """Name, version, licence, the hash of its file, and the digests of model, bundle and data; once."""
    sealed, run = ask
    code, path = run(bill())
    assert 0 == code
    assert "| machine-learning-model | 1 |" in capsys.readouterr().out
    [model] = [one for one in json.loads(path.read_text())["components"] if one["type"] == "machine-learning-model"]
    assert ("Same", "3", "MIT License") == (model["name"], model["version"], model["licenses"][0]["license"]["name"])
    [hashed] = model["hashes"]
    assert json.loads((sealed.folder / "manifest.json").read_text())["files"]["model/model.onnx"] == hashed["content"]
    properties = {one["name"]: one["value"] for one in model["properties"]}
    assert (sealed.digest, "c" * 40) == (properties["gatehouse:bundle-digest"], properties["gatehouse:model-commit"])
    assert "gatehouse:commit" not in properties  # which would be taken for the code's
    [data] = model["modelCard"]["modelParameters"]["datasets"]
    assert "gatehouse:data-digest" == data["contents"]["properties"][0]["name"]
    again, _ = run(path.read_text())
    assert (0, 4) == (again, len(json.loads(path.read_text())["components"]))


@pytest.mark.parametrize("parts", [[], PARTS[:1], [("numpy", "2.4.5"), PARTS[1]]])
def test_a_bill_that_lacks_what_the_lock_demands_is_red(ask, capsys, parts):
    """A package that is missing, or there in another version; what another system needs is not asked for."""
    _, run = ask
    code, path = run(bill(parts))
    assert code == 1
    said = capsys.readouterr().err
    assert "numpy 2.4.6" in said or "uvloop 0.23.0" in said
    assert "some-name" not in said
    assert "machine-learning-model" not in path.read_text()


@pytest.mark.parametrize("text", ["", "[]", bill(bomFormat="SPDX"), bill(specVersion="1.4"), bill(components=None)])
def test_what_is_no_such_bill_is_refused(ask, capsys, text):
    """Exit 2; before 1.5 CycloneDX knew no models."""
    _, run = ask
    assert 2 == run(text)[0]
    assert "is no bill of materials" in capsys.readouterr().err


def test_the_locks_of_the_image_can_be_read():
    """Names and versions of each, those for Linux alone."""
    for lock in ("serve/requirements.txt", "serve/skops/requirements.txt", "serve/remembered/requirements.txt"):
        found = dict(sbom.locked(ROOT / lock))
        assert {"numpy", "onnxruntime", "uvloop"} <= found.keys()
        assert "tzdata" not in found  # that is for Windows
