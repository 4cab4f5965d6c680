"""The branch is compacted: files that nothing needs go, by an ordinary commit; the ledger and all rows stay."""

import shutil
from collections.abc import Callable

import pytest

from tests.conftest import Workspace
from tests.ports import free_port
from tests.train.travel.conftest import Tree
from train.travel import ledger
from train.travel.effects import REMOVED
from train.travel.history import FAILED, LIVE, Unit, facts_of
from train.travel.ledger import COMPACTION, DEPLOYMENT, PROMOTION, ROLLBACK

VERSIONS = 17
GONE = (2, 10, 11, 12)


def unit(tree: Tree, number: int) -> Unit:
    """Name what would be deployed of a version."""
    return Unit(number, tree.numbers()[number], f"{number:064}", "c", "s")


def note(tree: Tree, *events: tuple[str, dict]) -> None:
    """Write events down, as the scripts do."""
    lines = ledger.follow(tree.place.lines(), [ledger.new(event, facts, "a test") for event, facts in events])
    ledger.write(tree.place.root / ".mlflow/ledger.jsonl", lines)


def promotion(tree: Tree, number: int, instead_of: int) -> tuple[str, dict]:
    """The facts of a promotion."""
    digests = tree.numbers()
    known = {"version": number, "model": digests[number], "instead_of": digests[instead_of], "champion": instead_of}
    return PROMOTION, known | {"begins": False, "evidence": {}}


@pytest.fixture
def full(tree) -> Tree:
    """Seventeen versions on the branch, of which 2 and 10 to 12 are needed by nobody.

    1 is the anchor; 3, 5 and 6 were champions; 9, 8 and 4 were deployed; a rollback left 4 for 7 and holds it; the
    deployment of 2 failed.
    """
    here = tree("here", store=True)
    for _ in range(VERSIONS - 1):
        here.register()
    assert 0 == here.store("show").code
    units = {number: unit(here, number) for number in (2, 4, 7, 8, 9)}
    note(
        here,
        *(promotion(here, now, before) for before, now in ((1, 3), (3, 5), (5, 6))),
        *((DEPLOYMENT, facts_of("local", LIVE, units[number])) for number in (9, 8, 4)),
        (ROLLBACK, facts_of("local", LIVE, units[7], left=units[4])),
        (DEPLOYMENT, facts_of("local", FAILED, units[2])),
    )
    here.saved()
    return here


def models(tree: Tree) -> set[str]:
    """Name the models whose files are on the branch."""
    names = tree.git("ls-tree", "-r", "--name-only", "ml-registry").split()
    return {name.split("/")[3] for name in names if name.startswith("artifacts/")}


def models_of(tree: Tree, *numbers: int) -> set[str]:
    """Name the models of versions."""
    return {tree.place.view().versions[number].model_id for number in numbers}


def sentence(tree: Tree, *words: str) -> str:
    """Run a script that has to be refused with exit 2 and one sentence; return it."""
    ran = tree.place.run(*words)
    assert (2, "") == (ran.code, ran.out), ran.err
    assert "Traceback" not in ran.err
    return ran.err.splitlines()[-1]


def test_files_that_nothing_needs_go(full: Tree, tree: Callable[..., Tree]) -> None:
    """By a commit behind the last one; rows and lines stay, the store verifies, and a second time nothing is to do."""
    old, rows, lines = full.git("rev-parse", "ml-registry"), full.place.view(), full.place.lines()
    ran = full.store("compact")
    assert 0 == ran.code, ran.err
    assert " of 4 version(s); 13 version(s) keep theirs\n" in ran.out
    assert old == full.git("rev-parse", "ml-registry^")
    assert models_of(full, *set(range(1, VERSIONS + 1)) - {*GONE}) == models(full)
    assert lines == full.place.lines()[:-1]
    last = full.place.lines()[-1]
    assert (COMPACTION, [*GONE]) == (last.event, last.facts["removed"])
    assert list(rows.versions) == list(full.place.view().versions)
    assert {*GONE} == {number for number, one in full.place.view().versions.items() if REMOVED in one.tags}
    assert [] == [one for number in GONE if (one := full.place.root / ".mlflow" / rows.versions[number].files).exists()]
    assert "verified: " in full.store("verify").out
    ran = full.store("compact")
    assert (0, "compacted: nothing: each of 17 version(s) is needed, or is compacted already\n") == (ran.code, ran.out)
    assert old == full.git("rev-parse", "ml-registry^")

    there = tree("there")
    assert "restored: 17 version(s)" in there.restored()
    assert full.place.view() == there.place.view()
    shown = there.store("show", "--model-version", "2")
    assert f"| files | removed {last.time} |" in shown.out, shown.err
    said = f"the files of model version 2 were removed by the compaction of {last.time}"
    for one in (full, there):
        assert said in sentence(one, "validation.behaviour", "--model-version", "2")
    assert "verified: " in there.store("verify").out
    ran = there.place.run("validation.behaviour", "--model-version", "7")
    assert "fetching the files of version 7" in ran.err, ran.err


