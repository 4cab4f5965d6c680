"""Bundles kept in the registry: put together again to the very byte, or refused."""

import json
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.bundle import KEPT_BACK, BundleError, seal, sha256
from train import embedded, kept, registry
from train.view import Version
from validation.script import Refusal

AROUND = ("release.json", "service.json", "verdicts.json", "card.md")


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """A version whose sealed model lies in an embedded store of its own."""
    monkeypatch.setattr(embedded, "STORE", tmp_path / "store")
    monkeypatch.setattr(registry, "BUILD", tmp_path / "build")
    folder = tmp_path / "store/artifacts/m-1"
    folder.mkdir(parents=True)
    for name in ("model.onnx", "contract.json", "golden.json", *KEPT_BACK):
        (folder / name).write_text(name)
    return Version(1, seal(folder), "", "", "m-1", "artifacts/m-1", {})


@pytest.fixture
def export(version: Version, tmp_path: Path) -> Callable[..., Path]:
    """Make a bundle around the version's model, as `serve.export` does; `rows` is a setting of the service."""

    def make(rows: int = 10) -> Path:
        folder = tmp_path / f"bundle-{rows}"
        shutil.copytree(embedded.inside(version.files), folder / "model", ignore=shutil.ignore_patterns(*KEPT_BACK))
        shutil.rmtree(folder / "model" / kept.BUNDLES, ignore_errors=True)
        for name in AROUND:
            (folder / name).write_text(json.dumps({"max_rows": rows} if name == "service.json" else {}))
        seal(folder)
        return folder

    return make


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_kept_bundle_comes_back_byte_by_byte(version, export, tmp_path) -> None:
    """Whatever happened to the one that was deployed, and only what lies around the model is stored twice."""
    folder = export()
    wanted, digest = files(folder), sha256(folder / "manifest.json")
    kept.keep_bundle(version, folder)
    shutil.rmtree(folder)
    kept.bundle_folder(version, digest, tmp_path / "again")
    assert wanted == files(tmp_path / "again")
    stored = files(embedded.inside(version.files) / kept.BUNDLES)
    assert {f"{digest}/{name}" for name in (*AROUND, "manifest.json")} == stored.keys()


def test_a_bundle_exported_anew_does_not_replace_the_old_one(version, export, tmp_path) -> None:
    """Each digest gives back its own settings."""
    old, new = export(10), export(20)
    for folder in (old, new, old):
        kept.keep_bundle(version, folder)
    for folder, rows in ((old, 10), (new, 20)):
        kept.bundle_folder(version, sha256(folder / "manifest.json"), tmp_path / "again")
        assert {"max_rows": rows} == json.loads((tmp_path / "again/service.json").read_text())


@pytest.mark.parametrize("name", [*AROUND, "manifest.json"])
def test_a_flipped_byte_in_a_kept_file_is_refused(version, export, tmp_path, name) -> None:
    """Named, and what lay in the target's place is as it was."""
    folder = export()
    digest = sha256(folder / "manifest.json")
    kept.keep_bundle(version, folder)
    path = embedded.inside(version.files) / kept.BUNDLES / digest / name
    path.write_bytes(path.read_bytes()[:-1] + b"\x21")
    (tmp_path / "again").mkdir()
    (tmp_path / "again/before").touch()
    with pytest.raises(Refusal, match=rf"bundle {digest[:12]} of model version 1 is damaged in the registry: .*{name}"):
        kept.bundle_folder(version, digest, tmp_path / "again")
    assert ["before"] == [found.name for found in (tmp_path / "again").iterdir()]


def test_what_is_damaged_is_kept_anew_by_the_next_deployment(version, export, tmp_path) -> None:
    """A file that is lost is written again."""
    folder = export()
    digest = sha256(folder / "manifest.json")
    kept.keep_bundle(version, folder)
    (embedded.inside(version.files) / kept.BUNDLES / digest / "card.md").unlink()
    kept.keep_bundle(version, folder)
    kept.bundle_folder(version, digest, tmp_path / "again")


def test_a_lost_model_file_is_refused(version, export, tmp_path) -> None:
    """The model's own files are the registry's; without one of them nothing comes back."""
    folder = export()
    kept.keep_bundle(version, folder)
    (embedded.inside(version.files) / "model.onnx").unlink()
    with pytest.raises(Refusal, match="model version 1 is damaged"):
        kept.bundle_folder(version, sha256(folder / "manifest.json"), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_bundle_that_was_never_kept_is_said(version, export, tmp_path) -> None:
    """One sentence, and no folder."""
    with pytest.raises(Refusal, match=r"bundle 0{12} of model version 1 is not kept in this registry"):
        kept.bundle_folder(version, "0" * 64, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_damaged_bundle_is_not_kept(version, export) -> None:
    """Only what its manifest says goes into the registry."""
    folder = export()
    (folder / "card.md").write_text("another")
    with pytest.raises(BundleError, match=r"card\.md"):
        kept.keep_bundle(version, folder)
    assert not (embedded.inside(version.files) / kept.BUNDLES).exists()


def test_a_server_keeps_bundles_as_well(chain_copy) -> None:
    """By MLflow's API alone, without the files of the store at hand: there and back, the same bytes."""
    (chain_copy.root / "ask.py").write_text(
        textwrap.dedent("""\
        import dataclasses, pathlib
        from train import kept, registry
        from serve.bundle import sha256
        from validation import contract
        bundle = pathlib.Path("build/model")
        version = dataclasses.replace(registry.view(contract.load()).version(1), files="")
        kept.keep_bundle(version, bundle)
        kept.bundle_folder(version, sha256(bundle / "manifest.json"), pathlib.Path("build/again"))
        """)
    )
    ran = chain_copy.run("ask")
    assert 0 == ran.code, ran.err
    assert files(chain_copy.root / "build/model") == files(chain_copy.root / "build/again")
