"""A bundle as the service holds it: checked, and ready to score."""

from pathlib import Path
from typing import Any

from serve.bundle import BundleError, read_json, verify
from serve.model import Model
from serve.rows import Rows


class Bundle:
    """A bundle, checked and ready to score.

    Raises BundleError when a byte differs, or the golden rows give other outputs than at training.
    """

    def __init__(self, folder: Path) -> None:
        self.digest = verify(folder)
        self.release = read_json(folder / "release.json")
        self.limits = read_json(folder / "service.json")
        self.model = Model(folder / "model")
        if self.model.digest != self.release["model_digest"]:
            raise BundleError(f"{folder}: release.json names another model than the one in model/")
        differs = self.model.differs_from_golden()
        if differs:
            raise BundleError(f"{folder}: {differs}")
        self.rows = Rows(self.model.inputs, self.limits["max_rows"])

    def predict(self, columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
        """Score columns; one JSON object a row: label and probability, label and probabilities, or value."""
        outputs = self.model.outputs(columns)
        kind, labels = self.model.target["kind"], self.model.labels
        if kind == "quantity":
            return [{"value": value} for value in outputs[:, 0].tolist()]
        chosen = [labels[place] for place in self.model.choices(outputs).tolist()]
        if kind == "binary":
            return [
                {"label": label, "probability": positive}
                for label, positive in zip(chosen, outputs[:, 1].tolist(), strict=True)
            ]
        names = [str(label) for label in labels]
        return [
            {"label": label, "probabilities": dict(zip(names, row, strict=True))}
            for label, row in zip(chosen, outputs.tolist(), strict=True)
        ]
