"""Train a version again from the commit and the data that it recorded, and compare the bytes of the model.

`python -m train.fit --reproduce N` runs it. The commit is checked out aside and fits there, with a store of its own;
the caller's tree and registry stay as they are. Byte identity is demanded on the platform that the version recorded;
elsewhere the outputs on every test row have to be the same within 1e-6, without a flipped label.
"""

import json
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.bundle import MANIFEST, sha256
from train import registry
from train.checkout import at_commit, call
from train.likeness import likeness
from train.view import Version
from validation.contract import Config
from validation.script import NO, ROOT, YES, OutsideError, Refusal, digest, log, result

WITHIN = "1e-6"  # largest difference of an output (probability, or share of the range) on another platform
RUNTIME = ("requirements.txt", ".python-version")  # where both are as here, this interpreter is the version's
# Asked of the commit's own code, in one line each: which files it reads, and what they make of them
SOURCES = "[config.data, *config.joined, config.split.test_part]"
INPUTS = "(data_digest(config), file_digest(config.split.test_part), fingerprint(config, data_digest(config)))"
ASK = """
import json
import sys
from train.fit import fingerprint
from train.source import data_digest
from validation import contract
from validation.code import file_digest
from validation.script import door, result
def main(argv=None):
    config = contract.load()
    result(json.dumps({question}))
    return 0
sys.argv = ["train.fit.py"]
raise SystemExit(door(main)())
"""


class Differs(Exception):
    """The version cannot be had again: one clause that says what differs (exit 1)."""


@dataclass(frozen=True)
class Again:
    """A model that was fitted again, and whether all that fit reads was what the version was fitted from."""

    folder: Path
    same_inputs: bool


def machine() -> str:
    """Name what the last bits of a model hang on besides the lock: system, C library, Python, processor.

    The kernel's version is not part of it; numeric libraries choose their code by the processor's model.
    """
    processor = platform.processor()
    if Path("/proc/cpuinfo").is_file():
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        processor = found[1] if found else processor
    python = f"Python {platform.python_version()}"
    parts = (platform.system(), platform.machine(), "".join(platform.libc_ver()), python, processor)
    return ", ".join(part for part in parts if part)


def reproduce(config: Config, which: str) -> int:
    """Reproduce a version, named by its number or an alias; keep a table for stdout, return the exit code."""
    view = registry.view(config)
    number = int(which) if which.isascii() and which.isdigit() else view.aliases.get(which)
    if number is None and which == "champion":
        result("No version is the champion yet: there is nothing to reproduce.")
        return YES
    if number is None:
        raise Refusal(f"no version has the alias {which}; give the number of a version, or champion")
    version = view.version(number)
    commit = _commit(version)
    found, code = "", YES
    try:
        with at_commit(commit) as tree:
            again = _fit_again(version, tree)
            found = sha256(again.folder / MANIFEST)
            verdict = "identical" if found == version.digest else _alike(version, again)
    except Differs as difference:
        verdict, code = str(difference), NO
        log(f"version {number} is not reproduced: {difference}")
    digests = (version.tags.get("data-digest"), version.tags.get("lock-digest"), version.digest, found)
    data, lock, recorded, reproduced = (f"`{name[:12]}`" if name else "none" for name in digests)
    result(
        "| version | commit | data | lock | recorded model | reproduced model | verdict |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"| {number} | `{commit[:12]}` | {data} | {lock} | {recorded} | {reproduced} | {verdict} |"
    )
    return code


def _commit(version: Version) -> str:
    commit = version.tags.get("commit", "unknown")
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise Refusal(
            f"model version {version.number} cannot be reproduced: it was fitted from {commit}, which is no whole"
            " commit; commit all changes before `make fit`"
        )
    return commit


def _fit_again(version: Version, tree: Path) -> Again:
    """Fit in a checkout of the version's commit.

    Raises Differs when lock, data or test part are not what the version recorded; Refusal or OutsideError, as fit did.
    """
    at = f"at commit {_commit(version)[:12]}"
    if (lock := digest((tree / RUNTIME[0]).read_bytes())) != version.tags.get("lock-digest"):
        raise Differs(f"the lock {at} has the digest {lock[:12]}, which is not the one that it recorded")
    python = _interpreter(tree, at)
    for name in _ask(python, tree, SOURCES, at):
        if "://" not in name and not (tree / name).exists() and (ROOT / name).is_file():  # kept outside git
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(ROOT / name)
    data, part, fingerprint = _ask(python, tree, INPUTS, at)
    for what, tag, now in (("data", "data-digest", data), ("test part", "test-part", part)):
        if now != version.tags.get(tag):
            recorded = version.tags.get(tag, "none")[:12]
            raise Differs(f"the {what} of now, `{now[:12]}`, is no longer what it was trained on, `{recorded}`")
    _must_do(call([python, "-m", "train.fit"], tree).returncode, f"fit {at}")
    folders = [path.parent for path in (tree / ".mlflow").rglob(MANIFEST)]
    if len(folders) != 1:
        raise Refusal(f"fit {at} left {len(folders)} sealed models in its store, not one; its form is too old for this")
    return Again(folders[0], fingerprint == version.fingerprint)


def _interpreter(tree: Path, at: str) -> str:
    """Return an interpreter with the lock of a checkout: this one where it is the same lock, else one made for it."""
    if all((tree / name).is_file() and (tree / name).read_bytes() == (ROOT / name).read_bytes() for name in RUNTIME):
        return sys.executable
    log(f"the lock {at} is another than here; an environment is made from it")
    made = call(["make", "setup"], tree, VENV=str(tree / ".venv"))
    if made.returncode:
        raise OutsideError(
            f"the environment of the lock {at} cannot be made: `make setup` ended with {made.returncode}; it needs the"
            " package index and the Python that .python-version names there"
        )
    return str(tree / ".venv/bin/python")


def _ask(python: str, tree: Path, question: str, at: str) -> Any:
    """Ask the code of a checkout about its config.py."""
    done = call([python, "-c", ASK.format(question=question)], tree)
    _must_do(done.returncode, f"reading config.py and the data {at}")
    return json.loads(done.stdout)


def _must_do(code: int, what: str) -> None:
    if code:
        raise (OutsideError if code == 3 else Refusal)(f"{what} ended with {code}; why is told above")


def _alike(version: Version, again: Again) -> str:
    """Judge a model that is not the same bytes.

    Raises Differs unless it is on another platform, from the same inputs, and gives the same outputs.
    """
    like = likeness(registry.model_folder(version), again.folder)
    recorded, here = version.tags.get("platform"), machine()
    if not again.same_inputs:
        raise Differs(f"{like}; what fit reads at that commit is not what it was fitted from (another fingerprint)")
    if recorded in (None, here):
        where = "the platform that it recorded" if recorded else "this platform; it recorded none"
        raise Differs(f"{like}; on {where} ({here}) the bytes have to be the same")
    if not like.within(float(WITHIN)):
        raise Differs(f"{like}; more than {WITHIN} allows on another platform (recorded: {recorded}; here: {here})")
    log(f"{like}; recorded on {recorded}; here is {here}")
    return f"equal within {WITHIN} on another platform"
