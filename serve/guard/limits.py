"""How often a caller may ask: a token bucket each, in bounded memory that workers share once they are forked."""

import ipaddress
import mmap
from collections.abc import Callable

SETS = 2_048  # a caller has a place in one of them, by the hash of its name, which forked processes have in common
WAYS = 8  # places in each: 16,384 callers in 400 kB; of a full set the one unseen for longest is forgotten


class Buckets:
    """Token buckets by the caller's name: `rate` requests a second, `burst` at once, whichever worker is asked.

    Workers do not wait for each other, since one that is killed would hold up the rest: of requests that they take in
    the same microsecond one may go uncounted.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float], sets: int = SETS) -> None:
        self._rate, self._burst, self._clock, self._sets = rate, float(burst), clock, sets
        places = sets * WAYS
        memory = memoryview(mmap.mmap(-1, 3 * 8 * places))
        self._whose = memory[: 8 * places].cast("q")
        self._left = memory[8 * places : 16 * places].cast("d")
        self._seen = memory[16 * places :].cast("d")

    def follow(self, rate: float, burst: int) -> None:
        """Go by other limits from now on; what callers have left stays theirs."""
        self._rate, self._burst = rate, float(burst)

    def __len__(self) -> int:
        return sum(mark != 0 for mark in self._whose)

    def take(self, name: str) -> float:
        """Take a request out of the caller's bucket; return 0, or the seconds until there is one."""
        now = self._clock()
        place, known = self._place(name)
        left = self._burst
        if known:
            left = min(left, self._left[place] + (now - self._seen[place]) * self._rate)
        self._seen[place] = now
        self._left[place] = left if left < 1 else left - 1
        return (1 - left) / self._rate if left < 1 else 0.0

    def _place(self, name: str) -> tuple[int, bool]:
        """Find a caller's place; one that was not there has another's from now on."""
        mark = hash(name) | 1  # 0 is nobody's
        first = (mark >> 1) % self._sets * WAYS
        if self._whose[first] == mark:  # as long as callers are few
            return first, True
        whose = self._whose[first : first + WAYS].tolist()
        if mark in whose:
            return first + whose.index(mark), True
        place = min(range(first, first + WAYS), key=self._seen.__getitem__)
        self._whose[place] = mark
        return place, False


def who(address: str) -> str:
    """Name a caller without a credential: the IPv4 address, or the network that one holder of IPv6 has, a /64."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped or (int(found) >> 64))
