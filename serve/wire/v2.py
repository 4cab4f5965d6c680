"""KServe's Open Inference Protocol V2 over REST, JSON tensors: a tensor a column in, label and probabilities out."""

from typing import Any

import msgspec

from serve.model import Model
from serve.refusal import BadRequest
from serve.rows import Rows
from serve.wire.protocol import Asked, Protocol, many, only, parsed, plain
from serve.wire.scored import Scored, Templates

NUMBERS = {"FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
_encode = msgspec.json.encode


def outputs_of(target: dict[str, Any]) -> list[dict[str, Any]]:
    """Name the output tensors with type and shape, -1 for the rows."""
    if target["kind"] == "quantity":
        return [{"name": "value", "datatype": "FP32", "shape": [-1]}]
    label = "BYTES" if isinstance(target["labels"][0], str) else "INT64"
    probabilities = {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(target["labels"])]}
    return [{"name": "label", "datatype": label, "shape": [-1]}, probabilities]


def metadata(name: str, version: int, model: Model) -> dict[str, Any]:
    """Describe the model as GET /v2/models/{name} does."""
    inputs = [
        {"name": spec["name"], "datatype": "FP32" if spec["type"] == "number" else "BYTES", "shape": [-1]}
        for spec in model.inputs
    ]
    described = {"name": name, "versions": [str(version)], "platform": model.session.platform}
    return described | {"inputs": inputs, "outputs": outputs_of(model.target)}


def infer(rows: Rows, templates: Templates, model: Model, name: str, version: int) -> Protocol:
    """Make the protocol of /v2/models/{name}/infer."""
    named = {spec["name"]: spec for spec in model.inputs}
    offered = {output["name"]: output for output in outputs_of(model.target)}
    head = b'{"model_name":%b,"model_version":"%d"' % (_encode(name), version)

    def decode(body: bytes, _: bytes) -> Asked:
        value = parsed(body)
        only(value, {"id", "parameters", "inputs", "outputs"})
        if not isinstance(value.get("id", ""), str):
            raise BadRequest(422, "id must be a text", "id")
        tensors = value.get("inputs")
        if not isinstance(tensors, list) or not all(isinstance(tensor, dict) for tensor in tensors):
            raise BadRequest(422, "inputs must be a list of tensors", "inputs")
        columns: dict[str, Any] = {}
        for tensor in tensors:
            column = _column(tensor, named)
            if tensor["name"] in columns:
                raise BadRequest(422, f"{tensor['name']}: the tensor is there twice", tensor["name"])
            columns[tensor["name"]] = column
        wanted = _wanted(value.get("outputs"), list(offered))
        return many(rows.from_columns(columns, "inputs"), (value.get("id"), wanted))

    def answer(scored: Scored, start: int, asked: Asked) -> bytes:
        mark, wanted = asked.how
        width, end = scored.width, start + asked.count
        parts = []
        for output in wanted:
            spec = offered[output]
            shape = [asked.count, *spec["shape"][1:]]
            if output == "label":
                data = b",".join([templates.labels[chosen] for chosen in scored.choices[start:end]])
            else:
                data = b",".join(scored.texts()[start * width : end * width])
            known = _encode({"name": output, "datatype": spec["datatype"], "shape": shape})
            parts.append(known[:-1] + b',"data":[' + data + b"]}")
        said = b',"id":' + _encode(mark) if mark is not None else b""
        return head + said + b',"outputs":[' + b",".join(parts) + b"]}"

    return Protocol("v2", decode, answer, plain)


def _wanted(asked: Any, offered: list[str]) -> list[str]:
    if asked is None or asked == []:
        return offered
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise BadRequest(422, "outputs must be a list of objects with a name", "outputs")
    names = [one.get("name") for one in asked]
    for name in names:
        if name not in offered:
            raise BadRequest(422, f"outputs: {str(name)[:100]!r} is none of {', '.join(offered)}", "outputs")
    return names


def _column(tensor: dict[str, Any], named: dict[str, dict[str, Any]]) -> list[Any]:
    """Read one tensor of shape [rows] or [rows, 1], its data flat or nested."""
    only(tensor, {"name", "shape", "datatype", "parameters", "data"})
    name = tensor.get("name")
    if not isinstance(name, str) or name not in named:
        raise BadRequest(422, f"inputs: {str(name)[:100]!r} is no input of the model", str(name)[:100])
    datatype, shape, data = tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    number = named[name]["type"] == "number"
    if not isinstance(datatype, str) or datatype not in (NUMBERS if number else {"BYTES"}):
        raise BadRequest(422, f"{name}: datatype must be {'a number as FP32' if number else 'BYTES'}", name)
    if not isinstance(data, list):
        raise BadRequest(422, f"{name}: data must be a list", name)
    flat = [item for row in data for item in (row if isinstance(row, list) else [row])]
    whole = isinstance(shape, list) and all(type(size) is int for size in shape)
    if not whole or shape not in ([len(flat)], [len(flat), 1]):
        raise BadRequest(422, f"{name}: shape must be [{len(flat)}] or [{len(flat)}, 1], as many as data holds", name)
    return flat
