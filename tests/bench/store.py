"""Measure what the registry's branch costs: its bytes, and the time of a restore and of a save, by number of versions.

Usage: python -m tests.bench.store [--sizes 1,100,1000] [--repeats 5] [--chain FOLDER]

Reads   this repository; with --chain a copy of it in which the chain has run, else one is made (minutes).
Prints  two tables in Markdown; what it does meanwhile goes to stderr.
Exits   0 always, unless something breaks: a benchmark decides nothing.

The remote is a bare repository behind file://, which answers to --depth and --filter as a server does. The first 100
versions are saved by a commit each, those behind them 100 to a commit. No version is fitted: the first one's files are
copied, with the values of all bytes exchanged in the model, and the digits in golden rows and report: each version
compresses as well as the first one, and no two models share more than two fits would. Each has its registration,
verdicts and promotion in the ledger. Where TMPDIR lies in memory, the disk is not what is measured.
"""

import argparse
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from serve.bundle import KEPT_BACK
from tests.conftest import CHAIN, REPOSITORY, Workspace, copy_of
from tests.train.travel.conftest import BRANCH, Tree
from train.travel import ledger
from train.travel.ledger import PROMOTION, REGISTRATION, VERDICTS

EACH, BATCH = 100, 100  # versions saved by a commit each, and to a commit behind those
KINDS = {  # of the branch's files, by what a path ends with
    "model and its files": re.compile(r"/artifacts/[^/]+$"),
    "report": re.compile(r"/report/[^/]+$"),
    "database": re.compile(r"^mlflow\.db$"),
    "ledger": re.compile(r"^ledger\.jsonl$"),
}
BYTES, DIGITS = bytes(range(256)), b"0123456789"
RUNS = "https://github.com/owner/name/actions/runs"
DICE = random.Random(0)


def say(what: str) -> None:
    """Tell on stderr what is done."""
    sys.stderr.write(f"tests.bench.store: {what}\n")


def chain_in(folder: Path) -> Workspace:
    """Run the whole chain in a copy of the repository."""
    place = copy_of(REPOSITORY, folder)
    for script, ran in zip(CHAIN, place.run_all(*CHAIN), strict=True):
        if ran.code:
            raise SystemExit(f"tests.bench.store: {script[0]}: {ran.err}")
    return place


def begin(chain: Workspace, folder: Path) -> Tree:
    """Make the remote, and the tree that holds the chain's one version with its verdicts and promotion."""
    remote = folder / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    for name in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        subprocess.run(["git", "--git-dir", remote, "config", name, "true"], check=True)
    maker = tree_in(folder / "maker", remote)
    shutil.copytree(chain.root / ".mlflow", maker.place.root / ".mlflow", ignore=shutil.ignore_patterns(*KEPT_BACK))
    maker.saved()
    return maker


def tree_in(folder: Path, remote: Path) -> Tree:
    """Make a working tree without a store."""
    place = copy_of(REPOSITORY, folder)
    for command in (["init", "-qb", "main"], ["remote", "add", "origin", remote.as_uri()]):
        subprocess.run(["git", *command], cwd=place.root, check=True)
    return Tree(place, remote)


def another(content: bytes, letters: bytes) -> bytes:
    """Let some letters change places: as compressible as before, and alike to no other version's."""
    return content.translate(bytes.maketrans(letters, bytes(DICE.sample(letters, len(letters)))))


def grow(tree: Tree, count: int) -> None:
    """Register versions, each with its verdicts and a promotion that puts it in its forerunner's place."""
    store, lines, more = tree.place.root / ".mlflow", tree.place.lines(), []
    first = tree.place.view().version(1)
    model, golden = ((store / first.files / name).read_bytes() for name in ("model.onnx", "golden.json"))
    reports = list((store / first.files / "report").iterdir())
    for _ in range(count):
        tree.register({"model.onnx": another(model, BYTES), "golden.json": another(golden, DIGITS)})
    view = tree.place.view()
    for version in list(view.versions.values())[-count:]:
        (store / version.files / "report").mkdir()
        for report in reports:
            (store / version.files / "report" / report.name).write_bytes(another(report.read_bytes(), DIGITS))
        digest, before = version.digest, view.version(version.number - 1)
        own = {"version": version.number, "model": digest, "model_id": version.model_id, "run": version.run_id}
        own |= {"against": before.digest, "instead_of": before.digest, "champion": before.number, "begins": False}
        known = {"commit": digest[:40], "actor": "somebody", "run_url": f"{RUNS}/{int(digest[:9], 16)}"}
        for event in (REGISTRATION, VERDICTS, PROMOTION):
            facts = next(line for line in lines if line.event == event).facts
            named = {"id": f"registration-{version.model_id}"} if event == REGISTRATION else {}
            more.append(ledger.new(event, facts | {name: own[name] for name in own.keys() & facts}, **known, **named))
    ledger.write(store / ledger.NAME, ledger.follow(lines, more))


