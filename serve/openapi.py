"""The OpenAPI description of every route that is not FastAPI's own, written from the bundle's contract."""

from typing import Any

import msgspec
from fastapi import FastAPI

from serve.loaded import Bundle
from serve.wire.feedback import described_feedback
from serve.wire.routes import table
from serve.words import COLUMNS, RECORDS

Schema = dict[str, Any]
OBJECT: Schema = {"type": "object"}
ROWS = "Rows as this protocol writes them; docs/protocols.md has an example of each form"
SAID = {
    "mlflow": "Score rows as MLflow's scoring server takes them (JSON in four forms, or CSV); SageMaker calls it too",
    "vertex": "Score `instances`, as Vertex AI sends them",
    "azure": "Score `input_data`, as Azure ML's deployments of MLflow models take it",
    "v2": "Infer, by the Open Inference Protocol V2",
    "lives": "The process lives",
    "ready": "It answers predictions",
    "ping": "It answers predictions, as MLflow and SageMaker ask",
    "v2 server": "The server, by the Open Inference Protocol V2",
    "v2 live": "The process lives",
    "v2 ready": "It answers predictions",
    "v2 model": "The model's inputs and outputs",
    "v2 model ready": "The model answers",
    "azure lives": "The process lives",
}


def describe(app: FastAPI, bundle: Bundle) -> None:
    """Add the routes in front to the app's OpenAPI schema: the typed row, answers, refusals, and a row that works."""
    schemas, predict = _predict(bundle)
    more, feedback = described_feedback(bundle.model.target, bundle.rows.max_rows)
    schemas |= more
    paths: dict[str, Schema] = {"/predict": {"post": predict}, "/feedback": {"post": feedback}}
    for route in table(bundle.name, bundle.version):
        if route.what in SAID:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route.what, route.path)
    base = app.openapi

    def openapi() -> Schema:
        schema = base()
        schema["paths"].update(paths)
        schema.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its schema


def _operation(what: str, path: str) -> Schema:
    name = "_".join(part for part in (what, *path.split("/")) if part).replace(" ", "_")
    known: Schema = {"summary": SAID[what], "operationId": name}
    if what not in ("mlflow", "vertex", "azure", "v2"):
        kind = "text/plain" if what == "azure lives" else "application/json"
        answers: Schema = {"200": {"description": "Yes", "content": {kind: {"schema": {}}}}}
        if "ready" in what or what == "ping":
            answers["503"] = {"description": "Not ready", "content": {kind: {"schema": {}}}}
        return known | {"responses": answers}
    answer: Schema = {"type": "array"} if what == "azure" else OBJECT
    content: Schema = {"application/json": {"schema": OBJECT}}
    refusal: Schema = {"application/json": {"schema": OBJECT}}
    said = {
        "400": "The body is no JSON, or breaks the contract",
        "413": "The body is too large",
        "500": "The model failed",
    }
    answers = {"200": {"description": "In the order of the rows", "content": {"application/json": {"schema": answer}}}}
    answers |= {status: {"description": text, "content": refusal} for status, text in said.items()}
    if what == "mlflow":
        content["text/csv"] = {"schema": {"type": "string"}}
        text = {"text/plain": {"schema": {"type": "string"}}}
        answers["415"] = {"description": "Neither JSON nor CSV", "content": text}
    return known | {"description": ROWS, "requestBody": {"required": True, "content": content}, "responses": answers}


def _predict(bundle: Bundle) -> tuple[Schema, Schema]:
    """Return the schemas that /predict needs, and its operation."""
    [row], schemas = msgspec.json.schema_components([bundle.rows.row_type], ref_template="#/components/schemas/{name}")
    schemas["Row"].setdefault("additionalProperties", False)
    schemas["Rows"] = _object({RECORDS: {"type": "array", "items": row, "minItems": 1}})
    columns = {
        name: {"type": "array", "items": kind, "minItems": 1} for name, kind in schemas["Row"]["properties"].items()
    }
    schemas["Columns"] = _object({COLUMNS: _object(columns)})
    schemas["Prediction"] = _prediction(bundle.model.target)
    one: Schema = {"$ref": "#/components/schemas/Prediction"}
    version = {"type": "integer"}
    schemas["Answer"] = {
        "oneOf": [
            _object({"prediction": one, "model_version": version}),
            _object({"predictions": {"type": "array", "items": one}, "model_version": version}),
        ]
    }
    text, number = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
    schemas["Refusal"] = _object({"detail": {"type": "string"}, "field": text, "row": number})
    forms = [row, *({"$ref": f"#/components/schemas/{name}"} for name in ("Rows", "Columns"))]
    example = bundle.model.golden_rows[-1]
    body = {
        "schema": {"anyOf": forms},
        "examples": {
            "one row": {"value": example},
            "many rows": {"value": {RECORDS: [example, example]}},
            "columns": {"value": {COLUMNS: {name: [value, value] for name, value in example.items()}}},
        },
    }
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    said = {
        "400": "The body is no JSON",
        "413": "The body is too large",
        "422": "A row breaks the contract; the field is named",
        "500": "The model failed; the log says why",
    }
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}
    answers: Schema = {"200": {"description": "In the order of the rows", "content": answer}}
    answers |= {status: {"description": text, "content": refusal} for status, text in said.items()}
    operation = {
        "summary": f"Score one row, or many under `{RECORDS}` or `{COLUMNS}`",
        "operationId": "predict",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": answers,
    }
    return schemas, operation


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _prediction(target: Schema) -> Schema:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    if target["kind"] == "quantity":
        return _object({"value": {"type": "number", "description": target["unit"]}})
    label = {"enum": target["labels"]}
    if target["kind"] == "binary":
        positive = f"of {target['labels'][1]}"
        return _object({"label": label, "probability": {**share, "description": positive}})
    return _object({"label": label, "probabilities": _object({str(name): share for name in target["labels"]})})
