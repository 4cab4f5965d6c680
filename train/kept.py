"""What is kept with a version beside its sealed files: bundles that can be gone back to, and the report on it.

Of a deployed bundle that is what it had around its model, whose files are there already. Together they give the very
bundle again, proven by its digest. In the embedded store these are plain files, read and written without importing
MLflow.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from serve.bundle import KEPT_BACK, MANIFEST, BundleError, read_manifest, sha256, verify
from train import embedded, registry
from train.view import Version
from validation.script import BUILD, Refusal, writing_folder

BUNDLES, MODEL = "bundles", "model/"  # beside a version's sealed files; within a bundle


def keep_bundle(version: Version, folder: Path) -> None:
    """Keep what a bundle has around its model beside the version's sealed files, below `bundles/<digest>/`.

    Raises BundleError when the folder is not what its manifest says, OutsideError when the server fails.
    """
    place = Path(BUNDLES, verify(folder))
    files = {name: digest for name, digest in read_manifest(folder).items() if not name.startswith(MODEL)}
    files[MANIFEST] = place.name
    if version.files:
        target = embedded.inside(version.files) / place
        if all((target / name).is_file() and sha256(target / name) == digest for name, digest in files.items()):
            return
        with writing_folder(target) as fresh:
            _copy(folder, fresh, files)
        return
    with tempfile.TemporaryDirectory() as temporary, registry.opened() as mlflow:
        _copy(folder, Path(temporary) / place, files)
        mlflow.MlflowClient().log_model_artifacts(version.model_id, temporary)


def bundle_folder(version: Version, digest: str, to: Path) -> None:
    """Put a kept bundle together again in the folder `to`, whole or not at all.

    Raises Refusal when it was not kept, or one byte of it is not what was deployed.
    """
    sealed = registry.model_folder(version)
    what = f"bundle {digest[:12]} of model version {version.number}"
    with writing_folder(to) as fresh, tempfile.TemporaryDirectory() as temporary:
        files = embedded.inside(version.files) if version.files else registry.download(version, temporary)
        kept = files / BUNDLES / digest
        if not kept.is_dir():
            raise Refusal(f"{what} is not kept in this registry, so nothing can go back to it")
        shutil.copytree(sealed, fresh / MODEL, ignore=shutil.ignore_patterns(*KEPT_BACK))
        shutil.copytree(kept, fresh, dirs_exist_ok=True)
        try:
            found = verify(fresh)
        except BundleError as error:
            raise Refusal(
                f"{what} is damaged in the registry: {str(error).removeprefix(f'{fresh}: ')}; restore the store"
            ) from None
        if found != digest:
            raise Refusal(f"{what} is damaged in the registry: its {MANIFEST} is another one; restore the store")


def _copy(source: Path, target: Path, names: dict[str, str]) -> None:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def keep_report(version: Version, files: Mapping[str, Path]) -> None:
    """Store files beside the sealed ones of a version, below `report/`, under the names given."""
    if version.files:
        with writing_folder(embedded.inside(version.files) / "report") as fresh:
            for name, path in files.items():
                shutil.copyfile(path, fresh / name)
        return
    with registry.opened() as mlflow, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "report"
        folder.mkdir()
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        mlflow.MlflowClient().log_model_artifacts(version.model_id, temporary)


def complete(version: Version, folder: Path) -> None:
    """Put back, from a sealed folder of the same digest, the files of a version that do not travel on the branch."""
    with writing_folder(BUILD / "models" / version.digest) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
    for name in KEPT_BACK if version.files else ():
        target = embedded.inside(version.files) / name
        shutil.copyfile(folder / name, target.with_name(f".{name}.coming"))
        target.with_name(f".{name}.coming").replace(target)
