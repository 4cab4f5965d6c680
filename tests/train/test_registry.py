"""The registry behind a tracking server with PostgreSQL and an S3 store: the same scripts, no other change."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHAIN, JUDGES, Workspace, copy_of
from tests.train.team import Member, Team, member

pytestmark = pytest.mark.server
FIT = ["train.fit"]
# Registers a third version, from the files of the champion that the server gives, and promotes it unjudged
NEXT = """
from train import following, registry
from train.travel import book
from train.travel.ledger import PROMOTION
from train.view import Run
from validation import contract
config = contract.load()
champion = registry.view(config).champion()
run = Run({}, {}, {}, "d" * 64, "data")
number = registry.register(config, registry.model_folder(champion), run, {"model-digest": champion.digest})
following.follow(config)
facts = {"version": number, "model": champion.digest, "instead_of": champion.digest, "begins": False}
book.note(PROMOTION, facts | {"evidence": {"line": "", "gates": {}}, "champion": champion.number, "against": ""})
following.follow(config)
"""

# Names the models of the versions, by which their files are stored
MODELS = """
from train import registry
from validation import contract
print(*(version.model_id for _, version in sorted(registry.view(contract.load()).versions.items())))
"""


@pytest.fixture(scope="module")
def ours(team: Team, chain, tmp_path_factory: pytest.TempPathFactory) -> Member:
    """A workspace in which the whole chain has run through the server, after stage 1."""
    root = tmp_path_factory.mktemp("server") / "workspace"
    shutil.copytree(chain.root, root, ignore=shutil.ignore_patterns(".mlflow", "models", "model", "report"))
    for gate in ("performance", "fairness", "behaviour", "parity"):
        (root / f"build/verdicts/{gate}.json").unlink()
    return member(type(chain)(root), team.url)


def stored(ours: Member, team: Team, number: int, name: str) -> dict[str, str]:
    """Say where the S3 store, which other tests use too, has a file of a version."""
    (ours.root / "name_models.py").write_text(MODELS)
    model = ours.run("name_models").out.split()[number - 1]
    [key] = team.objects(f"/{model}/artifacts/{name}")
    return {"Bucket": "mlflow", "Key": key}


def test_the_whole_chain_runs_through_a_server(ours: Member, team: Team) -> None:
    """Fit, gates, report, bundle, promotion; stdout stays the result, and no store appears in the working tree."""
    fitted = ours.run("train.fit")
    assert (0, "model-version=1\n") == (fitted.code, fitted.out), fitted.err
    assert "View run" in fitted.err  # MLflow's chatter, which it writes to stdout, has gone to the log
    ran = ours.run_all(*CHAIN[3:], FIT)
    assert [0] * (len(CHAIN) - 2) == [one.code for one in ran], [one.err for one in ran]
    assert "| none | version 1 |" in ran[-2].out
    assert "model-version=1\nreused=true\n" == ran[-1].out
    assert not (ours.root / ".mlflow/mlflow.db").exists()
    kept = team.s3.get_object(**stored(ours, team, 1, "report/report.html"))["Body"].read()
    assert kept == (ours.root / "build/report/index.html").read_bytes()


def test_the_next_version_is_compared_with_the_first(ours: Member) -> None:
    """A second model is judged against the champion that the server names, and takes its place."""
    ours.change("config.py", '"max_iter": 100', '"max_iter": 90')
    judges = [[name, flag, "2"] for name, flag, _ in JUDGES]
    ran = ours.run_all(
        FIT, *judges, ["validation.report", "--model-version", "2"], ["train.promote", "--model-version", "2"]
    )
    assert [0] * 7 == [one.code for one in ran], [one.err for one in ran]
    assert "model-version=2\n" == ran[0].out
    assert "version 1" in ran[1].out
    assert "| version 1 | version 1 |" in ran[-1].out


def on_branch(remote: Path) -> dict[str, str]:
    """Name the files of the registry's branch, each with its content as far as it is text."""
    git = ["git", "--git-dir", str(remote)]
    names = subprocess.check_output([*git, "ls-tree", "-r", "--name-only", "ml-registry"], text=True).split()
    return {name: subprocess.check_output([*git, "show", f"ml-registry:{name}"]).decode("latin-1") for name in names}


