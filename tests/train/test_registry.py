"""The registry behind a tracking server with PostgreSQL and an S3 store: the same scripts, no other change."""

import shutil

import pytest

from tests.conftest import CHAIN, JUDGES
from tests.train.team import Member, Team, member

pytestmark = pytest.mark.server
FIT = ["train.fit"]


@pytest.fixture(scope="module")
def ours(team: Team, chain, tmp_path_factory: pytest.TempPathFactory) -> Member:
    """A workspace in which the whole chain has run through the server, after stage 1."""
    root = tmp_path_factory.mktemp("server") / "workspace"
    shutil.copytree(chain.root, root, ignore=shutil.ignore_patterns(".mlflow", "models", "model", "report"))
    for gate in ("performance", "fairness", "behaviour", "parity"):
        (root / f"build/verdicts/{gate}.json").unlink()
    return member(type(chain)(root), team.url)


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
    [report] = team.objects("/report.html")
    kept = team.s3.get_object(Bucket="mlflow", Key=report)["Body"].read()
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


def test_a_server_leaves_nothing_to_carry(ours: Member) -> None:
    """The travelling store knows that a server keeps the registry."""
    saved = ours.run("train.store", "save", "--to", "build/store")
    assert "saved: the ledger; the tracking server keeps the registry\n" == saved.out


def test_files_that_changed_behind_the_server_are_refused(ours: Member, team: Team) -> None:
    """Whoever can write to the S3 store cannot put another model in the place of one that was judged."""
    shutil.rmtree(ours.root / "build/models")
    for graph in team.objects("/contract.json"):
        body = team.s3.get_object(Bucket="mlflow", Key=graph)["Body"].read()
        team.s3.put_object(Bucket="mlflow", Key=graph, Body=body.replace(b"years", b"hours"))
    ran = ours.run("serve.export", "--model-version", "2", "--to", "build/again")
    assert (2, "") == (ran.code, ran.out)
    assert "model version 2 is damaged in the registry" in ran.err
    assert "contract.json is not what the manifest lists" in ran.err
    assert not (ours.root / "build/again").exists()
