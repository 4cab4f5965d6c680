"""Eight writers at once, each with a working tree and a process of its own: nobody's version is lost."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import Workspace
from tests.test_config import CODED, churn
from tests.train.travel.conftest import Tree
from train.travel import ledger

WRITERS = 8
FIT_AND_SAVE = """
import sys
from train.fit import main as fit
from train.store import main as store
sys.exit(fit([]) or store(["save"]))
"""


def test_eight_writers_lose_nothing(tree) -> None:
    """All restore the same store, register, and save in the same moment: every version exists, numbers are unique."""
    first = tree("first", store=True)
    first.saved()
    writers = [tree(f"writer-{place}") for place in range(WRITERS)]
    digests = []
    for writer in writers:
        writer.restored()
        digests.append(writer.register())
    running = [writer.place.start("train.store", "save") for writer in writers]
    ended = [(process.communicate(timeout=300), process.returncode) for process in running]
    assert [0] * WRITERS == [code for _, code in ended], ended
    assert any("somebody else saved first" in err for (_, err), _ in ended), "there was no race"
    first.restored()
    numbers = first.numbers()
    assert list(range(1, WRITERS + 2)) == sorted(numbers)
    assert set(digests) == {numbers[number] for number in range(2, WRITERS + 2)}
    lines = first.place.lines()
    assert WRITERS + 1 == len({line.facts["model_id"] for line in lines if line.event == "registration"})
    assert 0 == first.store("verify").code
    commits = int(first.git("rev-list", "--count", "ml-registry"))
    assert WRITERS + 1 == commits, "one commit a writer, none forced away"


def test_eight_first_fits_begin_one_store(workspace: Workspace, remote: Path, tmp_path: Path) -> None:
    """Eight runs of the real `fit` and `save` on a fork that has no branch yet: one store, eight versions."""
    (workspace.root / "config.py").write_text(CODED)
    churn(workspace.root / "data/churn.csv")
    assert 0 == workspace.run("train.init", "freeze").code
    running = []
    environment = workspace.environment() | {"OMP_NUM_THREADS": "1"}
    for place in range(WRITERS):
        tree = Workspace(tmp_path / f"fit-{place}")
        subprocess.run(["cp", "-r", workspace.root, tree.root], check=True)
        tree.change("config.py", "SEED = 7", f"SEED = {place + 7}")  # as many models
        for command in (["init", "-qb", "main"], ["remote", "add", "origin", str(remote)]):
            subprocess.run(["git", *command], cwd=tree.root, check=True)
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", FIT_AND_SAVE], cwd=tree.root, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
    ended = [(process.communicate(timeout=600), process.returncode) for process in running]
    assert [0] * WRITERS == [code for _, code in ended], [err for (_, err), code in ended if code]
    told = Tree(Workspace(tmp_path / "fit-0"), remote)
    told.restored()
    lines = ledger.parse(told.git("show", "ml-registry:ledger.jsonl").encode())
    assert ["beginning", *["registration"] * WRITERS] == [line.event for line in lines]
    assert list(range(1, WRITERS + 1)) == sorted(line.facts["version"] for line in lines[1:])
    assert WRITERS == len({line.facts["model"] for line in lines[1:]})
    assert 0 == told.store("verify").code
