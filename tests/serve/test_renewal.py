"""A reload, looked at from within: in its order, and with what it leaves in memory."""

import gc
import signal
import threading
import weakref

import pytest

from serve import renewal
from serve.bundle import BundleError
from serve.guard.around import Guard
from serve.guard.settings import Settings, limits_of
from serve.loaded import load
from serve.pages import Pages
from serve.renewal import Renewal, Wish, forget
from serve.wire.app import Wire
from serve.wire.routes import scopes
from serve.wire.served import Served
from tests.serve.bundles import version_of
from tests.serve.test_workers import waited


@pytest.fixture
def wish():
    before = signal.getsignal(signal.SIGHUP)
    yield Wish()
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def mounted(chain, tmp_path, wish) -> Renewal:
    """A renewal behind a link to version 1; version 2 lies beside it."""
    bundle = load(chain.root / "build/model")
    version_of(chain.root / "build/model", tmp_path / "2", 2)
    (tmp_path / "bundle").symlink_to(chain.root / "build/model")
    limits = limits_of(bundle.limits)
    served = Served(bundle, Pages(bundle))
    return Renewal(
        tmp_path / "bundle", served, Guard(Settings(limits, open="loopback"), scopes(served.routes)), 1, wish
    )


def test_the_signal_asks_and_nothing_else_does(mounted, wish) -> None:
    """Without SIGHUP a new bundle behind the link is left alone."""
    assert (False, False) == (mounted.look(), mounted.under_way)
    signal.raise_signal(signal.SIGHUP)
    assert wish.there
    mounted.look()
    assert not wish.there


def test_who_asks_amid_a_reload_gets_another_one(mounted, wish, monkeypatch) -> None:
    """Two wishes while one loads are one reload after it; it never loads two at once."""
    gate, loads = threading.Event(), []

    def slow(*given):
        loads.append(given)
        assert gate.wait(30)
        raise BundleError("bad")

    (mounted._folder).unlink()
    monkeypatch.setattr(renewal, "load", slow)
    wish.ask()
    assert not mounted.look()
    assert waited(lambda: len(loads) == 1)
    wish.ask()
    wish.ask()
    assert (False, 1) == (mounted.look(), len(loads))
    gate.set()
    assert waited(lambda: not mounted.look() and len(loads) == 2)
    assert waited(lambda: not mounted.look() and not mounted.under_way)
    assert 2 == len(loads)


def test_whatever_a_bundle_does_is_no_reason_to_end(mounted, wish, monkeypatch, capsys) -> None:
    """An error that nobody foresaw refuses the bundle too, in one line."""

    def broken(*_):
        raise MemoryError("all gone\nand more")

    mounted._folder.unlink()
    monkeypatch.setattr(renewal, "load", broken)
    wish.ask()
    assert waited(lambda: not mounted.look() and not mounted.under_way)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "the bundle cannot be loaded: MemoryError: all gone; version 1 serves on" in told[0]


def test_the_old_bundle_leaves_the_memory(mounted, wish, tmp_path) -> None:
    """Once the new one serves and what was under way has ended, nothing holds the old model or its pages."""
    app = Wire(mounted.served)
    mounted.served.pages.load()
    gc.freeze()
    old = [weakref.ref(thing) for thing in (mounted.served.bundle.model, mounted.served.pages, mounted.served.counts)]
    mounted._folder.unlink()
    mounted._folder.symlink_to(tmp_path / "2")
    wish.ask()
    assert waited(lambda: mounted.look() or mounted.served.bundle.version == 2)
    app.take(mounted.served)
    forget()
    assert [None] * 3 == [held() for held in old]
    assert 2 == mounted.served.bundle.version
    gc.unfreeze()