def test_a_rollback_to_a_compacted_version_is_refused(full: Tree) -> None:
    """One sentence; what is live stays live."""
    note(full, *((DEPLOYMENT, facts_of("local", LIVE, unit(full, number))) for number in (2, 13, 14, 15)))
    full.saved()
    assert 0 == full.store("compact").code
    before = full.place.lines()
    words = ("infra.rollback", "--environment", "local", "--version", "2", "--reason", "a test")
    own = {"ENGINE": "none", "GATEHOUSE_HOME": str(full.place.root / "home"), "GATEHOUSE_PORT": str(free_port())}
    environment = full.place.environment() | own
    object.__setattr__(full.place, "environment", lambda: environment)
    assert "the files of model version 2 were removed by the compaction of" in sentence(full, *words)
    assert before == full.place.lines()


def race(tree: Tree, other: str) -> None:
    """Let the next push lose the race: while it is under way the branch becomes `other`."""
    hook = tree.remote / "hooks/pre-receive"
    hook.write_text(
        "#!/bin/sh\n[ -e raced ] && exit 0\ntouch raced\nunset GIT_QUARANTINE_PATH\n"
        f"git update-ref refs/heads/ml-registry {other}\n"
    )
    hook.chmod(0o755)


def meanwhile(tree: Tree, other: Tree) -> None:
    """Save what is new in another tree, and hide it until the next push is under way."""
    before = tree.git("rev-parse", "ml-registry").strip()
    other.saved()
    race(tree, tree.git("rev-parse", "ml-registry").strip())
    tree.git("update-ref", "refs/heads/ml-registry", before)


def test_a_version_saved_meanwhile_is_not_lost(full: Tree, tree: Callable[..., Tree]) -> None:
    """Somebody registers while the branch is compacted: both happen."""
    there = tree("there")
    there.restored()
    digest = there.register()
    meanwhile(full, there)
    ran = full.store("compact")
    assert 0 == ran.code, ran.err
    assert "somebody else saved first" in ran.err
    assert digest == full.numbers()[18]
    assert models_of(full, *set(range(1, 19)) - {*GONE}) == models(full)
    assert "verified: " in full.store("verify").out


def test_a_version_put_to_use_meanwhile_keeps_its_files(full: Tree, tree: Callable[..., Tree]) -> None:
    """Somebody promotes what is being removed: exit 1, nothing pushed; done again, it is kept."""
    there = tree("there")
    there.restored()
    note(there, promotion(there, 2, 6))
    meanwhile(full, there)
    ran = full.store("compact")
    assert (1, "") == (ran.code, ran.out), ran.err
    assert "a compaction removes the files of version 2, which somebody else has put to use meanwhile" in ran.err
    assert models_of(full, 2) <= models(full)
    full.restored("--replace")
    assert " of 4 version(s); 13 version(s) keep theirs" in full.store("compact").out  # 3 is no late champion now
    assert models_of(full, 2) <= models(full)


def test_what_was_compacted_meanwhile_is_not_put_to_use(full: Tree, tree: Callable[..., Tree]) -> None:
    """The other way round: who promotes a version whose files went is told, exit 1, and nothing is pushed."""
    there = tree("there")
    there.restored()
    assert 0 == full.store("compact").code
    note(there, promotion(there, 2, 6))
    before = full.git("rev-parse", "ml-registry")
    ran = there.store("save")
    assert (1, "") == (ran.code, ran.out), ran.err
    assert "the files of version 2" in ran.err
    assert before == full.git("rev-parse", "ml-registry")


def test_what_was_compacted_is_fitted_anew(tree: Callable[..., Tree], chain: Workspace) -> None:
    """The same inputs give a new version with files, even where a copy of the old ones lies in build/."""
    here = tree("here", store=True)
    for _ in range(6):
        here.register()
    view = here.place.view()
    assert 0 == here.store("show").code
    note(here, (COMPACTION, {"removed": [1], "files": 0}))
    shutil.copytree(chain.root / "build/models", here.place.root / "build/models")
    assert (here.place.root / "build/models" / view.versions[1].digest).is_dir()
    ran = here.place.run("train.fit")
    assert (0, "model-version=8\n") == (ran.code, ran.out), ran.err
    assert view.versions[1].digest == here.numbers()[8]


@pytest.mark.parametrize("store", [True, False])
def test_where_there_is_no_branch_nothing_is_compacted(tree: Callable[..., Tree], store: bool) -> None:
    """One sentence, and no line is written."""
    here = tree("here", store=store)
    assert "there is no branch ml-registry of ours to compact" in sentence(here, "train.store", "compact")
    assert [] == [line for line in here.place.lines() if line.event == COMPACTION]


def test_what_is_not_saved_comes_first(full: Tree) -> None:
    """A store with something new is not compacted before that is on the branch."""
    full.register()
    assert "`python -m train.store save` first" in sentence(full, "train.store", "compact")


def test_a_servers_files_are_not_ours_to_remove(tree: Callable[..., Tree]) -> None:
    """With MLFLOW_TRACKING_URI set the branch has no files."""
    here = tree("here")
    environment = here.place.environment() | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    object.__setattr__(here.place, "environment", lambda: environment)
    assert "the tracking server keeps the files" in sentence(here, "train.store", "compact")
