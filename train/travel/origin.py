"""The door to git: one branch of the repository's remote, read and written without touching the working tree.

A bare repository in build/ holds what was fetched: one commit deep, files on demand. A push is plain, never forced: the
remote refuses one that does not follow its newest commit, and that refusal is the compare-and-swap.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from train.travel.git import Git, last
from train.travel.ledger import actor
from validation.script import ROOT, OutsideError, Refusal

LOST = re.compile(r"fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value|stale info")


class Origin(Git):
    """One branch of one remote."""

    @property
    def name(self) -> str:
        """The repository as owner/name, as far as the address tells it."""
        return "/".join(re.split(r"[/:]", self.url.removesuffix("/").removesuffix(".git"))[-2:])

    def fetch(self) -> str | None:
        """Fetch the newest commit of the branch; return its name, or None when there is no such branch."""
        self.prepare()
        told = self.call("ls-remote", "--heads", "origin", f"refs/heads/{self.branch}").split()
        if not told:
            return None
        commit = told[0]
        if not self.has(commit):
            self.download(f"+refs/heads/{self.branch}:refs/heads/fetched")
            commit = self.call("rev-parse", "refs/heads/fetched").strip()
        return commit

    def files(self, commit: str) -> Mapping[str, str]:
        """Name the files of a commit by path, each with its git object."""
        if not self.has(commit):
            self.prepare()
            self.download(commit)
        return self.listing(commit)

    def bring(self, commit: str, paths: Iterable[str], folder: Path) -> None:
        """Write files of a commit below `folder`, fetching first those that are not here.

        Raises Refusal when the commit lacks one.
        """
        files, wanted = self.files(commit), list(paths)
        for path in wanted:
            if path not in files:
                raise Refusal(f"the branch {self.branch} lacks {path}; it was truncated, or is no registry of ours")
        asked = ("rev-list", "--objects", "--missing=print", f"{commit}^{{tree}}", "--", *wanted)
        told = self.call("--literal-pathspecs", *asked)
        missing = {line[1:] for line in told.splitlines() if line.startswith("?")}
        if missing := missing & {files[path] for path in wanted}:
            self.download("--no-write-fetch-head", "--stdin", given="\n".join(sorted(missing)))
        folder.mkdir(parents=True, exist_ok=True)
        for path, pieces in zip(wanted, self.contents([files[path] for path in wanted], folder), strict=True):
            target = folder / path
            if not target.resolve().is_relative_to(folder.resolve()):
                raise Refusal(f"the branch {self.branch} names {path}, which lies outside the store")
            target.parent.mkdir(parents=True, exist_ok=True)
            coming = target.with_name(f".{target.name}.coming")
            with coming.open("wb") as file:
                file.writelines(pieces)
            coming.replace(target)

    def objects(self, paths: Mapping[str, Path]) -> dict[str, str]:
        """Keep files as git objects; return the object of each name."""
        self.prepare()
        given = "".join(f"{path}\n" for path in paths.values())
        told = self.call("hash-object", "-w", "--no-filters", "--stdin-paths", given=given).split() if paths else []
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
                self.call("read-tree", parent, more=index)
            rows = [f"100644 {it}\t{path}" if it else f"0 {'0' * 40}\t{path}" for path, it in changes.items()]
            self.call("update-index", "--index-info", given="".join(f"{row}\n" for row in rows), more=index)
            tree = self.call("write-tree", "--missing-ok", more=index).strip()
        parents = ["-p", parent] if parent else []
        return self.call("commit-tree", tree, *parents, given=message, more=who).strip()

    def push(self, commit: str, branch: str = "") -> bool:
        """Push a commit to the branch; return False when somebody else was first.

        Raises OutsideError when the remote refuses for another reason.
        """
        done = self.run(["push", "--porcelain", "origin", f"{commit}:refs/heads/{branch or self.branch}"])
        if done.returncode == 0:
            return True
        said = f"{done.stdout}\n{done.stderr}"
        if LOST.search(said):
            return False
        raise OutsideError(f"the remote refused the branch {branch or self.branch}: {last(said)}")


def find(branch: str, remote: str = "origin") -> Origin:
    """Find the branch on a remote of the working tree, named or given by its address.

    Raises Refusal when there is no such remote.
    """
    told = subprocess.run(["git", "remote", "get-url", remote], cwd=ROOT, capture_output=True, text=True)
    url = told.stdout.strip() if told.returncode == 0 else remote if re.search(r"[/:]", remote) else ""
    if not url:
        raise Refusal(f"the working tree has no remote {remote!r}: `git remote add {remote} ADDRESS`, or give --remote")
    return Origin(str((ROOT / url).resolve()) if Path(ROOT / url).is_dir() else url, branch)
