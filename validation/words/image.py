"""The word of config.py for what the service's image may weigh, and how long it may take to start (stdlib only)."""

from dataclasses import dataclass

from validation.words.columns import finite, require


@dataclass(frozen=True)
class Image:
    """What the service's image may weigh unpacked (MB, 10^6 bytes), and how many seconds a cold start may take.

    `max_own_mb` bounds what is laid on the base alone.
    """

    max_mb: float
    max_own_mb: float
    ready_seconds: float

    def __post_init__(self) -> None:
        bounds = (self.max_mb, self.max_own_mb, self.ready_seconds)
        require(all(finite(bound) and bound > 0 for bound in bounds), "Image: every bound must be a number above 0")
        require(self.max_own_mb < self.max_mb, "Image: max_own_mb must be below max_mb, which counts the base too")
