"""A platform's API of one repository, in this process: it keeps comments and issues, and records every call."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "owner/name"
NO_PAGE = (
    404,
    {"message": "Not Found"},
)  # the platform has an empty page there; no recording lacks one that is asked for


@dataclass
class FakeForge:
    """What the platform knows, and how it fails."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str, dict[str, Any] | None]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    approvals: list[dict[str, Any]] = field(default_factory=list)  # of every run
    author: str = "ann"  # of every commit that `wrote` does not know
    wrote: dict[str, str | None] = field(default_factory=dict)  # authors by commit, the oldest first
    replies: dict[str, Any] = field(default_factory=dict)  # recorded: [status, content] by path, of page 2 PATH?page=2
    failing: dict[str, list[int]] = field(default_factory=dict)  # statuses that a method gives first
    url: str = ""

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        """Do what is asked."""
        self.calls.append((method, path, body))
        if self.failing.get(method):
            return self.failing[method].pop(0), {"message": "no"}
        parts = urlsplit(path)
        page = int(parse_qs(parts.query).get("page", ["1"])[0])
        if parts.path in self.replies:
            status, content = self.replies.get(parts.path if page == 1 else f"{parts.path}?page={page}", NO_PAGE)
            return status, content
        if parts.path == f"/repos/{REPOSITORY}/pulls":
            [head] = parse_qs(parts.query)["head"]
            return 200, [one for one in self.pulls if one["head"]["label"] == head][(page - 1) * 100 : page * 100]
        if re.fullmatch(rf"/repos/{REPOSITORY}/actions/runs/\d+/approvals", parts.path):
            return 200, self.approvals
        if found := re.fullmatch(rf"/repos/{REPOSITORY}/commits/([0-9a-f]+)", parts.path):
            return 200, self._commit(found[1])
        if found := re.fullmatch(rf"/repos/{REPOSITORY}/compare/([0-9a-f]+)\.\.\.([0-9a-f]+)", parts.path):
            first, last = (list(self.wrote).index(sha) + 1 for sha in found.groups())
            commits = [self._commit(sha) for sha in list(self.wrote)[first:last]]
            return 200, {"commits": commits[(page - 1) * 100 : page * 100]}
        if found := re.fullmatch(rf"/repos/{REPOSITORY}/issues/(\d+)/comments", parts.path):
            if method == "GET":
                return 200, self.comments[(page - 1) * 100 : page * 100]
            comment = {"id": len(self.comments) + 1, "user": {"login": "github-actions[bot]"}, "issue": int(found[1])}
            self.comments.append(comment | (body or {}))
            return 201, self.comments[-1]
        if found := re.fullmatch(rf"/repos/{REPOSITORY}/issues/comments/(\d+)", parts.path):
            self.comments[int(found[1]) - 1] |= body or {}
            return 200, self.comments[int(found[1]) - 1]
        if parts.path == f"/repos/{REPOSITORY}/issues":
            if method == "GET":
                return 200, self.issues[::-1][(page - 1) * 100 : page * 100]
            made = {"number": len(self.issues) + 1, "state": "open", "user": {"login": "github-actions[bot]"}}
            self.issues.append(made | (body or {}))
            return 201, self.issues[-1]
        if (found := re.fullmatch(rf"/repos/{REPOSITORY}/issues/(\d+)", parts.path)) and method == "PATCH":
            self.issues[int(found[1]) - 1] |= body or {}
            return 200, self.issues[int(found[1]) - 1]
        return 404, {"message": "Not Found"}

    def _commit(self, sha: str) -> dict[str, Any]:
        login = self.wrote.get(sha, self.author)
        return {"sha": sha, "author": {"login": login} if login else None}


def pull(number: int, sha: str, repository: str = REPOSITORY, branch: str = "topic") -> dict[str, Any]:
    """Describe a pull request as the platform does, as far as it is read."""
    owner = repository.partition("/")[0]
    head = {"sha": sha, "ref": branch, "label": f"{owner}:{branch}", "repo": {"full_name": repository}}
    return {"number": number, "state": "open", "head": head}


@contextmanager
def serving(forge: FakeForge) -> Iterator[FakeForge]:
    """Serve the API on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            forge.tokens.add(self.headers.get("authorization", ""))
            status, content = forge.answer(self.command, self.path, body)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = _do  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    forge.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
