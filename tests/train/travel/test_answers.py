"""What people ask the store: what is live, what was, where a version comes from, and is all of it as written."""

import json
import sqlite3
from dataclasses import replace

import pytest

from tests.conftest import Workspace
from train.travel import ledger
from train.travel.history import LIVE, Unit, facts_of
from train.travel.ledger import DEPLOYMENT, PROMOTION, REGISTRATION, ROLLBACK, Line
from validation.pages.cells import cell_text

IMAGE = f"ghcr.io/owner/repository@sha256:{'1' * 64}"


def unit(number: int) -> Unit:
    return Unit(number, f"{number:064}", f"{number + 10:064}", "c", "s", IMAGE)


def at(moment: str, event: str, facts: dict, actor: str = "ada") -> Line:
    """Make a line of January 2026."""
    known = {"actor": actor, "commit": "c0ffee" * 6 + "beef", "time": f"2026-01-{moment}+00:00"}
    return ledger.new(event, facts, f"why on {moment[:2]}", **known)


@pytest.fixture
def told(workspace: Workspace) -> Workspace:
    """A ledger alone: 1 was deployed on the 2nd and promoted on the 3rd, 2 was deployed on the 5th, left on the 8th."""
    lines = [
        at("01T10:00:00.000", REGISTRATION, {"version": 1, "model": unit(1).model}),
        at("02T10:00:00.500", DEPLOYMENT, facts_of("local", LIVE, unit(1))),
        at("03T10:00:00.000", PROMOTION, {"version": 1, "model": unit(1).model, "instead_of": "", "begins": True}),
        at("05T10:00:00.000", DEPLOYMENT, facts_of("local", LIVE, unit(2)), "grace"),
        at("06T10:00:00.000", DEPLOYMENT, facts_of("moon", LIVE, unit(2))),
        at("08T10:00:00.000", ROLLBACK, facts_of("moon", LIVE, unit(3), left=unit(2)) | {"leads": False}),
        at("08T11:00:00.000", ROLLBACK, facts_of("local", LIVE, unit(1), left=unit(2)) | {"leads": True}, "joan"),
    ]
    (workspace.root / ".mlflow").mkdir()
    ledger.write(workspace.root / ".mlflow/ledger.jsonl", ledger.follow([], lines))
    return workspace


def rows_of(out: str) -> dict[str, list[str]]:
    """Read a table: its rows by their first cell."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in out.splitlines()[2:]]
    return {name: rest for name, *rest in cells}


def test_what_was_live_then_is_told(told: Workspace) -> None:
    """Before anything, between two deployments, at a line's very time and just before it, and in another zone."""
    asked = {
        "2025-12-31": {},
        "2026-01-02T10:00:00.499": {"challenger": "1"},
        "2026-01-02T10:00:00.500": {"live in local": "1", "challenger": "1"},
        "2026-01-04": {"live in local": "1", "champion": "1", "challenger": "1"},
        "2026-01-05T09:59:59": {"live in local": "1", "champion": "1", "challenger": "1"},
        "2026-01-05T11:00:00+01:00": {"live in local": "2", "champion": "1", "challenger": "1"},
        "2026-01-05T10:59:59+01:00": {"live in local": "1", "champion": "1", "challenger": "1"},
        "2026-01-08T10:30": {"live in local": "2", "live in moon": "3", "champion": "1", "challenger": "1"},
        "2026-01-08T11:00Z": {"live in local": "1", "live in moon": "3", "champion": "1", "challenger": "1"},
    }
    done = told.run_all(*(["train.store", "show", "--at", moment] for moment in asked))
    found = {}
    for moment, (code, out, err) in zip(asked, ((one.code, one.out, one.err) for one in done), strict=True):
        assert (0, "") == (code, err), moment
        found[moment] = {name: cells[0] for name, cells in rows_of(out).items()}
    assert asked == found
    assert "nothing had happened by 2025-12-31: the ledger has 0 line(s)\n" == done[0].out
    live = rows_of(done[5].out)["live in local"]
    version, model, since, by, commit, why, run = live
    assert ("2", "0" * 12, "2026-01-05T10:00:00.000+00:00", "grace") == (version, model, since, by)
    assert ("c0ffeec0ffee", "why on 05", "") == (commit, why, run)


