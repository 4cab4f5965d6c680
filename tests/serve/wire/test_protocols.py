"""Every protocol gives the numbers of the model, asked by clients and parsers that are not ours."""

import io
import json

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.deployments import PredictionsResponse
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.pyfunc.scoring_server import infer_and_parse_data, parse_csv_input
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.errors import BadRequestError
from open_inference.openapi.types import InferenceRequest, RequestInput, RequestOutput, TensorData
from sklearn.dummy import DummyClassifier

from serve.wire.routes import table
from tests.serves import answer_of

ROWS = 20


@pytest.fixture(scope="module")
def rows(golden) -> list[dict]:
    return golden["rows"][-ROWS:]


@pytest.fixture(scope="module")
def expected(bundle, rows) -> np.ndarray:
    return bundle.model.outputs({name: [row[name] for row in rows] for name in bundle.rows.names})[:, 1]


@pytest.fixture
def frame(rows) -> pd.DataFrame:
    return pd.DataFrame(rows).astype(object).where(lambda held: held.notna(), None)


def given(predictions) -> list[float]:
    return [row["probability"] for row in predictions]


def test_columns_give_what_records_give(service, rows, expected) -> None:
    """/predict takes rows and columns; both are the model's float32, to the last bit."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for body in ({"records": rows}, {"columns": columns}):
        answer = httpx.post(f"{service}/predict", json=body).json()
        assert expected.tolist() == given(answer["predictions"])


def test_mlflows_client_is_answered(service, frame, expected) -> None:
    """MLflow's own client pings, reads a version, and gets a frame of predictions for a frame of rows."""
    host, port = service.removeprefix("http://").split(":")
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=10)
    assert mlflow.version.VERSION == client.get_version()
    answer = client.invoke(frame).get_predictions()
    assert ["label", "probability"] == list(answer.columns)
    assert np.array_equal(expected, answer["probability"].to_numpy("float32"))


def test_probes_say_what_mlflows_own_server_says(service, monkeypatch) -> None:
    """/ping, /health and /version, byte by byte, to a client that names no form."""
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")  # which it sets itself, for the rest of the process
    theirs = scoring_server.init(PyFuncModel(Model(flavors={"python_function": {}}), DummyClassifier()))
    for path in ("/ping", "/health", "/version"):
        asked, ours = answer_of(theirs, path), httpx.get(f"{service}{path}")
        assert (asked.status_code, asked.content) == (ours.status_code, ours.content), path


def forms(rows: list[dict]) -> dict[str, dict]:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    split = {"columns": list(columns), "data": [list(row.values()) for row in rows]}
    return {
        "dataframe_records": {"dataframe_records": rows},
        "dataframe_split": {"dataframe_split": split},
        "dataframe_split with an index": {"dataframe_split": split | {"index": list(range(len(rows)))}},
        "columns in another order": {
            "dataframe_split": {"columns": split["columns"][::-1], "data": [row[::-1] for row in split["data"]]}
        },
        "instances": {"instances": rows},
        "inputs, columns": {"inputs": columns},
        "inputs, records": {"inputs": rows},
        "params that are empty": {"inputs": rows, "params": {}},
    }


@pytest.mark.parametrize("form", forms([{"a": 1}]))
def test_what_mlflow_parses_is_what_is_scored(service, bundle, rows, form) -> None:
    """Each JSON form, parsed by MLflow's own scoring server, holds the rows whose scores are answered."""
    if not form.startswith("dataframe"):  # of a missing text MLflow makes the text "None" in the others
        rows = [row for row in rows if None not in row.values()]
    body = forms(rows)[form]
    held = {key: value for key, value in body.items() if key != "params"}
    read = infer_and_parse_data(json.loads(json.dumps(held)))
    if isinstance(read, dict):
        read = {name: list(column) for name, column in read.items()}
    read = pd.DataFrame(read).astype(object)
    read = read.where(read.notna(), None)
    wanted = bundle.model.outputs({name: read[name].tolist() for name in bundle.rows.names})[:, 1]
    answer = httpx.post(f"{service}/invocations", json=body)
    assert 200 == answer.status_code, answer.text
    assert wanted.tolist() == given(json.loads(PredictionsResponse.from_json(answer.text).to_json())["predictions"])


def test_a_csv_that_pandas_wrote_is_read_as_mlflow_reads_it(service, bundle, frame, expected) -> None:
    """text/csv, empty cells missing; MLflow's parser sees the same table."""
    text = frame.to_csv(index=False)
    read = parse_csv_input(io.StringIO(text)).astype(object)
    read = read.where(read.notna(), None)
    wanted = bundle.model.outputs({name: read[name].tolist() for name in bundle.rows.names})[:, 1]
    assert expected.tolist() == wanted.tolist()
    headers = {"content-type": "text/csv; charset=utf-8"}
    answer = httpx.post(f"{service}/invocations", content=text, headers=headers)
    assert wanted.tolist() == given(answer.json()["predictions"])