def grow_to(tree: Tree, size: int) -> None:
    """Save versions until the branch has so many."""
    while (now := len(tree.place.view().versions)) < size:
        grow(tree, 1 if now < EACH else min(BATCH, size - now))
        tree.saved()
        say(f"the branch holds {len(tree.place.view().versions)} versions")


def seconds(what: Callable[[], object]) -> float:
    """Take the wall time of a call."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def size_of(folder: Path) -> int:
    """Add up the bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def travel(remote: Path, repeats: int) -> tuple[float, float, float]:
    """Restore into empty trees and save one new version from each: medians of megabytes fetched, and of seconds."""
    fetched, restores, saves = [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            tree = tree_in(Path(folder) / "tree", remote)
            head = tree.git("rev-parse", BRANCH).strip()
            restores.append(seconds(tree.restored))
            fetched.append(size_of(tree.place.root / "build/registry.git/objects") / 1e6)
            grow(tree, 1)
            saves.append(seconds(tree.saved))
            tree.git("update-ref", f"refs/heads/{BRANCH}", head)
    return statistics.median(fetched), statistics.median(restores), statistics.median(saves)


def kinds(tree: Tree) -> Counter[str]:
    """Add up the bytes that the packed branch keeps of each kind of file, over its whole history."""
    tree.git("gc", "--quiet", "--prune=now")
    objects = tree.git("rev-list", "--objects", BRANCH)
    told = subprocess.run(
        ["git", "--git-dir", tree.remote, "cat-file", "--batch-check=%(objectname) %(objectsize:disk) %(rest)"],
        input=objects, text=True, capture_output=True, check=True,
    )  # fmt: skip
    counted: Counter[str] = Counter()
    for row in told.stdout.splitlines():
        _, size, path = row.split(" ", 2)
        kind = next((kind for kind, ending in KINDS.items() if ending.search(path)), "all else")
        counted[kind] += int(size)
    counted["all"] = size_of(tree.remote / "objects")
    return counted


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] + ["---:"] * (len(head) - 1), *rows))


def main() -> int:
    """Run the benchmark."""
    manual = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    manual.add_argument("--sizes", default="1,100,1000")
    manual.add_argument("--repeats", type=int, default=5)
    manual.add_argument("--chain", type=Path)
    given = manual.parse_args()
    times, bytes_of, before = [], [], (0, 0)
    first: tuple[float, float, float] | None = None
    with tempfile.TemporaryDirectory() as folder:
        chain = Workspace(given.chain) if given.chain else chain_in(Path(folder) / "chain")
        maker = begin(chain, Path(folder))
        for size in (int(word) for word in given.sizes.split(",")):
            grow_to(maker, size)
            counted = kinds(maker)
            measured = travel(maker.remote, given.repeats)
            first = first or measured
            again = seconds(maker.saved)
            database = (maker.place.root / ".mlflow/mlflow.db").stat().st_size
            ratios = (f"{one:.2f} ({one / own:.1f})" for one, own in zip(measured, first, strict=True))
            times.append([f"{size:,}", *ratios, f"{again:.2f}", f"{database / 1e6:.2f}"])
            grown = (counted["all"] - before[1]) / (size - before[0]) / 1e3
            bytes_of.append(
                [f"{size:,}", *(f"{counted[kind] / 1e6:.2f}" for kind in ("all", *KINDS, "all else")), f"{grown:,.0f}"]
            )
            before = (size, counted["all"])
            say(f"{size} version(s): {times[-1]} {bytes_of[-1]}")
    heads = ["versions", "restore fetches, MB", "restore, s", "save one more, s", "save where all files lie, s"]
    sys.stdout.write(f"{table([*heads, 'database, MB'], times)}\n\n")
    sys.stdout.write(f"{table(['versions', 'branch, MB', *KINDS, 'all else', 'growth, kB a version'], bytes_of)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
