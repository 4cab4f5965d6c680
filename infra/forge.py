"""The one door to the platform's API: pull requests and their comments, issues, and what the doctor looks at.

GITHUB_REPOSITORY and GITHUB_TOKEN say where and as whom; GITHUB_API_URL is the platform's own where it is not set.
"""

import os
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx

from infra import exchange
from validation.script import OutsideError, Refusal

PATIENCE = (1.0, 4.0, 15.0)  # seconds before each further try
LONGEST_WAIT = 60.0  # seconds; what the platform asks beyond is refused
ALL_WAITS = 180.0  # seconds that one script waits in all, or its job would be cut off in silence
PAGES = 30  # of a hundred
TRANSIENT = (429, 500, 502, 503, 504)


class Forbidden(OutsideError):
    """The token may not do this."""


class Unreachable(OutsideError):
    """Nobody answers: there is no network, or no platform at its other end."""


class Forge:
    """A repository on the platform, named and opened by the environment where it is not given.

    Raises Refusal when the place is not set, OutsideError when the platform fails or does not answer as it documents.
    """

    def __init__(self, repository: str = "", token: str = "") -> None:
        place = {"GITHUB_REPOSITORY": repository, "GITHUB_TOKEN": token}
        place = {name: given or os.environ.get(name, "").strip() for name, given in place.items()}
        empty = [name for name, value in place.items() if not value]
        if empty:
            raise Refusal(f"{' and '.join(empty)} is not set; the platform sets it in a job that is given a token")
        self.repository = place["GITHUB_REPOSITORY"]
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository, re.ASCII):
            raise Refusal(f"GITHUB_REPOSITORY={self.repository!r} is no owner/name")
        self._client = exchange.client(
            base_url=os.environ.get("GITHUB_API_URL", "").strip() or "https://api.github.com",
            headers={
                "Authorization": f"Bearer {place['GITHUB_TOKEN']}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=20.0,
            follow_redirects=False,  # the token goes to no other host
            proxies="GITHUB_API_URL" not in os.environ,
        )
        self._waits = ALL_WAITS

    def pull_request(self, sha: str, repository: str, branch: str) -> int | None:
        """Find the open pull request whose head is this commit of this branch of this repository; None without one."""
        owner = repository.partition("/")[0]
        found = [
            one
            for one in self._pages(f"/repos/{self.repository}/pulls", {"state": "open", "head": f"{owner}:{branch}"})
            if _get(one, "head", "sha") == sha and _get(one, "head", "repo", "full_name") == repository
        ]
        return int(found[0]["number"]) if found else None

    def approvers(self, run: str, environment: str = "") -> set[str]:
        """Name who approved a run for its environments, or for one; nobody where none asks for approval."""
        given = self._ask("GET", f"/repos/{self.repository}/actions/runs/{run}/approvals")
        told = [one for one in given if _get(one, "state") == "approved"] if isinstance(given, list) else []
        if environment:
            told = [one for one in told if environment in {_get(it, "name") for it in _get(one, "environments") or ()}]
        return {str(login) for one in told if (login := _get(one, "user", "login"))}

    def authors(self, sha: str, since: str = "") -> set[str]:
        """Name the authors of a commit, and of all since an earlier one, as the platform knows these people."""
        found = [self._ask("GET", f"/repos/{self.repository}/commits/{sha}")]
        path = f"/repos/{self.repository}/compare/{since}...{sha}"
        for page in range(1, PAGES + 1) if since not in ("", sha) else ():
            more = _get(self._ask("GET", path, params={"per_page": 100, "page": page}), "commits")
            if not isinstance(more, list):
                raise OutsideError(f"the platform's API gave no commits for {path}")
            found += more
            if len(more) < 100:
                break
        return {str(login) for one in found if (login := _get(one, "author", "login"))}

    def comments(self, number: int) -> Iterator[dict[str, Any]]:
        """Give the comments of a pull request, oldest first."""
        yield from self._pages(f"/repos/{self.repository}/issues/{number}/comments", {})

    def comment(self, number: int, body: str, instead_of: int | None = None) -> None:
        """Write a comment, or another text into the comment `instead_of`.

        Raises Forbidden when the token may not.
        """
        if instead_of is None:
            self._ask("POST", f"/repos/{self.repository}/issues/{number}/comments", json={"body": body})
        else:
            self._ask("PATCH", f"/repos/{self.repository}/issues/comments/{instead_of}", json={"body": body})

    def issues(self) -> Iterator[dict[str, Any]]:
        """Give the issues, open and closed, the newest first; pull requests are among them.

        Raises Forbidden where the repository has none.
        """
        order = {"state": "all", "sort": "created", "direction": "desc"}
        yield from self._pages(f"/repos/{self.repository}/issues", order)

    def open_issue(self, title: str, body: str) -> int:
        """Open an issue; return its number.

        Raises Forbidden when the token may not.
        """
        made = self._ask("POST", f"/repos/{self.repository}/issues", json={"title": title, "body": body})
        return int(_get(made, "number") or 0)

    def change_issue(self, number: int, **fields: str) -> None:
        """Change fields of an issue.

        Raises Forbidden when the token may not.
        """
        self._ask("PATCH", f"/repos/{self.repository}/issues/{number}", json=fields)

    def look(self, path: str) -> tuple[int, Any]:
        """Return the status and what a path holds; of a status that says no, what the platform says to it.

        Raises Unreachable when nobody answers; then it is not asked a second time.
        """
        answer = self._request("GET", path, patient=False)
        try:
            return answer.status_code, answer.json()
        except ValueError:
            raise OutsideError(f"the platform's API gave no JSON for GET {path}") from None

    def _pages(self, path: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for page in range(1, PAGES + 1):
            found = self._ask("GET", path, params={**parameters, "per_page": 100, "page": page})
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                raise OutsideError(f"the platform's API gave no list for {path}")
            yield from found
            if len(found) < 100:
                return

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        return _content(self._request(method, path, **more), method, path)

    def _request(self, method: str, path: str, patient: bool = True, **more: Any) -> httpx.Response:
        for pause in (*PATIENCE, None):
            begun = method == "POST"  # which may have been done all the same, and would be done twice
            try:
                answer = self._client.request(method, path, **more)
            except httpx.HTTPError as error:
                begun = begun and not isinstance(error, httpx.ConnectError)
                if not patient:
                    where = self._client.base_url.host
                    raise Unreachable(f"nobody answers at {where} ({type(error).__name__})") from None
                failure, wait = f"{type(error).__name__}", 0.0
            else:
                limited = answer.status_code == 403 and (
                    "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
                )
                if answer.status_code not in TRANSIENT and not limited:
                    return answer
                failure, wait = f"status {answer.status_code}", _seconds(answer.headers.get("retry-after"))
                begun = begun and not (limited or answer.status_code == 429)
            if begun or pause is None or wait > LONGEST_WAIT or max(pause, wait) > self._waits:
                break
            self._waits -= max(pause, wait)
            time.sleep(max(pause, wait))
        raise OutsideError(f"the platform's API failed: {method} {path}: {failure}")


def _content(answer: httpx.Response, method: str, path: str) -> Any:
    if answer.status_code == 410:
        raise Forbidden("the repository has that switched off (status 410)")
    if answer.status_code in (401, 403, 404) and method != "GET":
        raise Forbidden(f"the token may not write here (status {answer.status_code})")
    if not answer.is_success:
        raise OutsideError(f"the platform's API refused {method} {path}: status {answer.status_code}")
    try:
        return answer.json()
    except ValueError:
        raise OutsideError(f"the platform's API gave no JSON for {method} {path}") from None


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdigit() else 0.0


def _get(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
