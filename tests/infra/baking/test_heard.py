"""What comes back to a replay, and a stable that is left aside: one that alone holds it up, and no other."""

from dataclasses import replace

import pytest

from infra.baking.heard import HUNG, Heard, least, reason_to_leave


@pytest.fixture
def deploy(config):
    return replace(config.deploy, replay_seconds=900.0, replay_at_once=4)


def heard(times, hung=0):
    side = Heard("http://side", hung=hung)
    for seconds in times:
        side.take(200, seconds)
    return side


def test_answers_are_counted_once() -> None:
    """A failure, a refusal, one that never came; what is settled is not counted again, the times of all rows stay."""
    side = Heard("http://side")
    for status, seconds in ((200, 0.001), (500, 0.3), (422, 0.001), (None, 10.0)):
        side.take(status, seconds)
    counts = side.settle()
    assert (4, 2, 1, 4) == (counts.asked, counts.failed, counts.refused, counts.timed)
    assert 2 == counts.slow[counts.bounds.index(0.25)]
    assert 4 == side.settle().asked
    assert (4, 2.5755) == (side.rows, pytest.approx(side.taken, abs=1e-3))


LEFT = {
    "9 s for each": ([9.0] * 20, [0.01] * 20, 0, "it took 9.0 s for each, too long for 1,218 rows in 900 s"),
    "half of them hang": ([0.01, 9.9] * 19, [0.01] * 38, 0, "it took 5.0 s for each"),
    "hung after many good ones": ([0.01] * 9000, [0.01] * 9000, HUNG, "it answered none of the last 12 in time"),
}


@pytest.mark.parametrize(("of_stable", "of_canary", "hung", "said"), LEFT.values(), ids=LEFT.keys())
def test_a_stable_that_alone_holds_the_replay_up_is_left(deploy, of_stable, of_canary, hung, said) -> None:
    """And it is said why, and after how many rows."""
    why = reason_to_leave(heard(of_stable, hung), heard(of_canary), deploy)
    assert why.startswith(f"stable was asked no more after {len(of_stable)} rows, {said}")


ASKED = {
    "both are as slow": ([9.0] * 40, [9.0] * 40),
    "it is quick and the canary slow": ([0.01] * 40, [9.0] * 40),
    "too early to say": ([9.0] * 19, [0.01] * 19),
    "it woke up first": ([10.0] * 4 + [0.01] * 40, [0.01] * 44),
    "a stall after many good ones": ([0.01] * 5000 + [9.0] * 40, [0.01] * 5040),
    "slow, and quick enough": ([1.2] * 200, [0.01] * 200),
    "nothing came yet": ([], []),
}


@pytest.mark.parametrize(("of_stable", "of_canary"), ASKED.values(), ids=ASKED.keys())
def test_any_other_stable_is_asked_on(deploy, of_stable, of_canary) -> None:
    """Where it would not help, where enough come all the same, and where nothing is known yet."""
    assert "" == reason_to_leave(heard(of_stable), heard(of_canary), deploy)


def test_with_more_time_the_same_stable_is_waited_for(deploy) -> None:
    """What is too slow is a matter of `replay_seconds`, and of what is to be shown."""
    sides = heard([9.0] * 20), heard([0.01] * 20)
    assert reason_to_leave(*sides, deploy)
    assert "" == reason_to_leave(*sides, replace(deploy, replay_seconds=6000.0))
    lenient = replace(deploy, error_rate_worse_by=0.05)
    assert least(lenient) < least(deploy) / 9
    assert "" == reason_to_leave(*sides, lenient)
