"""The bake: harm is undone, a good version finished early, and what nobody can tell is never finished."""

from dataclasses import replace

import httpx
import numpy as np
import pytest

from infra import bake
from infra.baking.counts import Counts
from infra.baking.sides import OvertakenError
from serve.seen.layout import SECONDS
from tests.bench.bake import KINDS_OF_DEPLOYMENT, Kind, Made, Service, run, side
from validation.script import OutsideError, Refusal

GOOD = Service()
NAMED = {kind.name: kind for kind in KINDS_OF_DEPLOYMENT}


@pytest.fixture
def deploy(config):
    return replace(config.deploy, look_seconds=10)


def outcomes(kind, deploy, runs):
    """Deploy again and again, each time with chances of its own; return how often each outcome came."""
    found = [run(kind, deploy, seed).outcome for seed in range(runs)]
    return {outcome: found.count(outcome) for outcome in ("undo", "finish", "not enough")}


def test_a_good_version_is_hardly_ever_undone(deploy) -> None:
    """Of 80 versions that are as the old one is, no more than chance makes of one in a hundred; all finish early."""
    found = outcomes(NAMED["A/A"], deploy, 80)
    assert found["undo"] <= 3  # more come by chance once in a hundred times
    assert found["finish"] >= 77


def test_one_that_is_worse_by_just_the_bound_is_hardly_ever_called_either(deploy) -> None:
    """There both errors are likeliest: no more than one in a hundred is undone, or finished."""
    kind = replace(NAMED["errors worse by exactly the bound, 0.5 %"], per_second=1000)
    found = outcomes(kind, replace(deploy, look_seconds=20), 25)
    assert (found["undo"] <= 2, found["finish"] <= 2) == (True, True)  # more come by chance once in a hundred times


@pytest.mark.parametrize(
    "name",
    [
        "errors +5 %",
        "errors +1 %, 1,000 requests a second",
        "refusals +5 %",
        "times x 1.5",
        "times x 2",
        "predictions shifted by 20 %, expected none",
        "errors +5 %, no traffic, replayed",
    ],
)
def test_harm_is_undone_before_the_time_is_over(deploy, name) -> None:
    """Each of five, and by the requests that it says."""
    for seed in range(5):
        verdict = run(NAMED[name], deploy, seed)
        assert ("undo", True) == (verdict.outcome, verdict.seconds < deploy.bake_seconds), verdict.markdown()
        assert ("replay" if "replayed" in name else "users") == verdict.source


@pytest.mark.parametrize("name", ["A/A, low traffic: 2 requests a second", "no traffic"])
def test_too_few_requests_are_never_enough(deploy, name) -> None:
    """The time is used up, and neither is said."""
    verdict = run(NAMED[name], deploy, 1)
    assert ("not enough", deploy.bake_seconds) == (verdict.outcome, verdict.seconds)
    assert "do not tell" in verdict.sentence


def test_a_slow_stable_holds_no_good_version_up(deploy) -> None:
    """One that takes 9 s for an answer is left aside; a bad canary is not finished for it, and nor is one as slow."""
    for name, outcome, note in (
        ("stable takes 9 s, no traffic, replayed", "finish", True),
        ("stable takes 9 s, errors +5 %, replayed", "not enough", True),
        ("both take 9 s, no traffic, replayed", "not enough", False),
    ):
        verdict = run(NAMED[name], deploy, 1)
        assert (outcome, note) == (verdict.outcome, any("asked no more" in one for one in verdict.notes)), name
        assert verdict.seconds < 300


@pytest.mark.parametrize("name", ["A/A, low traffic, replayed", "A/A, no traffic, replayed"])
def test_where_users_ask_too_little_it_is_replayed_soon(deploy, name) -> None:
    """It does not wait for users until the time is over."""
    verdict = run(NAMED[name], deploy, 1)
    assert ("finish", "replay") == (verdict.outcome, verdict.source)
    assert "replayed requests show no measure" in verdict.sentence


