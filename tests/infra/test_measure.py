"""What is measured of an image, against its bounds; the starts themselves are in test_image.py."""

from dataclasses import replace

import pytest

from infra import labels, measure
from infra.measure import Measured
from tests import kept
from validation.script import OutsideError

PINNED = labels.pinned_base()
LAYERS = {"base": 55.0, "libraries": 131.0, "bytecode": 15.0, "service": 0.4, "bundle": 0.6}
GOOD = Measured(PINNED, LAYERS, (0.9, 0.6, 1.4))
BOUNDS = replace(kept.config().image, max_mb=220.0, max_own_mb=160.0, ready_seconds=1.0)

RED = {
    "the whole": (replace(GOOD, layers=LAYERS | {"base": 90.0}), "the image has 237.0 MB, and IMAGE allows 220"),
    "a layer": (replace(GOOD, layers=LAYERS | {"bundle": 150.0, "base": 1.0}), "most of them bundle, and IMAGE allows"),
    "a slow start": (replace(GOOD, starts=(1.2, 1.3, 1.4)), "its quickest start took 1.20 s, and IMAGE allows 1"),
    "a start that failed": (replace(GOOD, starts=(0.6, 0.6)), "it was ready after 2 of 3 starts"),
    "no start at all": (replace(GOOD, starts=()), "it was ready after 0 of 3 starts"),
    "no number": (replace(GOOD, layers=LAYERS | {"libraries": float("nan")}), "nan MB are laid on the base"),
}


def test_an_image_within_its_bounds_passes():
    """The quickest start counts: the machine is shared."""
    assert [] == measure.faults(GOOD, BOUNDS)
    assert "Image a:1 on gcr.io/" in measure.table("a:1", GOOD, BOUNDS, [])


@pytest.mark.parametrize("name", RED)
def test_each_bound_turns_red(name):
    """One sentence that names the number and the bound."""
    measured, sentence = RED[name]
    assert any(sentence in fault for fault in measure.faults(measured, BOUNDS))
    assert "| ready, the quickest of 3 starts |" in measure.table("a:1", measured, BOUNDS, [])


def test_on_another_base_only_what_is_laid_on_it_is_bounded():
    """A stand-in may weigh more than the pinned base, and the table says that it is not judged."""
    other = replace(GOOD, base="python:3.11-slim", layers=LAYERS | {"base": 184.0})
    assert [] == measure.faults(other, BOUNDS)
    assert "not bounded: another base than the pinned one" in measure.table("a:1", other, BOUNDS, [])
    assert measure.faults(replace(other, layers=LAYERS | {"libraries": 150.0}), BOUNDS)


def test_the_pinned_base_is_the_one_of_the_dockerfile():
    """By digest."""
    assert PINNED.startswith("gcr.io/distroless/python3-debian12:nonroot@sha256:")


def test_without_an_engine_nothing_is_measured_and_that_is_no_pass(monkeypatch, capsys):
    """Exit 2, one sentence."""
    monkeypatch.setenv("ENGINE", "none")
    assert 2 == measure.main(["--image", "a:1"])
    assert "no container engine answers" in capsys.readouterr().err


CLASSIC = dict.fromkeys(measure.OURS, "/bin/sh -c #(nop) COPY dir:0a1b2c in / ")
BUILDKIT = {name: f"COPY /layers/{name} / # buildkit" for name in measure.OURS}


def history(laid, between=0):
    """The rows of an image of ours, the oldest first; some engines give a WORKDIR a size."""
    sizes = dict(zip(measure.OURS, (131, 15, 1, 2), strict=True))
    rows = [("/bin/sh -c #(nop) ADD file:1 in / ", 50), ("RUN apt-get", 4)]
    rows += [(laid[name], sizes[name]) for name in measure.OURS[:-1] if name in laid]
    rows += [("WORKDIR /service", between), ("LABEL a=b", 0)]
    rows += [(laid["bundle"], sizes["bundle"])] if "bundle" in laid else []
    return [{"CreatedBy": said, "Size": size * 10**6} for said, size in rows]


@pytest.mark.parametrize("laid", [CLASSIC, BUILDKIT])
@pytest.mark.parametrize("between", [0, 1])
def test_a_layer_is_known_by_what_laid_it(laid, between):
    """Not by its size: where a folder that is made weighs something, the libraries are still the libraries."""
    found = measure.by_layer(history(laid, between))
    assert {"base": 54, "libraries": 131, "bytecode": 15, "service": 1 + between, "bundle": 2} == found


@pytest.mark.parametrize("laid", [CLASSIC, BUILDKIT])
@pytest.mark.parametrize("name", measure.OURS)
def test_an_image_that_lacks_a_layer_is_not_weighed(laid, name):
    """Nor one whose layers come in another order."""
    assert measure.by_layer(history({one: said for one, said in laid.items() if one != name})) is None
    turned = dict(zip(BUILDKIT, reversed(BUILDKIT.values()), strict=True))
    assert measure.by_layer(history(turned)) is None


@pytest.mark.parametrize("broken", ["start", "url"])
def test_a_start_that_fails_leaves_nothing_behind(monkeypatch, broken):
    """Network, container and volume go, however far it came."""
    cleared = []

    def fail(*_):
        raise OutsideError("it fails")

    monkeypatch.setattr(measure.network, "network", lambda *_, **__: None)
    monkeypatch.setattr(measure.contained, "start", lambda *_: None)
    monkeypatch.setattr(measure.contained, broken, fail)
    monkeypatch.setattr(measure, "_clear", lambda _, name: cleared.append(name))
    with pytest.raises(OutsideError):
        measure.start(None, "a:1", 0)
    assert ["gatehouse-measured-0-"] == [name[:21] for name in cleared]
