"""How a sealed folder and its data look in MLflow; `mlflow` is the module, opened by train.registry."""

from pathlib import Path
from typing import Any

from serve.bundle import read_json
from train.view import Run


def data_set(run: Run) -> Any:
    """Describe the data by a digest of all of them: MLflow's own sees 10,000 rows, and takes 36 characters at most."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    return MetaDataset(source=CodeDatasetSource({"source": run.data_source}), name="data", digest=run.data_digest[:36])


def log_model(mlflow: Any, folder: Path) -> str:
    """Store the folder as an ONNX model of MLflow, the sealed files beside MLflow's own; return the model's id."""
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = read_json(folder / "contract.json")["inputs"]
    kinds = {"number": "float", "category": "string"}
    signature = ModelSignature(Schema([ColSpec(kinds[spec["type"]], spec["name"]) for spec in inputs]))
    graph = onnx.load(folder / "model.onnx")
    # Requirements are named: MLflow would start a process that imports everything to guess them
    info = mlflow.onnx.log_model(graph, name="model", signature=signature, pip_requirements=["onnxruntime"])
    mlflow.MlflowClient().log_model_artifacts(info.model_id, str(folder))
    return str(info.model_id)
