"""How often a caller may ask: a token bucket each, in bounded memory."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

CALLERS = 10_000  # remembered at once, a megabyte; the one unseen for longest is forgotten, its bucket being full


class Buckets:
    """Token buckets by the caller's name: `rate` requests a second, `burst` at once."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float], most: int = CALLERS) -> None:
        self._rate, self._burst, self._clock, self._most = rate, float(burst), clock, most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def follow(self, rate: float, burst: int) -> None:
        """Go by other limits from now on; what callers have left stays theirs."""
        self._rate, self._burst = rate, float(burst)

    def __len__(self) -> int:
        return len(self._left)

    def take(self, name: str) -> float:
        """Take a request out of the caller's bucket; return 0, or the seconds until there is one."""
        now = self._clock()
        found = self._left.get(name)
        if found is None:
            left = self._burst
            if len(self._left) >= self._most:
                self._left.popitem(last=False)
        else:
            left = min(self._burst, found[0] + (now - found[1]) * self._rate)
            self._left.move_to_end(name)
        if left < 1:
            self._left[name] = (left, now)
            return (1 - left) / self._rate
        self._left[name] = (left - 1, now)
        return 0.0


def who(address: str) -> str:
    """Name a caller without a credential: the IPv4 address, or the network that one holder of IPv6 has, a /64."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped or (int(found) >> 64))