def test_a_moment_to_come_is_said(told: Workspace) -> None:
    """What is live now, and a word about it on stderr."""
    ran = told.run("train.store", "show", "--at", "9999-12-31T23:59:59-14:00")
    assert 0 == ran.code, ran.err
    assert "is yet to come; this is what is live now" in ran.err
    assert "joan" == rows_of(ran.out)["champion"][3]


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "25.11.2026", "14:00", "2026-01-01T10:00+99:00"])
def test_what_is_no_moment_is_refused(told: Workspace, text: str) -> None:
    """Exit 2, one sentence with an example."""
    ran = told.run("train.store", "show", "--at", text)
    assert (2, "") == (ran.code, ran.out)
    [sentence] = ran.err.splitlines()
    assert f"{text!r} is no time; write 2026-11-25T14:00, UTC unless it ends in a zone as +01:00" in sentence


def test_who_promoted_a_version_on_which_evidence_is_told(tree) -> None:
    """From a version to commit, data, lock, parameters, verdicts, image and deployments, and what replaced it."""
    here = tree("here", store=True)
    version = here.place.view().versions[1]
    facts = facts_of("local", LIVE, replace(unit(1), model=version.digest))
    left = facts_of("local", LIVE, unit(2), left=replace(unit(1), model=version.digest)) | {"to": "x"}
    lines = [at("02T10:00:00.000", DEPLOYMENT, facts, "grace"), at("03T10:00:00.000", ROLLBACK, left, "joan")]
    here.register()
    assert 0 == here.store("show").code
    ledger.write(here.place.root / ".mlflow/ledger.jsonl", ledger.follow(here.place.lines(), lines))
    shown = here.store("show", "--model-version", "1")
    assert 0 == shown.code, shown.err
    title, known, happened = shown.out.split("\n\n")
    assert "### income, version 1" == title
    values = {name: cells[0] for name, cells in rows_of(known).items()}
    tags = version.tags
    wanted = {name: tags[name] for name in ("commit", "data-digest", "lock-digest", "test-part")}
    wanted |= {"model": version.digest, "run": version.run_id, "files": "kept"}
    wanted |= {"reproduce": "python -m train.fit --reproduce 1", "parameter max_iter": "100"}
    assert wanted.items() <= values.items()
    assert "metric test_roc_auc" in values
    events = [line.strip("| ").split(" | ")[:5] for line in happened.splitlines()[2:]]
    assert ["registration", "verdicts", "promotion", "deployment", "rollback"] == [event[1] for event in events]
    gates = ("behaviour", "dataset", "fairness", "parity", "performance", "schema")
    assert sorted(f"{gate}: pass" for gate in gates) == sorted(events[1][2].split(", "))
    assert "in place of none" == events[2][2]
    assert f"local: live, bundle {unit(1).bundle[:12]}, image {cell_text(IMAGE)}" == events[3][2]
    assert ["grace", "joan"] == [event[4] for event in events[3:]]
    ran = here.store("show", "--model-version", "9")
    assert (2, "") == (ran.code, ran.out)
    assert "model version 9 does not exist in the registry: it has versions 1 to 2" in ran.err


def damage(tree, how: str) -> None:
    """Edit, drop or move the ledger's second line."""
    path = tree.place.root / ".mlflow/ledger.jsonl"
    first, second, third, *more = path.read_text().splitlines(keepends=True)
    changed = {
        "edited": [first, second.replace('"actor":"', '"actor":"not-'), third],
        "dropped": [first, third],
        "moved": [first, third, second],
        "cut": [first, second[:-9]],
    }[how]
    path.write_text("".join([*changed, *(more if how != "cut" else [])]))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("edited", "line 2 was edited: its hash is not that of its content"),
        ("dropped", "line 2 calls itself line 3: lines were dropped or moved"),
        ("moved", "line 2 calls itself line 3: lines were dropped or moved"),
        ("cut", "line 2 is cut off"),
    ],
)
def test_the_first_bad_line_is_named(tree, how: str, said: str) -> None:
    """Exit 2, one sentence, by verify and by whoever else reads it."""
    here = tree("here", store=True)
    here.saved()
    damage(here, how)
    for word in ("verify", "show", "save"):
        ran = here.store(word)
        assert (2, "") == (ran.code, ran.out)
        assert f"ledger.jsonl, {said}" in ran.err
        assert "Traceback" not in ran.err


