"""Where the doctor is and whom it can ask: the repository of this tree, the token at hand, and what the tree says."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from infra.checkup.answer import code
from infra.checkup.facts import LOGIN as LOG_IN
from infra.checkup.facts import Facts, Here
from infra.checkup.machine import ORIGIN
from infra.checkup.offers import ADDRESS, LOGIN
from validation import contract
from validation.script import ROOT, Refusal

SECONDS = 10.0  # for a program to say a word
USES = re.compile(r"^ +(?:- )?uses: *([\w.-]+/[\w./-]+@\w+)", re.MULTILINE)
REMOTE = re.compile(r"^(?:[\w+-]+://)?(?:[^@/]*@)?(?:ssh\.)?([\w.-]+?)(?::\d+)?[:/]+([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


def gather() -> Facts:
    """Ask the platform, as far as somebody can be asked."""
    try:
        told = here(contract.load().registry.branch)
    except Refusal:  # the check config says it
        told = here(Here().branch)
    opened_by = token()
    if not told.repository:
        return Facts(told, silent=(f"the remote origin is no repository at {host()}", ORIGIN))
    if not opened_by:
        return Facts(told, silent=("there is no token", LOG_IN))
    try:
        from infra.checkup.asking import ask
        from infra.forge import Forge
    except ImportError:
        return Facts(told, silent=("the library that asks is not here", code("make setup")))
    return Facts(told, ask(Forge(told.repository, opened_by), told))


def here(branch: str, root: Path = ROOT) -> Here:
    """Read what this tree and this environment say; `branch` is the registry's."""
    texts = {path.name: path.read_text() for path in sorted(root.glob(".github/workflows/*.yml"))}
    local = [path.read_text() for path in sorted(root.glob(".github/actions/*/action.yml"))]
    owners = root / ".github/CODEOWNERS"
    return Here(
        repository=os.environ.get("GITHUB_REPOSITORY", "").strip() or remote(root),
        job=os.environ.get("GITHUB_ACTIONS") == "true",
        workflows=texts,
        actions=tuple(sorted({one for text in (*texts.values(), *local) for one in USES.findall(text)})),
        owners=owners.read_text() if owners.is_file() else None,
        branch=branch,
        server=server(),
    )


def server() -> tuple[bool, bool, bool]:
    """Tell which settings of a tracking server the environment has: address, user, password."""
    address, user, password = (bool(os.environ.get(name, "").strip()) for name in (ADDRESS, *LOGIN))
    return address, user, password


def remote(root: Path = ROOT) -> str:
    """Return owner/name of the remote `origin` where it is on the platform that is asked, else an empty text."""
    found = REMOTE.match(said(["git", "remote", "get-url", "origin"], root))
    return found[2] if found and found[1] == host() else ""


def token() -> str:
    """Return the job's token, else the one by which `gh` is logged in to the platform that is asked, else nothing."""
    return os.environ.get("GITHUB_TOKEN", "").strip() or said(["gh", "auth", "token", "--hostname", host()])


def host() -> str:
    """Name the platform's host; its API may have another name."""
    name = urlsplit(os.environ.get("GITHUB_API_URL", "").strip()).hostname or "api.github.com"
    return "github.com" if name == "api.github.com" else name


def said(command: list[str], where: Path = ROOT, seconds: float = SECONDS) -> str:
    """Return what a program says on stdout; nothing when it is not here, fails, or takes too long."""
    try:
        done = subprocess.run(
            command, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