def test_many_requests_that_do_not_tell_are_not_excused_by_a_replay(deploy) -> None:
    """Users had enough trouble for a doubt; a replay without any does not end it."""
    edge = Kind("edge", replace(GOOD, failed=0.006), replayed=True)

    def never(seconds):
        raise AssertionError("nothing is to be replayed")

    world = World(deploy, edge, replay=never)
    assert ("not enough", "users") == (world.bake().outcome, world.verdict.source)


class World:
    """A bake of two made-up services on a made-up clock; `before` is called at each look, and may break something."""

    def __init__(self, deploy, kind=Kind("made"), before=lambda world: None, replay=None, stable=True):  # noqa: B008
        chance = np.random.default_rng(4)
        self.deploy, self.kind, self.before, self.replay = deploy, kind, before, replay
        self.canary, self.stable = ([Made(one, chance)] for one in (kind.canary, kind.stable))
        self.versions, self.with_stable = [2, 1], stable
        self.now, self.looks = 0.0, 0

    def metrics(self):
        """Return what both sides tell."""
        self.looks += 1
        self.before(self)
        canary, stable = self.versions
        return [one.text(stable) for one in self.stable], [one.text(canary) for one in self.canary]

    def sleep(self, seconds):
        """Let time pass."""
        self.now += seconds
        for one in self.canary:
            one.serve(int(self.kind.per_second * seconds * 0.1), seconds)
        for one in self.stable:
            one.serve(int(self.kind.per_second * seconds * 0.9), seconds)

    def bake(self):
        """Run it."""
        before = side(1, self.kind.stable) if self.with_stable else None
        self.verdict = bake.bake(
            self.metrics, side(2, self.kind.canary), before, self.deploy, self.replay, lambda: self.now, self.sleep
        )
        return self.verdict


def at(look, do):
    """Do something at one look."""
    return lambda world: do(world) if world.looks == look else None


def restart(world):
    world.canary = [Made(GOOD, np.random.default_rng(9))]
    world.canary[0]._cells.since += 5


BREAKS = {
    "another version": (at(3, lambda world: world.versions.__setitem__(0, 9)), "canary, replica 1 serves version 9"),
    "stable is another one": (
        at(3, lambda world: world.versions.__setitem__(1, 2)),
        "stable, replica 1 serves version 2",
    ),
    "a restart": (at(3, restart), "canary: a replica ended, or restarted"),
    "nobody there": (at(3, lambda world: world.canary.clear()), "canary has no replica"),
    "no stable any more": (at(3, lambda world: world.stable.clear()), "stable has no replica"),
}


@pytest.mark.parametrize(("before", "said"), BREAKS.values(), ids=BREAKS.keys())
def test_what_is_wrong_without_numbers_undoes_at_once(deploy, before, said) -> None:
    """The numbers were good until then; the same world without the break finishes."""
    world = World(deploy, before=before)
    assert ("undo", 20.0) == (world.bake().outcome, world.verdict.seconds)
    assert said in world.verdict.sentence
    assert "finish" == World(deploy).bake().outcome


def test_a_text_that_is_no_metrics_undoes(deploy) -> None:
    """Fail closed, with a sentence."""
    world = World(deploy)
    world.metrics = lambda: (["# nothing"], ["# nothing"])
    assert "undo" == world.bake().outcome
    assert "its /metrics cannot be read: it has no model_info" in world.verdict.sentence


def test_a_look_that_fails_is_tried_again_and_three_in_a_row_undo(deploy) -> None:
    """A network has hiccups; a canary that nobody sees is not good."""

    def fail(*looks):
        def before(world):
            if world.looks in looks:
                raise httpx.ConnectError("refused") if world.looks % 2 else OutsideError("no such pod")

        return before

    assert "finish" == World(deploy, before=fail(1, 2, 5, 6)).bake().outcome
    world = World(deploy, before=fail(5, 6, 7))
    assert "undo" == world.bake().outcome
    assert "could not be had 3 times in a row: refused" in world.verdict.sentence


