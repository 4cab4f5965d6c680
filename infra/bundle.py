"""A sealed bundle as a deployment sees it: verified, named by its digest, and copied so that nobody changes it."""

import contextlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from serve.bundle import MANIFEST, BundleError, read_json, read_manifest, verify
from train.travel.history import Unit
from validation.script import Refusal, writing_folder


@dataclass(frozen=True)
class Bundle:
    """A bundle that has been verified; `digest` is the SHA-256 of its manifest, `commit` may be empty."""

    folder: Path
    digest: str
    model: str
    version: int
    commit: str

    @property
    def short(self) -> str:
        """The first 12 digits of the digest: tags, folders, tables."""
        return self.digest[:12]

    @property
    def slug(self) -> str:
        """The model's name as images and containers may bear it."""
        return re.sub(r"[^a-z0-9]+", "-", self.model.lower()).strip("-") or "model"


def read(folder: Path) -> Bundle:
    """Verify a bundle against its manifest and say what it is.

    Raises Refusal when the folder is no bundle, BundleError when a file is missing, added or changed.
    """
    if not (folder / MANIFEST).is_file():
        raise Refusal(f"{folder} holds no bundle (no {MANIFEST}); `make export` makes one")
    digest = verify(folder)
    release = read_json(folder / "release.json")
    try:
        return Bundle(
            folder, digest, str(release["model"]), int(release["model_version"]), str(release.get("commit") or "")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder}/release.json does not say model and model_version: {error}") from error


def unit(bundle: Bundle, image: str = "") -> Unit:
    """Name what moves together with a bundle: version, model, contract, the service's settings, and the image.

    Raises BundleError when the bundle does not say one of them.
    """
    files = read_manifest(bundle.folder)
    model = read_json(bundle.folder / "release.json").get("model_digest")
    parts = {"model": model, "contract": files.get("model/contract.json"), "config": files.get("service.json")}
    for name, value in parts.items():
        if not isinstance(value, str) or not value:
            raise BundleError(f"{bundle.folder} does not say its {name}'s digest; export it again")
    return Unit(version=bundle.version, bundle=bundle.digest, image=image, **{k: str(v) for k, v in parts.items()})


def keep(bundle: Bundle, shelf: Path) -> Bundle:
    """Copy a bundle to `shelf`/<digest>, unless it is there, and return the copy, verified."""
    target = shelf / bundle.short
    with contextlib.suppress(BundleError, Refusal):  # no copy yet, or somebody touched it: it is made anew
        return read(target)
    with writing_folder(target) as folder:
        shutil.copytree(bundle.folder, folder, dirs_exist_ok=True)
        read(folder)  # the original may have changed while it was copied
    return read(target)
