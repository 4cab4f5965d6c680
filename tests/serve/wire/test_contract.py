"""The law of the service: on any legal row it answers what the model gives, and the API keeps its own description."""

import json
import math
import socket

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import checks

CHECKED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = 40


def values(spec: dict) -> st.SearchStrategy:
    """Every legal value of a column."""
    if spec["type"] == "number" and spec["integer"]:
        kind = st.integers(math.ceil(spec["low"]), math.floor(spec["high"]))
        kind = kind | kind.map(float)
    elif spec["type"] == "number":
        kind = st.floats(spec["low"], spec["high"])
    else:
        kind = st.sampled_from(spec["values"])
        if spec["unseen"] == "other":
            kind = kind | st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)
    return kind | st.none() if spec["missing"] else kind


@pytest.fixture(scope="module")
def client(service):
    with httpx.Client(base_url=service) as opened:
        yield opened


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_legal_row_is_answered_as_the_model_gives(client, bundle, data) -> None:
    """Alone, as records, as columns, as tensors and among many: the same float32, whatever the order of the keys."""
    inputs = bundle.model.inputs
    rows = data.draw(st.lists(st.fixed_dictionaries({s["name"]: values(s) for s in inputs}), min_size=1, max_size=5))
    columns = {name: [row[name] for row in rows] for name in bundle.rows.names}
    outputs = bundle.model.outputs(columns)
    wanted = outputs[:, 1].tolist()
    turned = [dict(data.draw(st.permutations(list(row.items())))) for row in rows]
    alone = [client.post("/predict", json=row).json()["prediction"] for row in turned]
    assert wanted == [answer["probability"] for answer in alone]
    assert [bundle.model.labels[place] for place in bundle.model.choices(outputs)] == [row["label"] for row in alone]
    for body in ({"records": turned}, {"columns": columns}):
        assert alone == client.post("/predict", json=body).json()["predictions"]
    many = bundle.ways.many  # from so many rows on trees score them
    assert alone * many == client.post("/predict", json={"records": turned * many}).json()["predictions"]
    tensors = [
        {"name": s["name"], "shape": [len(rows)], "datatype": "FP64" if s["type"] == "number" else "BYTES",
         "data": columns[s["name"]]}
        for s in inputs
    ]  # fmt: skip
    _, probabilities = client.post("/v2/models/income/infer", json={"inputs": tensors}).json()["outputs"]
    assert wanted == probabilities["data"][1::2]


def test_the_same_bytes_give_the_same_bytes(client, golden) -> None:
    """Asked a hundred times, alone and among others, a body has one answer."""
    body = json.dumps(golden["rows"][0]).encode()
    answers = {client.post("/predict", content=body).content for _ in range(100)}
    assert len(answers) == 1
    number = json.loads(answers.pop())["prediction"]["probability"]
    assert pytest.approx(golden["outputs"][0][1], abs=1e-6) == number


def test_a_large_request_is_answered_alike(client, golden) -> None:
    """Beyond what is worked on at once a thread does it: same numbers, same refusals."""
    rows = (golden["rows"] * 100)[:3000]
    answers = client.post("/predict", json={"records": rows}).json()["predictions"]
    assert client.post("/predict", json={"records": rows[:70]}).json()["predictions"] == answers[:70]
    refused = client.post("/predict", json={"records": [*rows, rows[0] | {"age": 3}]})
    assert (422, 3000) == (refused.status_code, refused.json()["row"])


@pytest.mark.parametrize(
    ("status", "heads"),
    [
        (400, []),
        (413, ["host: localhost", "content-length: 999999999"]),
        (431, ["host: localhost", "x-long: " + "x" * 70_000]),
        (501, ["host: localhost", "transfer-encoding: gzip, chunked"]),
    ],
)
def test_what_every_route_may_answer_is_described(service, status, heads) -> None:
    """Public ones too: the connection refuses, whatever is asked for, and JSON says why."""
    paths = httpx.get(f"{service}/openapi.json").json()["paths"]
    asked = 0
    for path, operations in paths.items():
        for method, operation in operations.items():
            with socket.create_connection(("127.0.0.1", httpx.URL(service).port), timeout=30) as connection:
                lines = [f"{method.upper()} {path} HTTP/1.1", *heads, "", ""]
                connection.sendall("\r\n".join(lines).encode())
                answer = connection.recv(65536)
            assert (path, b"HTTP/1.1 %d" % status) == (path, answer[:12])
            described = operation["responses"][str(status)]
            assert "application/json" in described["content"], path
            assert {"408", "500", "503"} <= set(operation["responses"]), path
            asked += 1
    assert asked >= 15


def test_the_api_keeps_its_own_description(service) -> None:
    """Whatever schemathesis makes of the schema: no 5xx, no status, type or answer that is not described."""
    schema = schemathesis.openapi.from_url(f"{service}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 15
    asked = []
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def check(case) -> None:
            # MLflow's scoring server answers an empty line and calls it JSON; so do we, there
            empty = case.path in ("/ping", "/health", "/vertex/health")
            asked.append(case.path)
            case.call_and_validate(checks=CHECKED[:-1] if empty else CHECKED)

        check()
    assert {operation.path for operation in operations} == set(asked)
