"""The skops runtime: the fitted pipeline itself, built from a file that names types of our list alone.

It gets what it got when it was fitted, a frame of float32 and texts, and is scored on the thread that asks, as a graph
is: a service forks its workers after it has scored the golden rows, and a pool of threads would not outlive that.
"""

import contextlib
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy.typing as npt
import pandas as pd
import sklearn
import skops
import skops.io
from sklearn.pipeline import Pipeline
from threadpoolctl import ThreadpoolController

from serve.bundle import BundleError, OtherLibraryError
from serve.skops.sound import unsound
from serve.skops.trusted import TRUSTED

Spec = Mapping[str, Any]


def made_by() -> str:
    """Name the library that runs such pipelines, with its version; the file keeps it."""
    return f"scikit-learn {sklearn.__version__}"


def untrusted(content: bytes) -> list[str]:
    """List the types in a skops file that no list trusts."""
    return sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))


def load(file: Path) -> Pipeline:
    """Build the pipeline that a file holds.

    Raises BundleError when it holds a type that is not trusted, or nothing that holds together.
    """
    content = file.read_bytes()
    try:
        strange = untrusted(content)
        if strange:
            raise BundleError(
                f"{file} holds {', '.join(strange)}, which is not among the types that are built here;"
                " serve/skops/trusted.py lists those"
            )
        pipeline = skops.io.loads(content, trusted=list(TRUSTED))
        fault = unsound(pipeline) if isinstance(pipeline, Pipeline) else "it is no pipeline"
    except BundleError:
        raise
    except Exception as error:  # a file that was made up can break the parser anywhere
        if old := stale(file):
            raise OtherLibraryError(old) from None
        first = (str(error).strip() or "no message").splitlines()[0]
        raise BundleError(f"{file} cannot be loaded: {type(error).__name__}: {first}") from None
    if fault:
        raise BundleError(f"{file} cannot be loaded: {fault}")
    return pipeline


def stale(file: Path) -> str:
    """Say in a sentence that a file was written by another version of scikit-learn than is here; else nothing."""
    written = made_by()
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
        written = archive.comment.decode("ascii", "replace") or "nobody knows what"
    return "" if written == made_by() else f"{file} was written by {written}, here is {made_by()}"


class Fitted:
    """A loaded pipeline.

    Raises BundleError as `load`, and when it takes other columns or gives no outputs of the target's kind.
    """

    platform = "sklearn_skops"

    def __init__(self, file: Path, inputs: Sequence[Spec], target: Spec, threads: int) -> None:
        libraries = (sklearn, skops, pd)
        self.libraries: Mapping[str, str] = {module.__name__: str(module.__version__) for module in libraries}
        warnings.filterwarnings("ignore", module="sklearn")  # they are plain lines, and the service's log is JSON
        pipeline = load(file)
        self._names, self._stale = [spec["name"] for spec in inputs], stale(file)
        if list(getattr(pipeline, "feature_names_in_", self._names)) != self._names:
            raise BundleError(f"{file} takes other columns than the contract lists")
        method = "predict" if target["kind"] == "quantity" else "predict_proba"
        if not hasattr(pipeline, method):
            raise BundleError(f"{file} holds a pipeline without {method}, which a {target['kind']} target needs")
        self._predict: Callable[[pd.DataFrame], npt.NDArray[Any]] = getattr(pipeline, method)
        self._pools, self._threads = ThreadpoolController(), threads

    def run(self, feeds: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Score tensors, one a column, in the order of the inputs.

        Raises what the pipeline raises; OtherLibraryError when another version has written it.
        """
        frame = pd.DataFrame({name: values[:, 0] for name, values in zip(self._names, feeds, strict=True)})
        with self._pools.limit(limits=self._threads), joblib.parallel_config(backend="sequential"):
            try:
                return self._predict(frame)
            except Exception as error:
                if self._stale:
                    raise OtherLibraryError(self._stale) from error
                raise
