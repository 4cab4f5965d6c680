"""The door to git: one branch of the repository's remote, read and written without touching the working tree.

A bare repository in build/ holds what was fetched: one commit deep, files on demand. A push is plain, never forced: the
remote refuses one that does not follow its newest commit, and that refusal is the compare-and-swap.
"""

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from train.travel.ledger import actor
from validation.script import BUILD, ROOT, OutsideError, Refusal

SECONDS = 180.0  # for one call of git
FOLDER = BUILD / "registry.git"  # what was fetched; it can be fetched again
LOST = re.compile(r"fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value|stale info")
UNWANTED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")  # of a hook


@dataclass(frozen=True)
class Origin:
    """One branch of one remote."""

    url: str
    branch: str

    @property
    def name(self) -> str:
        """The repository as owner/name, as far as the address tells it."""
        return "/".join(re.split(r"[/:]", self.url.removesuffix("/").removesuffix(".git"))[-2:])

    def fetch(self) -> str | None:
        """Fetch the newest commit of the branch; return its name, or None when there is no such branch."""
        self._prepare()
        told = self._git("ls-remote", "--heads", "origin", f"refs/heads/{self.branch}").split()
        if not told:
            return None
        commit = told[0]
        if not self._has(commit):
            self._fetch(f"+refs/heads/{self.branch}:refs/heads/fetched")
            commit = self._git("rev-parse", "refs/heads/fetched").strip()
        return commit

    def files(self, commit: str) -> dict[str, str]:
        """Name the files of a commit by path, each with its git object."""
        if not self._has(commit):
            self._prepare()
            self._fetch(commit)
        rows = filter(None, self._git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"))
        return {path: head.split()[2] for head, _, path in (row.partition("\t") for row in rows)}

    def bring(self, commit: str, paths: Iterable[str], folder: Path) -> None:
        """Write files of a commit below `folder`, fetching first those that are not here.

        Raises Refusal when the commit lacks one.
        """
        files, wanted = self.files(commit), list(paths)
        for path in wanted:
            if path not in files:
                raise Refusal(f"the branch {self.branch} lacks {path}; it was truncated, or is no registry of ours")
        asked = ("rev-list", "--objects", "--missing=print", f"{commit}^{{tree}}", "--", *wanted)
        told = self._git("--literal-pathspecs", *asked)
        missing = {line[1:] for line in told.splitlines() if line.startswith("?")}
        if missing := missing & {files[path] for path in wanted}:
            self._fetch("--no-write-fetch-head", "--stdin", given="\n".join(sorted(missing)))
        for path in wanted:
            target = folder / path
            if not target.resolve().is_relative_to(folder.resolve()):
                raise Refusal(f"the branch {self.branch} names {path}, which lies outside the store")
            target.parent.mkdir(parents=True, exist_ok=True)
            coming = target.with_name(f".{target.name}.coming")
            with coming.open("wb") as file:
                self._git("cat-file", "blob", files[path], into=file)
            coming.replace(target)

    def objects(self, paths: Mapping[str, Path]) -> dict[str, str]:
        """Keep files as git objects; return the object of each name."""
        self._prepare()
        given = "".join(f"{path}\n" for path in paths.values())
        told = self._git("hash-object", "-w", "--no-filters", "--stdin-paths", given=given).split() if paths else []
        return dict(zip(paths, told, strict=True))

    def commit(self, parent: str | None, changes: Mapping[str, str | None], message: str, fresh: bool = False) -> str:
        """Make a commit behind `parent` in which objects are put under names or, where None, names removed.

        `fresh` begins with no file at all. Returns the commit's name.
        """
        who = {f"GIT_{role}_NAME": actor() for role in ("AUTHOR", "COMMITTER")}
        who |= {f"GIT_{role}_EMAIL": "registry@localhost" for role in ("AUTHOR", "COMMITTER")}
        with tempfile.TemporaryDirectory() as temporary:
            index = {"GIT_INDEX_FILE": f"{temporary}/index"}
            if parent and not fresh:
                self._git("read-tree", parent, more=index)
            rows = [f"100644 {it}\t{path}" if it else f"0 {'0' * 40}\t{path}" for path, it in changes.items()]
            self._git("update-index", "--index-info", given="".join(f"{row}\n" for row in rows), more=index)
            tree = self._git("write-tree", "--missing-ok", more=index).strip()
        parents = ["-p", parent] if parent else []
        return self._git("commit-tree", tree, *parents, given=message, more=who).strip()

    def push(self, commit: str, branch: str = "") -> bool:
        """Push a commit to the branch; return False when somebody else was first.

        Raises OutsideError when the remote refuses for another reason.
        """
        done = self._run(["push", "--porcelain", "origin", f"{commit}:refs/heads/{branch or self.branch}"])
        if done.returncode == 0:
            return True
        said = f"{done.stdout}\n{done.stderr}"
        if LOST.search(said):
            return False
        raise OutsideError(f"the remote refused the branch {branch or self.branch}: {_last(said)}")

    def _prepare(self) -> None:
        if not (FOLDER / "config").is_file():
            FOLDER.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=".registry.git.", dir=FOLDER.parent))
            self._run(["init", "--quiet", "--bare", str(fresh)], outside=True)
            shutil.rmtree(FOLDER, ignore_errors=True)
            fresh.rename(FOLDER)
        self._git("config", "remote.origin.url", self.url)

    def _has(self, commit: str) -> bool:
        return (FOLDER / "config").is_file() and self._run(["cat-file", "-e", f"{commit}^{{tree}}"]).returncode == 0

    def _fetch(self, *what: str, given: str | None = None) -> None:
        options = ["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--depth=1", "--no-tags"]
        self._git(*options, "--no-auto-maintenance", "--filter=blob:none", "origin", *what, given=given)

    def _git(
        self,
        *command: str,
        given: str | None = None,
        into: BinaryIO | None = None,
        more: Mapping[str, str] | None = None,
    ) -> str:
        done = self._run(list(command), given, into, more)
        if done.returncode:
            verb = next(word for word in command if not word.startswith("-") and "=" not in word)
            raise OutsideError(f"git {verb} failed for the branch {self.branch}: {_last(done.stderr)}")
        return done.stdout or ""

    def _run(
        self,
        command: list[str],
        given: str | None = None,
        into: BinaryIO | None = None,
        more: Mapping[str, str] | None = None,
        outside: bool = False,
    ) -> "subprocess.CompletedProcess[str]":
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


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["git said nothing"]
    return ([line for line in lines if re.match(r"(fatal|error|remote|!)", line)] or lines)[-1]


def find(branch: str, remote: str = "origin") -> Origin:
    """Find the branch on a remote of the working tree, named or given by its address.

    Raises Refusal when there is no such remote.
    """
    told = subprocess.run(["git", "remote", "get-url", remote], cwd=ROOT, capture_output=True, text=True)
    url = told.stdout.strip() if told.returncode == 0 else remote if re.search(r"[/:]", remote) else ""
    if not url:
        raise Refusal(f"the working tree has no remote {remote!r}: `git remote add {remote} ADDRESS`, or give --remote")
    return Origin(str((ROOT / url).resolve()) if Path(ROOT / url).is_dir() else url, branch)
