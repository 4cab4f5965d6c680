"""Bundles made of the chain's one: another version, other outputs, one column more, or broken."""

import json
import shutil
from pathlib import Path

import onnx

from serve.bundle import MANIFEST, seal
from serve.model import Model


def sealed(bundle: Path) -> Path:
    """Seal a changed bundle as somebody would who wants it to pass."""
    (bundle / "model" / MANIFEST).unlink(missing_ok=True)
    changed(bundle / "release.json", model_digest=seal(bundle / "model"))
    (bundle / MANIFEST).unlink(missing_ok=True)
    seal(bundle)
    return bundle


def changed(path: Path, **fields: object) -> None:
    """Change fields of a file of JSON."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def version_of(bundle: Path, to: Path, version: int, shift: float = 0.5, column: str = "") -> Path:
    """Make a good bundle of another version: its trees begin at another value; `column` is one it takes besides."""
    shutil.copytree(bundle, to)
    changed(to / "release.json", model_version=version)
    graph = onnx.load(to / "model/model.onnx")
    trees = next(node for node in graph.graph.node if node.op_type.startswith("TreeEnsemble"))
    base = next(attribute for attribute in trees.attribute if attribute.name == "base_values")
    base.floats[0] += shift
    golden = json.loads((to / "model/golden.json").read_text())
    if column:
        contract = json.loads((to / "model/contract.json").read_text())
        spec = {"name": column, "type": "number", "low": 0, "high": 9, "integer": False, "missing": False, "unit": "1"}
        changed(to / "model/contract.json", inputs=[*contract["inputs"], spec])
        drift = json.loads((to / "model/drift.json").read_text())
        bins = {"edges": [3.0, 6.0], "counts": [1, 1, 1], "missing": 0}
        changed(to / "model/drift.json", columns=drift["columns"] | {column: bins})
        golden["rows"] = [row | {column: 1.0} for row in golden["rows"]]
        graph.graph.input.append(onnx.helper.make_tensor_value_info(column, onnx.TensorProto.FLOAT, [None, 1]))
    onnx.save(graph, to / "model/model.onnx")
    (to / "model/trees.npz").unlink(missing_ok=True)
    model = Model(sealed(to) / "model")
    outputs = model.outputs({spec["name"]: [row[spec["name"]] for row in golden["rows"]] for spec in model.inputs})
    changed(to / "model/golden.json", rows=golden["rows"], outputs=outputs.tolist())
    return sealed(to)
