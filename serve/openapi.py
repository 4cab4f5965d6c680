"""The OpenAPI description of /predict, written from the bundle's contract."""

from typing import Any

import msgspec
from fastapi import FastAPI

from serve.words import RECORDS


def describe(app: FastAPI, row_type: type[Any], target: dict[str, Any], example: dict[str, Any]) -> None:
    """Add /predict to the app's OpenAPI schema: the typed row, the answer, the refusals, and a row that works."""
    [row], schemas = msgspec.json.schema_components([row_type], ref_template="#/components/schemas/{name}")
    schemas["Row"].setdefault("additionalProperties", False)
    schemas["Rows"] = {
        "type": "object",
        "properties": {RECORDS: {"type": "array", "items": row, "minItems": 1}},
        "required": [RECORDS],
        "additionalProperties": False,
    }
    schemas["Prediction"] = _prediction(target)
    one: dict[str, Any] = {"$ref": "#/components/schemas/Prediction"}
    version = {"type": "integer"}
    schemas["Answer"] = {
        "oneOf": [
            _object({"prediction": one, "model_version": version}),
            _object({"predictions": {"type": "array", "items": one}, "model_version": version}),
        ]
    }
    text, number = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
    schemas["Refusal"] = _object({"detail": {"type": "string"}, "field": text, "row": number})
    body = {
        "schema": {"anyOf": [row, {"$ref": "#/components/schemas/Rows"}]},
        "examples": {"one row": {"value": example}, "many rows": {"value": {RECORDS: [example, example]}}},
    }
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    operation = {
        "summary": "Score one row, or many under `records`",
        "operationId": "predict",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {
                "description": "In the order of the rows",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}},
            },
            "400": {"description": "The body is no JSON", "content": refusal},
            "413": {"description": "The body is too large", "content": refusal},
            "422": {"description": "A row breaks the contract; the field is named", "content": refusal},
        },
    }
    base = app.openapi

    def openapi() -> dict[str, Any]:
        schema = base()
        schema["paths"]["/predict"] = {"post": operation}
        schema.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its schema


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _prediction(target: dict[str, Any]) -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    if target["kind"] == "quantity":
        return _object({"value": {"type": "number", "description": target["unit"]}})
    label = {"enum": target["labels"]}
    if target["kind"] == "binary":
        positive = f"of {target['labels'][1]}"
        return _object({"label": label, "probability": {**share, "description": positive}})
    return _object({"label": label, "probabilities": _object({str(name): share for name in target["labels"]})})
