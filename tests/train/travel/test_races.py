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

# One whole deployment but for the place, which tells when it is touched
DEPLOY = """
import sys, time
from pathlib import Path
from infra import again, lease, machine, noted
from infra.lease import Lease
from infra.noted import Order
from infra.trial import Trial
from train.travel.history import Unit
from train.travel.ledger import DEPLOYMENT
from validation.script import door
home = Path("build/staging")
home.mkdir(parents=True)
lease.POLL_SECONDS = 0.3
told = Path(sys.argv[1])
def tell(word):
    with told.open("a") as file:
        file.write(word)
def bring(place, sealed, home, trial):
    tell("(")
    time.sleep(1)
    trial.may_switch()
    tell(")")
machine.bring, machine.serving, again.recall = bring, lambda url: "", lambda *_: None
class Place:
    url, ledger, ready_seconds = "", "", 1.0
    live_image = staticmethod(lambda: "")
unit = Unit(1, "m" * 64, "b" * 64, "c" * 64, "d" * 64, f"here/service@sha256:{sys.argv[2]}")
mine = Lease("staging", home, lambda: noted.save(True))
order = Order("staging", DEPLOYMENT, unit, mine, record=True)
def deploy():
    mine.wait()
    noted.carry_out(order, Place(), None, home, Trial(None, None))
sys.exit(door(lambda _: lease.in_turn(deploy) or 0)([]))
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


def test_four_deployments_to_one_place_come_one_after_the_other(tree, tmp_path: Path) -> None:
    """Each from a clone of its own, begun in the same moment: none touches the place while another one has it."""
    first = tree("first", store=True)
    first.saved()
    clones = [tree(f"clone-{place}") for place in range(4)]
    for clone in clones:
        clone.restored()
    told = tmp_path / "told"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", DEPLOY, str(told), str(place)], cwd=clone.place.root,
            env=clone.place.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for place, clone in enumerate(clones)
    ]  # fmt: skip
    ended = [(process.communicate(timeout=300), process.returncode) for process in running]
    assert [0] * 4 == [code for _, code in ended], [err for (_, err), code in ended if code]
    assert "()" * 4 == told.read_text()
    assert any("is held by" in err for (_, err), _ in ended), "there was no race"
    first.restored("--replace")
    phases = [line.facts["phase"] for line in first.place.lines() if line.event == "deployment"]
    assert 4 == phases.count("live")
    assert phases.count("intent") == phases.count("live") + phases.count("failed")


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
