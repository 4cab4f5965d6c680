"""What the door to the platform's API does when it is refused, or not answered."""

import httpx
import pytest

from infra import forge as door
from infra.forge import Forge
from validation.script import OutsideError


@pytest.fixture
def asked(monkeypatch):
    """A platform that answers by what a test hands it, one after the other; sleeping only adds up the seconds."""

    class Asked(Forge):
        def __init__(self):
            super().__init__("owner/name", "token")
            self.answers, self.methods, self.slept = [], [], 0.0
            self._client = httpx.Client(base_url="http://platform", transport=httpx.MockTransport(self.answer))

        def answer(self, request):
            self.methods.append(request.method)
            given = self.answers.pop(0) if self.answers else httpx.Response(200, json={"number": 1})
            if isinstance(given, Exception):
                raise given
            return given

        def wait(self, seconds):
            self.slept += seconds

    made = Asked()
    monkeypatch.setattr(door.time, "sleep", made.wait)
    return made


def limited():
    return httpx.Response(403, headers={"retry-after": "60"})


@pytest.mark.parametrize("failure", [httpx.Response(502), httpx.ReadTimeout("late"), httpx.RemoteProtocolError("cut")])
def test_what_may_have_been_done_is_not_done_twice(asked, failure) -> None:
    """A new issue or comment; what sets a value, or only looks, is asked again."""
    asked.answers = [failure]
    with pytest.raises(OutsideError, match="POST /repos/owner/name/issues"):
        asked.open_issue("title", "body")
    asked.answers = [failure]
    asked.change_issue(1, body="body")
    assert ["POST", "PATCH", "PATCH"] == asked.methods


@pytest.mark.parametrize("refusal", [httpx.Response(429), limited(), httpx.ConnectError("nobody")])
def test_what_was_surely_not_done_is_asked_again(asked, refusal) -> None:
    """The platform refused it for its limits, or was never reached."""
    asked.answers = [refusal]
    assert asked.open_issue("title", "body") == 1


def test_all_waits_together_are_bounded(asked) -> None:
    """The doctor asks twenty questions: each within its own bound would outlast its job."""
    for _ in range(20):
        asked.answers = [limited()] * 4
        with pytest.raises(OutsideError, match="status 403"):
            asked.look("/path")
    assert door.ALL_WAITS == asked.slept