def test_a_head_is_held_against_the_ledger(tree) -> None:
    """That of any line, whole or its first 12 digits, is found; another is not; what is no hash is said to be none."""
    here = tree("here", store=True)
    hashes = [line.hash for line in here.place.lines()]
    heads = [hashes[0], hashes[-1], hashes[-1][:12], ledger.START]
    done = here.place.run_all(*(["train.store", "verify", "--head", head] for head in [*heads, "f" * 64, "main"]))
    assert [0, 0, 0, 0, 2, 2] == [one.code for one in done], done
    assert f"does not hold {'f' * 12}: it was rewritten since" in done[4].err
    assert "'main' is no hash of a ledger's line" in done[5].err


def rewritten(tree) -> None:
    """Write another history that is whole in itself, database and all, as somebody who owns the branch could."""
    lines = [replace(line, reason="another one") for line in tree.place.lines()]
    ledger.write(tree.place.root / ".mlflow/ledger.jsonl", ledger.follow([], lines))
    with sqlite3.connect(tree.place.root / ".mlflow/mlflow.db") as database:
        database.execute("DELETE FROM registered_model_tags WHERE key = 'ledger'")


def test_a_deployment_finds_a_ledger_that_was_rewritten_under_it(tree) -> None:
    """It carries the head that the branch had; without it nobody on this machine could know."""
    here = tree("here", store=True)
    here.saved()
    record = here.place.root / "build/local/deployment.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    head = here.place.lines()[-1].hash
    record.write_text(json.dumps({"ledger": head}))
    assert 0 == (ran := here.store("verify")).code, ran.err
    rewritten(here)
    ran = here.store("verify")
    assert (2, "") == (ran.code, ran.out)
    assert "build/local/deployment.json carries the ledger's head " + head[:12] in ran.err
    assert "which the ledger of 4 line(s) does not hold: it was rewritten since" in ran.err
    record.unlink()
    assert 0 == (ran := here.store("verify")).code, ran.err


def test_a_deployment_before_the_first_save_is_no_false_alarm(tree) -> None:
    """Lines that are not on the branch yet get other hashes there; what was deployed meanwhile does not mind."""
    here, there = tree("here", store=True), tree("there")
    base, record = (here.place.root / name for name in (".mlflow/base.json", "build/local/deployment.json"))
    record.parent.mkdir(parents=True, exist_ok=True)
    for saved_before in (False, True):
        # What a deployment takes with it, see infra.noted
        record.write_text(
            json.dumps({"ledger": json.loads(base.read_text())["head"] if saved_before else ledger.START})
        )
        here.register()
        assert 0 == here.store("show").code
        if saved_before:
            there.restored()
            there.register()
            there.saved()
        here.saved()
        assert 0 == (ran := here.store("verify")).code, ran.err
    assert [2, 3, 4] == [line.facts["version"] for line in here.place.lines() if line.event == REGISTRATION][1:]


def test_a_deployment_under_a_number_that_is_another_models_is_found(tree) -> None:
    """A line of who was live has to name the model that bears its version."""
    here = tree("here", store=True)
    here.saved()
    (version,) = here.place.view().versions.values()
    for model, code in ((version.digest, 0), ("f" * 64, 2)):
        line = at("09T10:00:00.000", DEPLOYMENT, facts_of("moon", LIVE, replace(unit(version.number), model=model)))
        ledger.write(here.place.root / ".mlflow/ledger.jsonl", ledger.follow(here.place.lines(), [line]))
        assert 0 == here.store("show").code  # whose aliases follow
        assert code == (ran := here.store("verify")).code, ran.err
    assert f"has model ffffffffffff live as version {version.number}, which is model {version.digest[:12]}" in ran.err
