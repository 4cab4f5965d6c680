"""The HTTP server's settings, and its log in our form."""

import json
import logging

import pytest

from serve.guard.logs import take_over
from serve.guard.server import configure
from serve.guard.settings import Settings
from tests.serve.guard.conftest import LIMITS, echo


@pytest.mark.parametrize(("proxies", "believed"), [("", False), ("10.0.0.1", True)])
def test_a_callers_address_is_what_the_socket_says(monkeypatch, proxies, believed) -> None:
    """Unless a proxy is named: else X-Forwarded-For would make many callers of one, each with a rate of its own."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", proxies)
    config = configure(echo, Settings(LIMITS, open="insecure"))
    assert (believed, False, "none") == (config.proxy_headers, config.server_header, config.ws)


def test_the_servers_errors_are_lines_of_ours(capsys) -> None:
    """One JSON object without traceback and the error's text; warnings, which strangers cause, are left out."""
    take_over()
    logger = logging.getLogger("uvicorn.error")
    logger.warning("Invalid HTTP request received.")
    try:
        raise ValueError("age 39 of Ann")
    except ValueError:
        logger.exception("Exception in ASGI application\n")
    [line] = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert ("error", "server", "Exception in ASGI application", "ValueError") == tuple(
        told[name] for name in ("level", "event", "message", "error")
    )
    assert "Ann" not in line
