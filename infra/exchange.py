"""One question to a registry of images: within a deadline, up to a size, and asked again where the registry is busy."""

import contextlib
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from validation.script import OutsideError, Refusal, log

BUSY = frozenset({429, 500, 502, 503, 504})  # what may be over in a moment
PAUSES = (1.0, 3.0)  # seconds before it is asked again, where the answer does not say how long
LONGEST = 30.0  # seconds that an answer may bid us wait
WHOLE = 60.0  # seconds for one answer; those of a socket begin anew with each byte
LARGEST = 4 * 2**20  # bytes: registries take no larger manifest, and our images' descriptions are far smaller
HOPS = 5


@dataclass(frozen=True)
class Answer:
    """What came back in the end, and the method by which it was asked for there: a redirect can change it."""

    status: int
    headers: httpx.Headers
    content: bytes
    method: str


def client(*, proxies: bool, **settings: Any) -> httpx.Client:
    """Make a client that goes by the proxies of the environment, or not. Raises Refusal where they are none."""
    try:
        return httpx.Client(trust_env=proxies, **settings)
    except (httpx.InvalidURL, ImportError, ValueError) as error:
        raise Refusal(
            f"the proxies of this environment cannot be gone by: {error}; HTTPS_PROXY and ALL_PROXY take http://, and"
            " NO_PROXY takes names, and addresses of IPv6 without brackets and without a network's length"
        ) from None


def ask(
    client: httpx.Client, host: str, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
) -> Answer:
    """Ask, and again a few times while the answer is that the server is busy; what it is then comes back.

    Raises OutsideError when nothing comes back, too late or too much.
    """
    for pause in PAUSES:
        answer = _bounded(client, host, method, url, headers, content)
        wanted = _wanted(answer, pause)
        if answer.status not in BUSY or wanted > LONGEST:
            return answer
        log(f"infra.hub: {host} answered by status {answer.status}; asked again in {wanted:g} s")
        time.sleep(wanted)
    return _bounded(client, host, method, url, headers, content)


def _wanted(answer: Answer, otherwise: float) -> float:
    """Return the seconds that an answer bids us wait, as a number or as a date."""
    told = answer.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return otherwise
    return max(0.0, round((until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 1))


def _bounded(
    client: httpx.Client, host: str, method: str, url: str, headers: Mapping[str, str], content: bytes | None
) -> Answer:
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(_once(client, method, url, headers, content))
        except Exception as error:  # which is the asker's to judge
            future.set_exception(error)

    # a thread, since a name that does not resolve and a server that drips are bounded by no timeout of a socket
    threading.Thread(target=work, daemon=True).start()
    try:
        return future.result(WHOLE)
    except TimeoutError:
        raise OutsideError(f"{host} did not end its answer within {WHOLE:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OutsideError(f"{host} does not answer: {type(error).__name__}") from error


def _once(client: httpx.Client, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
    request = client.build_request(method, url, headers=dict(headers), content=content)
    for _ in range(HOPS):
        answer = client.send(request, stream=True)
        with contextlib.closing(answer):
            if answer.next_request is None:
                return Answer(answer.status_code, answer.headers, _read(answer), request.method)
            request = answer.next_request  # which has left the token behind where it goes to another host
    raise httpx.TooManyRedirects("sent on too often", request=request)


def _read(answer: httpx.Response) -> bytes:
    found = bytearray()
    for piece in answer.iter_bytes():
        found += piece
        if len(found) > LARGEST:
            raise OutsideError(
                f"{answer.url.host} gives more than {LARGEST} bytes, which is no description of an image"
            )
    return bytes(found)
