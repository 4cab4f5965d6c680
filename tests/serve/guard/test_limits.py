"""Rate limits: by a clock set by hand, in memory that does not grow."""

import os

from hypothesis import given, settings
from hypothesis import strategies as some

from serve.guard.limits import WAYS, Buckets, who


def test_a_burst_passes_and_then_the_rate(clock) -> None:
    """Three at once, then ten a second; who is refused is told when to come again."""
    buckets = Buckets(10, 3, clock)
    assert [0.0, 0.0, 0.0, 0.1] == [round(buckets.take("a"), 6) for _ in range(4)]
    clock.now += 0.1001
    assert [True, False] == [buckets.take("a") == 0, buckets.take("a") == 0]


def test_one_caller_does_not_spend_the_others_share(clock) -> None:
    """Each has a bucket."""
    buckets = Buckets(10, 1, clock)
    assert 0 == buckets.take("a") < buckets.take("a")
    assert 0 == buckets.take("b")


def test_to_be_refused_costs_nothing(clock) -> None:
    """Whoever asks on in vain is let in as soon as one who waits."""
    buckets = Buckets(10, 1, clock)
    for _ in range(1000):
        buckets.take("a")
    clock.now += 0.1001
    assert 0 == buckets.take("a")


def test_many_callers_take_bounded_memory(clock) -> None:
    """Those unseen for longest are forgotten, not those who ask."""
    buckets = Buckets(0.001, 1, clock, sets=10)
    for number in range(100_000):
        clock.now += 1e-6
        buckets.take("steady")
        buckets.take(f"caller {number}")
    assert 10 * WAYS == len(buckets)
    assert buckets.take("steady") > 0


def test_callers_that_share_a_set_have_buckets_of_their_own(clock) -> None:
    """As many as there are places."""
    buckets = Buckets(0.001, 2, clock, sets=1)
    names = [f"caller {number}" for number in range(WAYS)]
    assert [0.0] * 2 * WAYS == [buckets.take(name) for name in names * 2]
    assert all(buckets.take(name) > 0 for name in names)


def test_forked_workers_share_a_callers_bucket(clock) -> None:
    """What one lets through is gone for the others."""
    buckets = Buckets(0.001, 9, clock)
    for _ in range(3):
        worker = os.fork()
        if not worker:
            os._exit(sum(buckets.take("a") == 0 for _ in range(2)))
        assert 2 == os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    assert [True, True, True, False] == [buckets.take("a") == 0 for _ in range(4)]


@settings(deadline=None)
@given(some.lists(some.floats(0, 2), max_size=60), some.integers(1, 20), some.floats(0.5, 100))
def test_nobody_gets_more_than_burst_and_rate(pauses, burst, rate) -> None:
    """However the requests are spread."""
    now = [0.0]
    buckets = Buckets(rate, burst, lambda: now[0])
    passed = 0
    for pause in pauses:
        now[0] += pause
        passed += buckets.take("a") == 0
    assert passed <= burst + rate * now[0] + 1e-6


def test_a_caller_without_a_credential_is_an_address() -> None:
    """Of IPv6 the network: its holder has more addresses than we could count."""
    assert "10.0.0.1" == who("10.0.0.1")
    assert who("2001:db8::1") == who("2001:db8::2:3") != who("2001:db8:1::1")
    assert "10.0.0.1" == who("::ffff:10.0.0.1")
    assert who("fe80::1%eth0") == who("fe80::2")
    assert "a:b" == who("a:b")
