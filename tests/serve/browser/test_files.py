"""What a browser is given, without one."""

import functools
import re

import httpx
import pytest

from serve.browser.files import FILES, contents
from tests.serve.browser.bundles import NAME, shown

get = functools.partial(httpx.get, timeout=60)  # the first page waits for FastAPI's import


def test_the_files_name_no_other_host_and_no_script_inline() -> None:
    """Whatever they load lies beside them; a drawing's name is no address."""
    for route, (content, kind) in contents().items():
        text = content.decode()
        assert {"http://www.w3.org/2000/svg"} >= set(re.findall(r"https?://[^'\"\s)]+", text)), route
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=|innerHTML|eval\(", text), route
        assert kind.endswith("charset=utf-8")


def test_each_file_is_public_and_the_facts_are_not(toys) -> None:
    """A browser that opens an address has no key; HEAD is answered as well."""
    url = toys(API_KEYS="a predict sha256:" + "0" * 64)
    assert {200} == {get(url + route).status_code for route in FILES}
    assert 200 == httpx.head(f"{url}/", timeout=60).status_code
    refusal = get(f"{url}/page.json")
    assert (401, "a credential is missing") == (refusal.status_code, refusal.json()["detail"][:23])
    assert "toy" not in get(f"{url}/").text + get(f"{url}/docs").text


def test_the_page_lets_nothing_in_and_nothing_out(toys) -> None:
    """Scripts, styles and requests are its own, and no text can become HTML."""
    policy = get(toys()).headers["content-security-policy"]
    named = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    own = dict.fromkeys(("script-src", "style-src", "connect-src"), "'self'")
    closed = dict.fromkeys(("default-src", "frame-ancestors", "base-uri", "form-action", "trusted-types"), "'none'")
    assert own | closed | {"img-src": "data:", "require-trusted-types-for": "'script'"} == named


def test_the_facts_are_the_bundle_s(toys) -> None:
    """Release, contract and page, word for word; a bundle without a page says so by null."""
    told = get(f"{toys()}/page.json").json()
    assert ("toy", 7) == (told["release"]["model"], told["release"]["model_version"])
    assert ["age", "ratio (%)", "town", "trade"] == [spec["name"] for spec in told["inputs"]]
    assert shown("binary") == told["page"]
    assert get(f"{toys(page=False)}/page.json").json()["page"] is None


@pytest.mark.parametrize("path", ["/page.json", "/openapi.json"])
def test_hostile_texts_leave_as_json(toys, path) -> None:
    """Never as anything that a browser would run."""
    answer = get(toys(wild=True) + path)
    assert ("application/json", "nosniff") == (answer.headers["content-type"], answer.headers["x-content-type-options"])
    assert NAME in answer.text


def test_azure_s_liveness_goes_before_the_page(toys) -> None:
    """Where its variable is set `/` is a plain 200; the API's page is where it was."""
    url = toys(AZUREML_MODEL_DIR="/x")
    assert "Healthy" == get(url).text
    assert get(f"{url}/docs").text.startswith("<!doctype html>")
