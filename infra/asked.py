"""What a deployment asks of a service, wherever it runs."""

import httpx

from infra import process
from serve.smoke import credential
from validation.script import OutsideError, Refusal

READY_SECONDS = 2.0  # for an answer
METRICS_SECONDS = 5.0
SOON_SECONDS = 10.0


def is_ready(address: str) -> bool:
    """Whether a service answers that it is ready."""
    try:
        return httpx.get(f"{address}/readyz", timeout=READY_SECONDS, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def is_ready_soon(address: str) -> bool:
    """Whether a service answers that it is ready, now or in a while: one that is busy is not dead."""
    return process.wait(lambda: is_ready(address), SOON_SECONDS)


def metrics(address: str) -> str:
    """Return what a service tells Prometheus. Raises OutsideError, or Refusal when it does not know SERVICE_KEY."""
    try:
        answer = httpx.get(f"{address}/metrics", headers=credential(), timeout=METRICS_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise OutsideError(f"{address}/metrics cannot be reached: {type(error).__name__}: {error}") from None
    if answer.status_code in (401, 403):
        raise Refusal(f"{address}/metrics answers {answer.status_code}: SERVICE_KEY needs a key with the scope admin")
    if answer.status_code != 200:
        raise OutsideError(f"{address}/metrics answers {answer.status_code}")
    return answer.text
