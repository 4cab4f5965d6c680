"""A bundle as the service holds it: checked, and ready to score."""

import datetime
from pathlib import Path

from serve.browser.files import PAGE
from serve.bundle import BundleError, read_json, verify
from serve.model import Model
from serve.refusal import KINDS
from serve.rows import Rows
from serve.runtime import NOTES
from serve.seen.counts import Counts
from serve.seen.layout import Layout
from serve.trees.ways import Ways


class Bundle:
    """A bundle, checked and ready to score; `before` is the one whose counts it goes on with.

    Raises BundleError when a byte differs, or the golden rows give other outputs than at training.
    """

    def __init__(self, folder: Path, workers: int = 1, before: "Bundle | None" = None) -> None:
        folder = folder.resolve()  # once: where it is a link that is changed meanwhile, all files are of one bundle
        self.digest = verify(folder)
        self.release = read_json(folder / "release.json")
        self.limits = read_json(folder / "service.json")
        self.model = Model(folder / "model")
        if self.model.digest != self.release["model_digest"]:
            raise BundleError(f"{folder}: release.json names another model than the one in model/")
        if self.release.get("runtime", self.model.runtime) != self.model.runtime:
            raise BundleError(f"{folder}: release.json names another runtime than that of the file in model/")
        self.note = NOTES[self.model.runtime]
        differs = self.model.differs_from_golden()
        if differs:
            raise BundleError(f"{folder}: {differs}")
        self.ways = Ways(self.model)
        # not parsed: it is for the page, which comes after readiness; a bundle exported before it had one has none
        self.page = (folder / PAGE).read_bytes() if (folder / PAGE).is_file() else b"null"
        most = self.limits["max_rows"]
        if type(most) is not int or most < 1:
            raise BundleError(
                "service.json of the bundle: max_rows is no whole number above 0; export the version again"
            )
        self.rows = Rows(self.model.inputs, most)
        drift = read_json(folder / "model" / "drift.json")
        self.name, self.version = str(self.release["model"]), int(self.release["model_version"])
        layout = Layout(self.model.inputs, self.model.target, drift, KINDS, self.ways.texts)
        self.counts: Counts = Counts(layout, workers, before.counts if before else None)
        self.loaded = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def load(folder: Path, workers: int = 1, before: Bundle | None = None) -> Bundle:
    """Load a bundle. Raises BundleError for whatever keeps it from serving."""
    try:
        return Bundle(folder, workers, before)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BundleError(f"the bundle is not of this service's format: {type(error).__name__}: {error}") from None
