"""Who gets JSON at /version, and who MLflow's text."""

import json
import shutil

import httpx
import pytest

from serve.loaded import Bundle
from serve.pages import make
from serve.wire.accept import wants_json
from tests.serve.bundles import sealed
from tests.serves import answer_of

FORMS = {
    "application/json": True,
    "Application/JSON": True,
    "application/*": True,
    "application/json, text/plain, */*": True,
    "text/plain, application/json": True,
    "application/json;q=0.5, */*;q=0.4": True,
    "text/plain;q=0.2, application/json ; charset=utf-8 ; q=0.3": True,
    "*/*, text/plain;q=0": True,
    "": False,
    "*/*": False,
    "text/*": False,
    "text/plain": False,
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": False,
    "application/json;q=0": False,
    "application/json;q=0, text/plain;q=0": False,
    "application/json;q=0.3, text/plain;q=0.8": False,
    "application/json;q=0.3, text/*": False,
    "application/json;q=much": False,
    "application/json;q=nan": False,
    "application/problem+json": False,
    ";,;q=": False,
}


@pytest.mark.parametrize("accept", FORMS)
def test_json_is_for_whom_asks_for_it(accept: str) -> None:
    """The most specific range counts, its weight decides, and only a named form wins a tie."""
    assert FORMS[accept] == wants_json(accept)


def test_both_forms_name_the_version_that_answers(service) -> None:
    """JSON is for people and deployments; the text has the model's version beside it; caches keep them apart."""
    asked = [httpx.get(f"{service}/version", headers={"accept": kind}) for kind in ("application/json", "*/*")]
    assert ["application/json", "text/plain; charset=utf-8"] == [one.headers["content-type"] for one in asked]
    assert [str(asked[0].json()["model_version"])] * 2 == [one.headers["model-version"] for one in asked]
    assert ["Accept"] * 2 == [one.headers["vary"] for one in asked]


def test_an_accept_header_may_come_in_parts(service) -> None:
    """Two lines are one list."""
    lines = [("accept", "text/plain;q=0.5"), ("accept", "application/json")]
    with httpx.Client() as client:
        request = client.build_request("GET", f"{service}/version")
        request.headers = httpx.Headers([*((k, v) for k, v in request.headers.items() if k != "accept"), *lines])
        assert "model_digest" in client.send(request).json()


def test_a_bundle_of_an_older_chain_names_no_mlflow(chain, tmp_path) -> None:
    """It serves, and says that it does not know."""
    folder = shutil.copytree(chain.root / "build/model", tmp_path / "bundle")
    release = json.loads((folder / "release.json").read_text())
    del release["mlflow_version"]
    (folder / "release.json").write_text(json.dumps(release))
    pages = make(Bundle(sealed(folder)), None)
    assert "unknown" == answer_of(pages, "/version").text
