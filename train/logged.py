"""How a sealed folder and its data look in MLflow; `mlflow` is the module, opened by train.registry."""

from pathlib import Path
from typing import Any

from serve.bundle import read_json
from serve.runtime import model_file, runtime_of
from serve.words import SKOPS
from train.view import Run


def data_set(run: Run) -> Any:
    """Describe the data by a digest of all of them: MLflow's own sees 10,000 rows, and takes 36 characters at most."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    return MetaDataset(source=CodeDatasetSource({"source": run.data_source}), name="data", digest=run.data_digest[:36])


def log_model(mlflow: Any, folder: Path) -> str:
    """Store the folder as a model of MLflow, the sealed files beside MLflow's own; return the model's id."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = read_json(folder / "contract.json")["inputs"]
    kinds = {"number": "float", "category": "string"}
    signature = ModelSignature(Schema([ColSpec(kinds[spec["type"]], spec["name"]) for spec in inputs]))
    log = _log_pipeline if runtime_of(folder) == SKOPS else _log_graph
    info = log(mlflow, model_file(folder), name="model", signature=signature)
    mlflow.MlflowClient().log_model_artifacts(info.model_id, str(folder))
    return str(info.model_id)


# Requirements are named: MLflow would start a process that imports everything to guess them
def _log_graph(mlflow: Any, file: Path, **named: Any) -> Any:
    import onnx

    return mlflow.onnx.log_model(onnx.load(file), pip_requirements=["onnxruntime"], **named)


def _log_pipeline(mlflow: Any, file: Path, **named: Any) -> Any:
    from serve.skops.pipeline import load
    from serve.skops.trusted import TRUSTED

    needed = ["pandas", "scikit-learn", "skops"]
    types = list(TRUSTED)
    return mlflow.sklearn.log_model(
        load(file), serialization_format="skops", skops_trusted_types=types, pip_requirements=needed, **named
    )
