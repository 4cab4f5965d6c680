"""Bundles that can be gone back to: what a deployed one had around its model is kept in the registry with the version.

The model's own files are there already. Together they give the very bundle again, proven by its digest. In the embedded
store these are plain files, read and written without importing MLflow.
"""

import shutil
import tempfile
from pathlib import Path

from serve.bundle import KEPT_BACK, MANIFEST, BundleError, read_manifest, sha256, verify
from train import embedded, registry
from train.view import Version
from validation.script import Refusal, writing_folder

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
    with tempfile.TemporaryDirectory() as temporary, registry._mlflow() as mlflow:
        _copy(folder, Path(temporary) / place, files)
        mlflow.MlflowClient().log_model_artifacts(version.model_id, temporary)


def bundle_folder(version: Version, digest: str, to: Path) -> None:
    """Put a kept bundle together again in the folder `to`, whole or not at all.

    Raises Refusal when it was not kept, or one byte of it is not what was deployed.
    """
    sealed = registry.model_folder(version)
    what = f"bundle {digest[:12]} of model version {version.number}"
    with writing_folder(to) as fresh, tempfile.TemporaryDirectory() as temporary:
        files = embedded.inside(version.files) if version.files else registry._download(version, temporary)
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
