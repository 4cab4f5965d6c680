"""Calls of git on the bare repository in build/, where what was fetched of the branch lies apart from the working tree.

Each call is bounded in time, asks nobody for a password, and does not see the variables that a hook's git hands down.
"""

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from validation.script import BUILD, OutsideError, Refusal

SECONDS = 180.0  # for one call of git
FOLDER = BUILD / "registry.git"  # what was fetched; it can be fetched again
UNWANTED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")  # of a hook
PIECE = 1 << 20  # bytes read at once
FETCH = (
    # What lies here says nothing about files that were never fetched: there is nothing to negotiate by
    "-c", "fetch.negotiationAlgorithm=noop",
    # A database is written to disk as it comes, and not kept in memory for deltas: a fifth of a restore's time
    "-c", "core.bigFileThreshold=1m",
    "fetch", "--quiet", "--depth=1", "--no-tags", "--no-auto-maintenance", "--filter=blob:none", "origin",
)  # fmt: skip
_LISTINGS: dict[str, Mapping[str, str]] = {}  # of the last commit asked for: a restore asks five times


@dataclass(frozen=True)
class Git:
    """The repository that holds what was fetched of one branch of one remote."""

    url: str
    branch: str

    def prepare(self) -> None:
        """Make the repository if it is not there, and give it the remote's address."""
        if not (FOLDER / "config").is_file():
            FOLDER.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=".registry.git.", dir=FOLDER.parent))
            self.run(["init", "--quiet", "--bare", str(fresh)], outside=True)
            shutil.rmtree(FOLDER, ignore_errors=True)
            fresh.rename(FOLDER)
        self.call("config", "remote.origin.url", self.url)

    def has(self, commit: str) -> bool:
        """Tell whether a commit was fetched, with the names of its files."""
        return (FOLDER / "config").is_file() and self.run(["cat-file", "-e", f"{commit}^{{tree}}"]).returncode == 0

    def download(self, *what: str, given: str | None = None) -> None:
        """Fetch refs, commits or objects, one commit deep and without the files; `given` is for `--stdin`."""
        self.call(*FETCH, *what, given=given)

    def listing(self, commit: str) -> Mapping[str, str]:
        """Name the files of a commit that was fetched by path, each with its object."""
        if commit not in _LISTINGS:
            rows = filter(None, self.call("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"))
            named = {path: head.split()[2] for head, _, path in (row.partition("\t") for row in rows)}
            _LISTINGS.clear()
            _LISTINGS[commit] = MappingProxyType(named)
        return _LISTINGS[commit]

    def contents(self, objects: Sequence[str], folder: Path) -> Iterator[Iterator[bytes]]:
        """Give the content of each object in pieces, all by one call, by way of a nameless file in `folder`."""
        with tempfile.TemporaryFile(dir=folder) as told:
            self.call("cat-file", "--batch", given="".join(f"{it}\n" for it in objects), into=told)
            told.seek(0)
            for it in objects:
                name, kind, size = ([*told.readline().split(), b"", b""])[:3]
                if (name, kind) != (it.encode(), b"blob"):
                    raise OutsideError(f"git cat-file gave no file for object {it} of the branch {self.branch}")
                end = told.tell() + int(size)
                yield iter(partial(_piece, told, end), b"")
                told.seek(end + 1)

    def call(
        self,
        *command: str,
        given: str | None = None,
        into: BinaryIO | None = None,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """Call git and return what it says; `into` takes that instead, and `more` are variables for it.

        Raises OutsideError with git's last word when it fails.
        """
        done = self.run(list(command), given, into, more)
        if done.returncode:
            verb = next(word for word in command if not word.startswith("-") and "=" not in word)
            raise OutsideError(f"git {verb} failed for the branch {self.branch}: {last(done.stderr)}")
        return done.stdout or ""

    def run(
        self,
        command: list[str],
        given: str | None = None,
        into: BinaryIO | None = None,
        more: Mapping[str, str] | None = None,
        outside: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
        """Call git and return how it ended; `outside` of the repository, where there is none yet.

        Raises Refusal where there is no git, OutsideError when it gives no answer.
        """
        environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"} | self._credential() | dict(more or {})
        place = [] if outside else ["--git-dir", str(FOLDER)]
        try:
            return subprocess.run(
                ["git", *place, *command], cwd=BUILD, env=environment, input=given, text=True, timeout=SECONDS,
                stdout=into or subprocess.PIPE, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise Refusal("git is not on this machine; install it") from None
        except subprocess.TimeoutExpired:
            raise OutsideError(f"git {command[0]} gave no answer within {SECONDS:g} s ({self.branch})") from None

    def _credential(self) -> dict[str, str]:
        """Hand the platform's token to git by the environment: on a command line every process could read it."""
        token = os.environ.get("GITHUB_TOKEN", "")
        if not token or not self.url.startswith("https://"):
            return {}
        login = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        host = "/".join(self.url.split("/")[:3])
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{host}/.extraheader",
            "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {login}",
        }


def _piece(file: BinaryIO, end: int) -> bytes:
    return file.read(min(PIECE, end - file.tell()))


def last(said: str) -> str:
    """Return the sentence of what git said that tells most."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["git said nothing"]
    return ([line for line in lines if re.match(r"(fatal|error|remote|!)", line)] or lines)[-1]
