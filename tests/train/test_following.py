"""A server follows the ledger of whoever works with it, and nobody who knows less sets it back."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from train import embedded, following, registry
from train.travel import book, ledger
from train.travel.effects import MARK
from train.travel.ledger import PROMOTION, VERDICTS, Line
from train.view import DIGEST, Version, View
from validation import contract
from validation.script import Refusal


@dataclass
class Server:
    """What a tracking server keeps of the model, behind the calls of MLflow's client that are used."""

    versions: dict[int, dict[str, str]] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    calls: int = 0

    def register(self, digest: str) -> None:
        """Grant the next number."""
        self.versions[len(self.versions) + 1] = {DIGEST: digest}

    def view(self) -> View:
        """What registry.view makes of it."""
        found = {n: Version(n, t[DIGEST], "", f"r{n}", f"m{n}", "", dict(t), 1) for n, t in self.versions.items()}
        return View(found, dict(self.aliases))

    def get_registered_model(self, name: str) -> SimpleNamespace:
        """Give its tags."""
        assert self.versions, "there is no such model"
        return SimpleNamespace(tags=dict(self.tags))

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Count the call, and set it."""
        self.calls += 1
        self.versions[int(version)][key] = value

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Count the call, and set it; a version that is not there is refused."""
        self.calls += 1
        assert int(version) in self.versions, "there is no such version"
        self.aliases[alias] = int(version)

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        """Count the call, and set it."""
        self.calls += 1
        self.tags[key] = value