def test_sagemaker_and_mlflow_find_it_healthy(service) -> None:
    """/ping and /health answer 200 and an empty line, as MLflow's scoring server does."""
    for path in ("/ping", "/health"):
        answer = httpx.get(service + path)
        assert (200, "\n", "application/json") == (answer.status_code, answer.text, answer.headers["content-type"])


@pytest.mark.parametrize("path", sorted({route.path for route in table("income", 1, {}) if route.method == "GET"}))
def test_whoever_asks_for_the_head_gets_the_head(service, path) -> None:
    """Of every page, probe and schema: RFC 9110 wants HEAD wherever there is GET, and monitors ask so."""
    whole, head = httpx.get(service + path, timeout=60), httpx.head(service + path, timeout=60)
    assert (200, 200, b"") == (whole.status_code, head.status_code, head.content)
    assert whole.headers.get("content-type") == head.headers.get("content-type")


def test_vertex_asks_on_the_routes_that_it_names(service, bundle, rows, expected) -> None:
    """Instances in, predictions out, and the health route."""
    assert 200 == httpx.get(f"{service}/vertex/health").status_code
    for instances in (rows, [[row[name] for name in bundle.rows.names] for row in rows]):
        answer = httpx.post(f"{service}/vertex/predict", json={"instances": instances, "parameters": {}})
        assert expected.tolist() == given(answer.json()["predictions"])


def test_azure_finds_its_routes(service, rows, expected) -> None:
    """/ says Healthy where Azure ML's variables are set; /score takes input_data and answers a list."""
    assert "Healthy" == httpx.get(f"{service}/").text
    split = {"columns": list(rows[0]), "index": list(range(ROWS)), "data": [list(row.values()) for row in rows]}
    for held in (split, rows):
        assert expected.tolist() == given(httpx.post(f"{service}/score", json={"input_data": held}).json())


def tensors(rows: list[dict], bundle) -> list[RequestInput]:
    return [
        RequestInput(
            name=spec["name"], shape=[len(rows)], datatype="FP64" if spec["type"] == "number" else "BYTES",
            data=TensorData(__root__=[row[spec["name"]] for row in rows]),
        )
        for spec in bundle.model.inputs
    ]  # fmt: skip


def test_the_v2_client_is_answered(service, bundle, rows, expected) -> None:
    """The client generated from the protocol's own description reads health, metadata and both tensors."""
    client = OpenInferenceClient(base_url=service)
    client.check_server_liveness()
    client.check_server_readiness()
    client.check_model_readiness(model_name="income")
    assert "gatehouse" == client.read_server_metadata().name
    described = client.read_model_metadata(model_name="income")
    assert bundle.rows.names == [tensor.name for tensor in described.inputs]
    full = [row for row in rows if None not in row.values()]
    wanted = [probability for probability, row in zip(expected.tolist(), rows, strict=True) if row in full]
    asked = InferenceRequest(id="mine", inputs=tensors(full, bundle))
    for answer in (
        client.model_infer(model_name="income", request=asked),
        client.model_version_infer(model_name="income", model_version="1", request=asked),
    ):
        assert ("income", "1", "mine") == (answer.model_name, answer.model_version, answer.id)
        label, probabilities = answer.outputs
        assert ("BYTES", [len(full)], "FP32", [len(full), 2]) == (
            label.datatype, list(label.shape), probabilities.datatype, list(probabilities.shape),
        )  # fmt: skip
        assert wanted == list(probabilities.data.__root__)[1::2]
    only = InferenceRequest(inputs=tensors(full, bundle), outputs=[RequestOutput(name="label")])
    assert ["label"] == [output.name for output in client.model_infer(model_name="income", request=only).outputs]


def test_the_v2_client_understands_what_is_wrong(service, bundle, rows) -> None:
    """A missing tensor is a 400 with a sentence, another model a 404."""
    client = OpenInferenceClient(base_url=service)
    with pytest.raises(BadRequestError) as refused:
        client.model_infer(model_name="income", request=InferenceRequest(inputs=tensors(rows[:1], bundle)[1:]))
    assert "'inputs' lacks column 'age'" == refused.value.body["error"]
    with pytest.raises(ApiError, match="no such model") as unknown:
        client.model_infer(model_name="nobody", request=InferenceRequest(inputs=tensors(rows[:1], bundle)))
    assert 404 == unknown.value.status_code
