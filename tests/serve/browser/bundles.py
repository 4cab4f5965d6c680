"""Bundles small enough to be made in a moment, of each kind of target, and one whose every text is an attack."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from serve.browser.files import PAGE
from serve.bundle import seal
from serve.model import Model
from tests.validation.pages.evidence import verdict
from validation.pages.served import shown_by_service
from validation.script import to_json

WILD = """"><script>window.taken = 1</script><img src=x onerror="window.taken = 2">'${window.taken = 3}"""
NAME = WILD.replace('"', "'")  # no column can bear a name with a double quote
CARD = f"""# Model card\n\n## Intended use\n\nFor *tests*; see `docs`.\n\n{WILD}\n\n[a link](javascript:window.taken=4)

## Factors\n\n### Small\n\n- one\n- two\n\n| a | b |\n| --- | ---: |\n| {WILD.replace("|", "")} | 2 |\n"""
TARGETS: dict[str, dict[str, Any]] = {
    "binary": {"name": "bought", "kind": "binary", "labels": ["no", "yes"]},
    "classes": {"name": "size", "kind": "classes", "labels": ["S", "M", "L"]},
    "quantity": {"name": "rent", "kind": "quantity", "labels": [], "unit": "CHF a month", "range": 10_000},
}
INPUTS: list[dict[str, Any]] = [
    {"name": "age", "type": "number", "missing": False, "low": -5, "high": 100, "integer": True, "unit": "years"},
    {"name": "ratio (%)", "type": "number", "missing": True, "low": 0, "high": 1, "integer": False, "unit": ""},
    {"name": "town", "type": "category", "missing": True, "values": ["a", "b & c"], "unseen": "reject", "fold": False},
    {"name": "trade", "type": "category", "missing": False, "values": ["x", "y"], "unseen": "other", "fold": False},
]
LIMITS = {
    "port": 8000, "max_body_bytes": 100_000, "max_header_bytes": 8_000, "max_rows": 100, "header_seconds": 10,
    "body_seconds": 30, "requests_per_second": 1_000, "burst": 2_000, "concurrent": 64, "connections": 500,
    "ready_seconds": 30,
}  # fmt: skip


def make(root: Path, kind: str = "binary", wild: bool = False, page: bool = True) -> Path:
    """Write a bundle below `root`, where the service of `started` looks; with `wild` every text is WILD."""
    folder = root / "build/model"
    (folder / "model").mkdir(parents=True)
    inputs, target = INPUTS, TARGETS[kind]
    if wild:
        inputs = [_wild(spec, place) for place, spec in enumerate(inputs)]
        target = target | {"name": WILD, "labels": [f"{label}{WILD}" for label in target["labels"]]}
    rows = [dict(zip([spec["name"] for spec in inputs], values, strict=True)) for values in _values(inputs)]
    golden = {"rows": rows, "kinds": [], "fitted": [], "outputs": []}
    (folder / "model/model.onnx").write_bytes(_graph(inputs, max(len(target["labels"]), 1)))
    (folder / "model/contract.json").write_text(json.dumps({"inputs": inputs, "target": target}))
    (folder / "model/golden.json").write_text(json.dumps(golden))
    (folder / "model/drift.json").write_text(json.dumps(_drift(inputs)))
    seal(folder / "model")
    outputs = Model(folder / "model").outputs({spec["name"]: [row[spec["name"]] for row in rows] for spec in inputs})
    (folder / "model/golden.json").write_text(json.dumps(golden | {"outputs": outputs.tolist()}))
    release = {"model": WILD if wild else "toy", "model_version": 7, "model_digest": seal(folder / "model")}
    release |= {"run_id": "run-1", "commit": "c" * 40}
    (folder / "release.json").write_text(json.dumps(release))
    (folder / "service.json").write_text(json.dumps(LIMITS))
    if page:
        text = json.dumps(shown(kind))
        (folder / PAGE).write_text(json.dumps(_replaced(json.loads(text))) if wild else text)
    seal(folder)
    return root


def shown(kind: str, show_values: bool = True) -> dict[str, Any]:
    """What the page shows of a green run of one kind."""
    config: Any = SimpleNamespace(show_values=show_values, target=SimpleNamespace(positive="yes", unit="CHF"))
    gates = {gate: verdict(gate, kind) for gate in ("performance", "fairness")}
    return json.loads(to_json(shown_by_service(gates, config, CARD)))


def _wild(spec: dict[str, Any], place: int) -> dict[str, Any]:
    own = {"name": f"{place}{NAME}"} | ({"unit": WILD} if "unit" in spec else {})
    return spec | own | ({"values": [f"{value}{WILD}" for value in spec["values"]]} if "values" in spec else {})


def _replaced(value: Any) -> Any:
    """Put WILD into every text of a page; a drawing becomes one that would run."""
    if isinstance(value, dict):
        svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9' onload='parent.taken=5'>{WILD}</svg>"
        return {name: svg if name == "svg" else _replaced(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one) for one in value] + ([["script", "window.taken = 6"]] if value[:1] == ["p"] else [])
    return f"{value} {WILD}" if isinstance(value, str) and value not in ("p", "td", "table") else value


def _values(inputs: list[dict[str, Any]]) -> list[list[Any]]:
    town, trade = inputs[2]["values"], inputs[3]["values"]
    return [[40, 0.25, town[1], trade[0]], [-5, None, None, trade[1]], [30, 0.5, town[0], trade[1]]]


def _graph(inputs: list[dict[str, Any]], width: int) -> bytes:
    """Score by the first number alone: softmax of its multiples, or the number times ten for one output."""
    kinds = {"number": TensorProto.FLOAT, "category": TensorProto.STRING}
    taken = [helper.make_tensor_value_info(f"i{n}", kinds[spec["type"]], [None, 1]) for n, spec in enumerate(inputs)]
    weights = np.linspace(-0.05, 0.05, width).astype("float32")[None, :] if width > 1 else np.array([[10]], "float32")
    steps = [helper.make_node("MatMul", ["i0", "weights"], ["raw"])]
    steps.append(helper.make_node("Softmax" if width > 1 else "Identity", ["raw"], ["out"]))
    given = helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, width])
    graph = helper.make_graph(steps, "toy", taken, [given], [numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _drift(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    numbers = {"edges": [0.5], "counts": [1, 1], "missing": 0}
    columns = {
        spec["name"]: numbers
        if spec["type"] == "number"
        else {"counts": dict.fromkeys(spec["values"], 1), "other": 0, "missing": 0}
        for spec in inputs
    }
    return {"columns": columns, "outputs": {"edges": [0, 0.5, 1], "counts": [1, 1]}}