def test_a_bake_whose_canary_another_deployment_took_away_is_no_verdict(deploy) -> None:
    """The outside failed, at the first look that finds it so: nobody can say whether the canary was good."""

    def overtaken(world):
        if world.looks == 2:
            raise OvertakenError("another deployment is under way")

    world = World(deploy, before=overtaken)
    with pytest.raises(OvertakenError, match="under way"):
        world.bake()
    assert 2 == world.looks


def test_a_restart_of_stable_is_told_and_no_reason_to_undo(deploy) -> None:
    """Its new counts count from when they are seen."""

    def renewed(world):
        world.stable = [Made(GOOD, np.random.default_rng(9))]
        world.stable[0]._cells.since += 5

    world = World(deploy, before=at(3, renewed))
    assert "finish" == world.bake().outcome
    assert ("stable: another replica came, and counts from now on", "stable: a replica ended, or restarted") == (
        world.verdict.notes
    )


def test_the_first_deployment_is_held_against_its_own_bundle(deploy) -> None:
    """Without stable nothing may be worse than the bounds themselves."""
    flawless = replace(GOOD, failed=0.0, refused=0.0)
    world = World(deploy, Kind("first", flawless), stable=False)
    assert "finish" == world.bake().outcome
    assert all(line.stable is None for line in world.verdict.lines)
    for harm in ({"failed": 0.02}, {"refused": 0.1}, {"seconds": 1.2}):
        assert "undo" == World(deploy, Kind("first", replace(flawless, **harm)), stable=False).bake().outcome


def test_what_an_older_bundle_does_not_tell_is_said(deploy) -> None:
    """Its training rows speak for it."""
    old = side(1, GOOD)
    old = replace(old, expected=replace(old.expected, labels=(), chosen=np.zeros(0), told="its training rows"))
    world = World(deploy)
    found = bake.bake(world.metrics, side(2, GOOD), old, deploy, None, lambda: world.now, world.sleep)
    assert ("finish", 1) == (found.outcome, len(found.notes))
    assert "stable: its bundle does not say how it predicts on the test part" in found.notes[0]


def replayed(**more):
    none = np.zeros(0)
    counts = Counts((*SECONDS,), (), (), 5000, 0, 0, 5000, np.zeros(len(SECONDS)), 0, none, none)
    return bake.Replayed(
        **({"canary": counts, "stable": counts, "compared": 5000, "unlike": 0, "said": "", "done": False} | more)
    )


def test_one_replayed_answer_that_is_not_the_bundles_own_undoes(deploy) -> None:
    """No share of these is tolerated, where the same without it finishes."""
    assert "finish" == bake.shadow(lambda _: replayed(), deploy, 0.01).outcome
    found = bake.shadow(lambda _: replayed(unlike=1, said="one of 5 gives 1 instead of 2"), deploy, 0.01)
    assert ("undo", "a replayed answer is not the bundle's own: one of 5 gives 1 instead of 2") == (
        found.outcome, found.sentence
    )  # fmt: skip


class Quiet(World):
    """A world in which users ask nothing until the replay begins, and this often from then on."""

    def __init__(self, deploy, kind, replay=lambda seconds: replayed(), **more):
        super().__init__(deploy, replace(kind, per_second=0), replay=self.replays, **more)
        self.later, self.then, self.replayed_at = kind.per_second, replay, []

    def replays(self, seconds):
        """Replay while users ask too, all of whose requests are counted among the replayed ones: they tell nothing."""
        self.kind = replace(self.kind, per_second=self.later)
        self.replayed_at.append(self.now)
        self.sleep(seconds)
        return self.then(seconds)


