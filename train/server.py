"""The team's tracking server: what its address has to be, and its failures as sentences."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from validation.script import OutsideError, Refusal

URI, USER, PASSWORD = "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
# What MLflow and its helpers are told unless somebody has told them otherwise
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # seconds for one answer, and tries after the first: a server that never answers is given up after some two minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def checked(uri: str, name: str = URI) -> str:
    """Return the address of a server without a slash at its end; `name` says where it was given.

    Raises Refusal when it is no such address, or holds a login, which would be seen in every log.
    """
    try:
        parts = urlsplit(uri.strip())
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a bracket too many
        named = False
        parts = urlsplit("")
    if parts.username is not None or parts.password is not None:
        raise Refusal(f"{name} holds a login, which logs would show; take it out and set {USER} and {PASSWORD}")
    if not named:
        raise Refusal(f"{name} is {uri!r}, which is no address of a server; give one like https://mlflow.example.org")
    return uri.strip().rstrip("/")


def failure(error: BaseException, where: str) -> Refusal | OutsideError:
    """Say in one sentence what a server at `where` answered, and whose turn it is: ours (Refusal) or its own."""
    told = str(error).strip().splitlines()
    first = told[0] if told else type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    found = re.search(r"error code (\d{3})|too many (\d{3}) error|(\d{3}) (?:Client|Server) Error", first)
    code = status or (int(next(filter(None, found.groups()))) if found else None)
    user = os.environ.get(USER)
    if code == 401:
        if user:
            return Refusal(f"{where} does not know the user {user!r} with this password; check {USER} and {PASSWORD}")
        return Refusal(f"{where} wants a login; set {USER} and {PASSWORD}")
    if code == 403:
        return Refusal(
            f"{where} does not let {f'the user {user!r}' if user else 'us'} do this; let its admin, or whoever made the"
            " experiment and the model, grant the permission EDIT on both"
        )
    if code is not None and code >= 500:
        return OutsideError(f"{where} failed with status {code}; its own log says why; run this again once it is well")
    if "timeout" in first.lower() or "timed out" in first.lower():
        seconds = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "")
        return OutsideError(
            f"{where} did not answer within {seconds} s, MLFLOW_HTTP_REQUEST_TIMEOUT, however often asked"
        )
    if "establish a new connection" in first or "resolve" in first.lower():
        return OutsideError(f"{where} cannot be reached; check {URI}, and that the server runs: {first}")
    return OutsideError(f"{where} failed: {first}")


@contextmanager
def failing(uri: str) -> Iterator[None]:
    """Turn what a server fails with, inside the block, into a sentence."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        raise failure(error, f"the tracking server {uri}") from error
