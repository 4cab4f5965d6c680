"""The ONNX runtime: one graph with an input a column (numpy and onnxruntime only)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime

from serve.bundle import BundleError


class Graph:
    """A loaded ONNX graph.

    Raises BundleError when it cannot be loaded, or takes another number of inputs than there are columns.
    """

    platform = "onnx_onnxv1"

    def __init__(self, file: Path, inputs: Sequence[Mapping[str, Any]], threads: int) -> None:
        self.libraries: Mapping[str, str] = {"onnxruntime": str(onnxruntime.__version__)}
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base
            raise BundleError(f"{file} cannot be loaded: {str(error).splitlines()[0]}") from None
        self._taken = [node.name for node in self._session.get_inputs()]
        if len(self._taken) != len(inputs):
            raise BundleError(f"{file}: the graph takes {len(self._taken)} inputs, the contract lists {len(inputs)}")
        self._wanted = [self._session.get_outputs()[-1].name]  # after the label, the probabilities

    def run(self, feeds: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Score tensors, one a column, in the order of the inputs."""
        # by place, not by name: the converter writes names with spaces and the like otherwise
        scores: npt.NDArray[Any] = self._session.run(self._wanted, dict(zip(self._taken, feeds, strict=True)))[0]
        return scores
