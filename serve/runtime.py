"""What scores the rows of a model: an ONNX graph or, for what has none, the fitted pipeline itself (stdlib only).

Which of them follows from the file in the model's folder. Their libraries are imported where such a folder is opened.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from serve.bundle import BundleError
from serve.words import ONNX, SKOPS

FILES = {ONNX: "model.onnx", SKOPS: "model.skops"}  # where the model lies in its folder
LIBRARIES = {ONNX: "serve/requirements.txt", SKOPS: "serve/skops/requirements.txt"}  # what an image needs to run it
NOTES = {
    ONNX: "",
    SKOPS: "scikit-learn runs the pipeline itself: a request takes many times what an ONNX graph takes, and the image"
    " holds scikit-learn and pandas too",
}


class Session(Protocol):
    """A loaded model; `platform` is its name in the V2 protocol, `libraries` what its outputs hang on, by version."""

    platform: str
    libraries: Mapping[str, str]

    def run(self, feeds: Sequence[Any]) -> Any:
        """Score the tensors of `Model.feeds`: shape (rows, labels), or (rows,) or (rows, 1) for a quantity."""


def runtime_of(folder: Path) -> str:
    """Name the runtime of a model folder.

    Raises BundleError unless it holds one model.
    """
    found = [name for name, file in FILES.items() if (folder / file).is_file()]
    if len(found) != 1:
        raise BundleError(f"{folder} holds {'both' if found else 'neither'} of {' and '.join(FILES.values())}")
    return found[0]


def model_file(folder: Path) -> Path:
    """Return the file of the model in its folder; raises as `runtime_of`."""
    return folder / FILES[runtime_of(folder)]


def opened(folder: Path, inputs: Sequence[Mapping[str, Any]], target: Mapping[str, Any], threads: int) -> Session:
    """Load the model of a folder.

    Raises BundleError when it cannot be loaded, or its libraries are not here.
    """
    runtime = runtime_of(folder)
    file = folder / FILES[runtime]
    try:
        if runtime == SKOPS:
            from serve.skops.pipeline import Fitted

            return Fitted(file, inputs, target, threads)
        from serve.graph import Graph

        return Graph(file, inputs, threads)
    except ImportError as error:
        lock = LIBRARIES[runtime]
        raise BundleError(
            f"{file} needs {error.name}, which is not installed here; install {lock}, or build the image with"
            f" LIBRARIES={lock}"
        ) from None