@pytest.mark.parametrize(
    ("of_canary", "of_stable", "outcome"), [(20, 20, "finish"), (10, 90, "finish"), (90, 20, "undo")]
)
def test_a_canary_that_knows_fewer_callers_is_undone(deploy, of_canary, of_stable, outcome) -> None:
    """A share of them is turned away by both; the canary gets a tenth of the requests."""

    def turn_away(world):
        for services, share, count in ((world.canary, of_canary, 10), (world.stable, of_stable, 90)):
            for _ in range(count * share // 10):
                services[0]._cells.turned_away("predict", 401)

    verdict = World(deploy, Kind("made", GOOD, per_second=100), turn_away).bake()
    assert (outcome, "users") == (verdict.outcome, verdict.source), verdict.markdown()
    assert ("turned away" in verdict.sentence) == (outcome == "undo")


def test_users_who_fail_while_it_is_replayed_undo(deploy) -> None:
    """Replayed rows are fine, and what is theirs is not: the same world without the fault finishes by its replay."""
    world = Quiet(deploy, Kind("bad", replace(GOOD, failed=1.0)))
    assert ("undo", "users") == (world.bake().outcome, world.verdict.source)
    assert world.verdict.sentence.startswith("failed requests: canary 1 of 200, stable 0")
    good = Quiet(deploy, Kind("good"))
    assert ("finish", "replay") == (good.bake().outcome, good.verdict.source)


def test_what_the_services_count_of_a_replay_is_not_of_users(deploy) -> None:
    """A canary that fails all that is replayed here fails no user: what comes meanwhile is left out."""

    def meanwhile(seconds):
        world.canary[0].serve(3000, seconds)
        return replayed()

    world = Quiet(deploy, Kind("good", per_second=20), replay=meanwhile)
    world.canary[0].service = replace(GOOD, failed=1.0)
    world.sleep = lambda seconds: setattr(world, "now", world.now + seconds)
    assert ("finish", "replay") == (world.bake().outcome, world.verdict.source)


def late(deploy, stable, canary, replay):
    """Make a world whose users were a few too few when the time was over, and ask often from then on."""

    def asked_more(seconds):
        world.kind = replace(world.kind, per_second=2000)
        return replay()

    world = World(replace(deploy, bake_seconds=60), Kind("late", canary, stable, per_second=300), replay=asked_more)
    return world


def test_where_users_become_enough_while_it_is_replayed_they_decide(deploy) -> None:
    """A replay that cannot tell does not keep out what they show to be good."""
    world = late(deploy, GOOD, GOOD, lambda: replayed(compared=0))
    assert ("finish", "users") == (world.bake().outcome, world.verdict.source), world.verdict.markdown()
    assert world.verdict.seconds > 60


def test_a_doubt_of_users_is_not_excused_by_a_replay_that_finishes(deploy) -> None:
    """Surely worse than stable, and not surely more than is tolerated: it ends as not enough, by users."""
    flawless, left = replace(GOOD, failed=0.0), iter([False] * 2 + [True] * 9)
    world = late(deploy, flawless, replace(GOOD, failed=0.004), lambda: replayed(done=next(left)))
    assert ("not enough", "users") == (world.bake().outcome, world.verdict.source), world.verdict.markdown()
    assert "failed requests may be worse by" in world.verdict.sentence
    good = late(deploy, flawless, flawless, replayed)
    assert "finish" == good.bake().outcome


def test_what_is_wrong_without_numbers_ends_a_replay_too(deploy) -> None:
    """The canary restarts after the replay began."""

    def restarts(seconds):
        restart(world)
        return replayed()

    world = World(deploy, Kind("quiet", per_second=0), replay=restarts)
    assert ("undo", "canary: a replica ended, or restarted") == (world.bake().outcome, world.verdict.sentence)


def few(asked=5, **more):
    counts = Counts((*SECONDS,), (), (), asked, 0, 0, asked, np.zeros(len(SECONDS)), 0, np.zeros(0), np.zeros(0))
    return replayed(**({"canary": counts, "compared": asked} | more))


def ticking(step):
    now = iter(range(0, 100_000, step))
    return lambda: next(now)


@pytest.mark.parametrize(
    ("skipped", "said"), [(1, "all that came back was 429"), (0, "answers come too slowly"), (0, "fewer than 1,218")]
)
def test_a_replay_that_hears_too_little_ends_soon(deploy, skipped, said) -> None:
    """Nothing but 429, or too slow a pace; the verdict has what was seen all the same."""
    clock = ticking(30)
    found = bake.shadow(lambda _: few(skipped=skipped), deploy, 0.01, clock=clock)
    assert ("not enough", True) == (found.outcome, said in found.sentence)
    assert found.sentence.startswith("5 replayed requests do not tell: failed requests may be worse by")
    assert clock() < 400


def test_a_replay_has_an_end_in_time(deploy) -> None:
    """One that came to enough requests, and still does not tell, goes on until then."""
    found = bake.shadow(lambda _: replayed(compared=0), deploy, 0.01, clock=ticking(30))
    assert "not enough" == found.outcome
    assert found.sentence.endswith("; more than 900 s are not replayed")
    assert found.seconds > 800


ASIDE = "stable was asked no more after 16 rows"


def test_without_a_slow_stable_a_good_canary_finishes_and_it_is_said(deploy) -> None:
    """The note goes with the verdict, whatever it is."""
    left = few(16).canary
    found = bake.shadow(lambda _: replayed(stable=left, aside=ASIDE), deploy, 0.01)
    assert ("finish", (ASIDE,)) == (found.outcome, found.notes)
    assert f"- {ASIDE}" in found.markdown()


def test_without_a_slow_stable_a_bad_canary_ends_soon_and_is_not_finished(deploy) -> None:
    """It cannot be called worse than what nobody asks, and not be excused by it; one answer in question goes on."""
    seen = few(16).canary
    bad = replace(replayed().canary, failed=250.0)
    found = bake.shadow(lambda _: replayed(canary=bad, stable=seen, aside=ASIDE), deploy, 0.01, clock=ticking(1))
    assert ("not enough", (ASIDE,)) == (found.outcome, found.notes)
    assert (
        "failed requests: the canary has surely more than stable, which is asked no more, can excuse" in found.sentence
    )
    assert found.seconds < 10
    asked = bake.shadow(lambda _: replayed(canary=bad, stable=replayed().stable), deploy, 0.01, clock=ticking(1))
    assert "undo" == asked.outcome
    edge = replace(replayed().canary, failed=20.0)
    found = bake.shadow(lambda _: replayed(canary=edge, stable=seen, aside=ASIDE), deploy, 0.01, clock=ticking(30))
    assert ("not enough", True) == (found.outcome, found.sentence.endswith("; more than 900 s are not replayed"))


@pytest.mark.parametrize(
    ("service", "per_second"), [(GOOD, 40), (replace(GOOD, refused=0.1), 60)], ids=["few fail", "a tenth is refused"]
)
def test_at_moderate_traffic_a_good_version_passes(deploy, service, per_second) -> None:
    """Where users show nothing worse and are only too few, a replay tells; nobody is kept out by a want of traffic."""
    kind = Kind("moderate", service, service, per_second, replayed=True)
    found = [run(kind, deploy, seed) for seed in range(6)]
    assert {"finish"} == {verdict.outcome for verdict in found}, [verdict.sentence for verdict in found]
    assert "replay" in {verdict.source for verdict in found}


@pytest.mark.parametrize("failed", [0.05, 0.3])
def test_at_moderate_traffic_a_bad_version_does_not(deploy, failed) -> None:
    """Whether or not its faults are met by what is replayed."""
    kind = Kind("moderate", replace(GOOD, failed=failed), per_second=40, replayed=True)
    assert {"undo"} == {run(kind, deploy, seed).outcome for seed in range(6)}


def test_a_replay_that_ends_too_early_is_not_enough(deploy) -> None:
    """Also one that compared no answer, whatever else is good."""
    assert "not enough" == bake.shadow(lambda _: few(done=True), deploy, 0.01).outcome
    found = bake.shadow(lambda _: replayed(compared=0, done=True), deploy, 0.01)
    assert ("not enough", "5000 replayed requests do not tell") == (found.outcome, found.sentence.split(":")[0])


def test_a_replay_that_is_set_up_wrongly_is_no_verdict(deploy) -> None:
    """Nobody is judged by a missing key."""

    def refuse(seconds):
        raise Refusal("SERVICE_KEY needs a key")

    with pytest.raises(Refusal, match="SERVICE_KEY"):
        World(deploy, Kind("quiet", per_second=0), replay=refuse).bake()
