"""POST /feedback: outcomes by id, as often as one likes; what is none is a sentence."""

from concurrent.futures import Future

import httpx
import pytest

from serve.refusal import BadRequest
from serve.wire.feedback import Feedback

BINARY = {"kind": "binary", "labels": ["<=50K", ">50K"]}


def told(target=BINARY, most: int = 3) -> Feedback:
    return Feedback(target, most, lambda ids, outcomes: Future())


def test_one_and_many_are_read() -> None:
    """An id without a row is the first row's."""
    one = told().decode(b'{"id": "a", "outcome": ">50K"}')
    many = told().decode(b'{"records": [{"id": "a:2", "outcome": ">50K"}, {"outcome": "<=50K", "id": "b"}]}')
    assert ((["a:0"], [">50K"]), (["a:2", "b:0"], [">50K", "<=50K"])) == (one, many)


@pytest.mark.parametrize(
    ("target", "body", "outcome"),
    [({"kind": "classes", "labels": [1, 2]}, b'{"id": "a", "outcome": 2}', 2),
     ({"kind": "quantity", "labels": []}, b'{"id": "a", "outcome": 2}', 2.0)],
)  # fmt: skip
def test_an_outcome_is_of_the_targets_type(target, body, outcome) -> None:
    """A label that is a number, or a quantity."""
    assert ["a:0"], [outcome] == told(target).decode(body)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, b"{", "the body is no JSON"),
        (400, b"\xff", "the body is no JSON"),
        (422, b"[]", "the body is no JSON object"),
        (422, b"{}", "required field `id`"),
        (422, b'{"id": "a"}', "required field `outcome`"),
        (422, b'{"id": "a", "outcome": "50K"}', "outcome: Invalid enum value"),
        (422, b'{"id": "a", "outcome": null}', "outcome: Expected"),
        (422, b'{"id": "a", "outcome": 1}', "outcome: Expected"),
        (422, b'{"id": 3, "outcome": ">50K"}', "id: Expected `str`"),
        (422, b'{"id": "a b", "outcome": ">50K"}', "id: not the X-Request-Id"),
        (422, b'{"id": "a:01", "outcome": ">50K"}', "id: not the X-Request-Id"),
        (422, b'{"id": "", "outcome": ">50K"}', "id: not the X-Request-Id"),
        (422, b'{"id": "a", "outcome": ">50K", "when": 1}', "unknown field `when`"),
        (422, b'{"id": "a", "outcome": ">50K", "outcome": "<=50K"}', "outcome: the name stands twice"),
        (422, b'{"records": []}', "at least one record"),
        (422, b'{"records": {}}', "at least one record"),
        (422, b'{"records": [{"id": "a", "outcome": ">50K"}], "id": "a"}', "stand alone"),
        (422, b'{"records": [{"id": "a", "outcome": ">50K"}, 3]}', "row 1: Expected `object`"),
        (422, b'{"records": [{"id": "a", "outcome": ">50K"}, {"id": "a", "outcome": "x"}]}', "row 1: outcome:"),
        (422, b'{"records": [1, 1, 1, 1]}', "holds 4 records, at most 3"),
    ],
)
def test_what_is_no_feedback_is_a_sentence(status, body, sentence) -> None:
    """Status, field and row; nothing of such a body is taken."""
    with pytest.raises(BadRequest) as refused:
        told().decode(body)
    assert status == refused.value.status
    assert sentence in str(refused.value)


@pytest.mark.parametrize("number", [b"1e999", b"NaN", b'"3"', b"true"])
def test_a_quantity_is_a_finite_number(number) -> None:
    """As everywhere in the service."""
    with pytest.raises(BadRequest):
        told({"kind": "quantity", "labels": []}).decode(b'{"id": "a", "outcome": %b}' % number)


@pytest.mark.parametrize("body", [{"id": "a", "outcome": ">50K"}, {"id": "a", "outcome": 3}])
def test_without_a_log_there_is_no_feedback(service, body) -> None:
    """404, and how there would be one; another method is 405."""
    answer = httpx.post(f"{service}/feedback", json=body)
    assert (404, True) == (answer.status_code, "PREDICTION_LOG" in answer.json()["detail"])
    assert (405, "POST") == (
        httpx.get(f"{service}/feedback").status_code,
        httpx.get(f"{service}/feedback").headers["allow"],
    )


def test_the_same_again_is_the_same_answer(start, tmp_path) -> None:
    """Unknown ids and another outcome for the same id are taken, too; a body of many is read beside the answers."""
    with start(PREDICTION_SPOOL=str(tmp_path / "spool")) as (url, _):
        one = {"id": "never seen", "outcome": ">50K"}
        assert 422 == httpx.post(f"{url}/feedback", json=one).status_code
        one["id"] = "never-seen"
        first, again = (httpx.post(f"{url}/feedback", json=one) for _ in range(2))
        assert (200, b'{"accepted":1}') == (first.status_code, first.content)
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert 200 == httpx.post(f"{url}/feedback", json=one | {"outcome": "<=50K"}).status_code
        many = {"records": [one] * 3000}
        assert {"accepted": 3000} == httpx.post(f"{url}/feedback", json=many).json()
        assert 413 == httpx.post(f"{url}/feedback", content=b" " * 5_000_001).status_code


def test_its_scope_is_its_own(start, tmp_path) -> None:
    """A key for predictions tells no outcomes, a key for outcomes asks for no predictions."""
    from serve.guard.keys import line_of, make

    keys = {scope: make() for scope in ("predict", "feedback")}
    lines = ";".join(line_of(key, scope, scope) for scope, key in keys.items())
    with start(PREDICTION_SPOOL=str(tmp_path / "spool"), API_KEYS=lines) as (url, _):
        body = {"id": "a", "outcome": ">50K"}
        asked = [httpx.post(f"{url}/feedback", json=body, headers={"X-API-Key": key}) for key in keys.values()]
        assert [403, 200] == [answer.status_code for answer in asked]
        assert 401 == httpx.post(f"{url}/feedback", json=body).status_code
        assert 403 == httpx.post(f"{url}/predict", json={}, headers={"X-API-Key": keys["feedback"]}).status_code