class Member:
    """Somebody with a ledger, who works with the server."""

    def __init__(self, folder: Path, server: Server, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.server, self.patch = folder, server, patch

    def follow(self) -> None:
        """Follow, as every script does."""
        self.patch.setattr(book, "STORE", self.folder)
        self.patch.setattr(following, "STORE", self.folder)
        self.patch.setattr(book, "BOOK", self.folder / ledger.NAME)
        following.follow(contract.load())

    def lines(self) -> list[Line]:
        """Read the ledger."""
        return ledger.read(self.folder / ledger.NAME)

    def hold(self, lines: list[Line]) -> None:
        """Have these lines."""
        ledger.write(self.folder / ledger.NAME, lines)

    def promote(self, version: int, instead_of: str = "") -> None:
        """Write a promotion down, and follow."""
        facts = {"version": version, "model": self.server.versions[version][DIGEST], "instead_of": instead_of}
        self.note(PROMOTION, facts | {"begins": False})
        self.follow()

    def note(self, event: str, facts: dict) -> None:
        """Write a line down."""
        self.hold(ledger.follow(self.lines(), [ledger.new(event, facts)]))

    def save(self, branch: list[Line]) -> list[Line]:
        """Lay the lines behind those of the branch; return the branch."""
        self.hold(ledger.follow(branch, self.lines()))
        return self.lines()


@pytest.fixture
def server() -> Server:
    """A server that nobody has used."""
    return Server()


@pytest.fixture
def member(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Make members by name."""

    @contextlib.contextmanager
    def opened():
        yield SimpleNamespace(MlflowClient=lambda: server)

    monkeypatch.setattr(registry, "opened", opened)
    monkeypatch.setattr(registry, "view", lambda _: server.view())
    monkeypatch.setattr(embedded, "embedded", lambda: False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    return lambda name: Member(tmp_path / name, server, monkeypatch)


def test_a_server_is_told_what_happened_once(server: Server, member) -> None:
    """Registration, verdicts and promotion; a second look asks for nothing."""
    server.register("a")
    ada = member("ada")
    ada.note(VERDICTS, {"version": 1, "gates": {"parity": "pass"}})
    ada.promote(1)
    assert {"challenger": 1, "champion": 1} == server.aliases
    assert ("pass", ada.lines()[1].hash) == (server.versions[1]["verdict.parity"], server.versions[1][MARK])
    before = server.calls
    ada.follow()
    assert before == server.calls


def test_who_knows_less_sets_nothing_back(server: Server, member) -> None:
    """One clone promotes; another, whose ledger ends before that, only looks: the champion stays, on and on."""
    server.register("a")
    ada, grace = member("ada"), member("grace")
    ada.promote(1)
    branch = ada.save([])
    grace.hold(branch)
    grace.follow()
    server.register("b")
    ada.follow()
    ada.promote(2, "a")
    for _ in range(2):
        grace.follow()
        ada.follow()
        assert {"challenger": 2, "champion": 2} == server.aliases
    server.register("c")
    grace.promote(3, "b")
    for _ in range(2):
        grace.follow()
        ada.follow()
        assert {"challenger": 3, "champion": 3} == server.aliases


def test_a_clone_without_a_ledger_sets_nothing_back(server: Server, member) -> None:
    """It learns of the versions from the server, and works on from there."""
    server.register("a")
    server.register("b")
    ada, fresh = member("ada"), member("fresh")
    ada.promote(1)
    ada.follow()
    server.aliases["challenger"] = 1  # by `fit` of what was there before
    fresh.follow()
    assert {"challenger": 1, "champion": 1} == server.aliases
    fresh.promote(2, "a")
    assert {"challenger": 1, "champion": 2} == server.aliases


def test_a_promotion_that_moved_behind_others_is_told_again(server: Server, member) -> None:
    """Its hash is another one then; the version names it, so that `verify` finds it."""
    server.register("a")
    ada, grace = member("ada"), member("grace")
    grace.note(VERDICTS, {"version": 1, "gates": {"parity": "pass"}})
    branch = grace.save([])
    ada.promote(1)
    ada.save(branch)
    assert server.versions[1][MARK] not in {line.hash for line in ada.lines()}
    ada.follow()
    [promotion] = [line for line in ada.lines() if line.event == PROMOTION]
    assert promotion.hash == server.versions[1][MARK]
    assert "pass" == server.versions[1].get("verdict.parity", "pass")


def test_who_died_before_telling_is_told_for_by_the_next(server: Server, member) -> None:
    """A line that is on the branch and not on the server is applied by whoever has all of it."""
    server.register("a")
    ada, grace = member("ada"), member("grace")
    ada.follow()
    facts = {"version": 1, "model": "a", "instead_of": "", "begins": True}
    ada.note(PROMOTION, facts)
    grace.hold(ada.save([]))
    grace.follow()
    assert {"challenger": 1, "champion": 1, "anchor": 1} == server.aliases


def test_a_version_that_was_deleted_there_is_passed_over(server: Server, member) -> None:
    """What its lines did to it is nothing any more; the rest is followed."""
    for digest in "abc":
        server.register(digest)
    ada = member("ada")
    server.tags[MARK] = "somebody else's"
    ada.follow()
    ada.note(VERDICTS, {"version": 2, "gates": {"parity": "pass"}})
    ada.note(PROMOTION, {"version": 2, "model": "b", "instead_of": "", "begins": True})
    ada.note(PROMOTION, {"version": 3, "model": "c", "instead_of": "b", "begins": False})
    del server.versions[2]
    ada.follow()
    assert {"champion": 3} == server.aliases


def test_the_ledger_of_another_registry_is_refused(server: Server, member) -> None:
    """A server without a version, or with another one of that number: one sentence, and the server stays as it is."""
    ada = member("ada")
    server.register("a")
    ada.promote(1)
    for versions, has in (({}, "none"), ({1: {DIGEST: "z"}}, "another one")):
        server.versions, server.aliases, server.tags = versions, {}, {}
        with pytest.raises(Refusal, match=f"tells of version 1 of income, and the server .* has {has}: .*migrate"):
            ada.follow()
        assert ({}, {}) == (server.aliases, server.tags)


def test_a_ledger_that_tells_of_no_version_is_no_hindrance(server: Server, member) -> None:
    """A branch that has only begun, beside a server that is new: nothing to follow."""
    ada = member("ada")
    ada.note("beginning", {"repository": "owner/name"})
    ada.follow()
    assert 0 == server.calls
