"""Vertex AI and Azure ML: `instances` or `input_data` in, predictions out, on the routes that the platform says."""

from serve.refusal import BadRequest
from serve.rows import Rows
from serve.wire.mlflow import from_instances, from_split
from serve.wire.protocol import Asked, Protocol, many, only, parsed, plain
from serve.wire.scored import Scored, Templates


def vertex(rows: Rows, templates: Templates) -> Protocol:
    """Make the protocol of Vertex AI: {"instances": [...]} gives {"predictions": [...]}."""

    def decode(body: bytes, _: bytes) -> Asked:
        value = parsed(body)
        only(value, {"instances", "parameters"})
        if "instances" not in value:
            raise BadRequest(422, "the body must hold instances", "instances")
        if value.get("parameters"):
            raise BadRequest(422, "parameters: this model takes none", "parameters")
        return many(from_instances(rows, value["instances"], "instances"))

    def answer(scored: Scored, start: int, asked: Asked) -> bytes:
        return b'{"predictions":[' + templates.rows(scored, start, asked.count) + b"]}"

    return Protocol("vertex", decode, answer, plain)


def azure(rows: Rows, templates: Templates) -> Protocol:
    """Make the protocol of Azure ML's deployments of MLflow models: {"input_data": …} gives a list."""

    def decode(body: bytes, _: bytes) -> Asked:
        value = parsed(body)
        only(value, {"input_data", "params"})
        if value.get("params"):
            raise BadRequest(422, "params: this model takes none", "params")
        if "input_data" not in value:
            raise BadRequest(422, "the body must hold input_data", "input_data")
        held = value["input_data"]
        if isinstance(held, dict):
            return many(from_split(rows, held, "input_data"))
        return many(from_instances(rows, held, "input_data"))

    def answer(scored: Scored, start: int, asked: Asked) -> bytes:
        return b"[" + templates.rows(scored, start, asked.count) + b"]"

    return Protocol("azure", decode, answer, plain)