def test_pull_requests_read_a_copy_of_the_champion(ours: Member, tmp_path: Path) -> None:
    """Beside a server the branch holds ledger, champion and anchor: gates compare by them without a login."""
    remote, guest = tmp_path / "remote.git", copy_of(ours.root, tmp_path / "guest")
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    for place in (ours, guest):
        subprocess.run(["git", "init", "-qb", "main"], cwd=place.root, check=True)
        subprocess.run(["git", "remote", "add", "origin", str(remote)], cwd=place.root, check=True)
    saved = ours.run("train.store", "save")
    assert (0, True) == (saved.code, saved.out.startswith("saved: version 1, 2, ")), saved.err
    assert "saved: nothing: the branch holds all of it\n" == ours.run("train.store", "save").out
    there = on_branch(remote)
    assert "server" == json.loads(there["store.json"])["kept-by"]
    assert 2 == len([name for name in there if name.endswith("/model.onnx")])
    assert [] == [name for name, content in there.items() if "parquet" in name or str(ours.root) in content]

    restored = guest.run("train.store", "restore")
    assert 0 == restored.code, restored.err
    assert "this is the copy of its champion" in restored.err
    assert 0 == guest.run("train.store", "verify").code
    view = guest.view()
    assert ({1, 2}, {"champion": 2, "anchor": 1}) == (set(view.versions), dict(view.aliases))
    guest.change("config.py", '"max_iter": 90', '"max_iter": 80')
    fitted = guest.run("train.fit")
    assert (0, "model-version=3\n") == (fitted.code, fitted.out), fitted.err
    judged = guest.run("validation.performance", "--model-version", "3")
    assert (0, True) == (judged.code, "lost to the champion | version 2" in judged.out), judged.out + judged.err
    refused = guest.run("train.store", "save")
    assert (2, "") == (refused.code, refused.out)
    assert "a server keeps this registry" in refused.err
    assert "MLFLOW_TRACKING_URI" in refused.err

    (ours.root / "promote_next.py").write_text(NEXT)
    promoted = ours.run("promote_next")
    assert 0 == promoted.code, promoted.err
    saved = ours.run("train.store", "save")
    assert (0, True) == (saved.code, saved.out.startswith("saved: version 3, ")), saved.err
    assert 2 == len([name for name in on_branch(remote) if name.endswith("/model.onnx")])
    other = copy_of(ours.root, tmp_path / "other")
    subprocess.run(["git", "init", "-qb", "main"], cwd=other.root, check=True)
    restored = other.run("train.store", "restore", "--remote", str(remote))
    assert ({1, 3}, {"champion": 3, "anchor": 1}) == (set(other.view().versions), dict(other.view().aliases))
    (ours.root / "promote_next.py").write_text(NEXT.replace('"instead_of": champion.digest', '"instead_of": "0" * 64'))
    assert 0 == ours.run("promote_next").code
    lost = ours.run("train.store", "save")
    assert (1, "") == (lost.code, lost.out)
    assert "version 4 was judged against the champion 000000000000, and now it is" in lost.err
    asked = Workspace(ours.root)  # somebody who took the variable away and works where the server's copy is not
    assert 2 == asked.run("train.store", "save").code


def test_a_server_leaves_nothing_to_carry(ours: Member) -> None:
    """The travelling store knows that a server keeps the registry."""
    saved = ours.run("train.store", "save", "--to", "build/store")
    assert "saved: the ledger; the tracking server keeps the registry\n" == saved.out


def test_files_that_changed_behind_the_server_are_refused(ours: Member, team: Team) -> None:
    """Whoever can write to the S3 store cannot put another model in the place of one that was judged."""
    shutil.rmtree(ours.root / "build/models")
    place = stored(ours, team, 2, "contract.json")
    body = team.s3.get_object(**place)["Body"].read()
    team.s3.put_object(**place, Body=body.replace(b"years", b"hours"))
    ran = ours.run("serve.export", "--model-version", "2", "--to", "build/again")
    assert (2, "") == (ran.code, ran.out)
    assert "model version 2 is damaged in the registry" in ran.err
    assert "contract.json is not what the manifest lists" in ran.err
    assert not (ours.root / "build/again").exists()
