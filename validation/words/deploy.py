"""The word of config.py for how a deployment tries a new version out beside the old one (stdlib only)."""

from dataclasses import dataclass

from validation.words.columns import finite, require

MOST_TOLERATED = 0.5  # share; a larger one could hardly be exceeded
SLOWEST = 2.5  # seconds, the last bound that the service counts times by, see serve/seen/layout.py


@dataclass(frozen=True)
class Deploy:
    """How a new version is tried out on a share of the requests, and how much worse than the old one it may be.

    `false_alarms` is the chance, over all looks together, that a version within the bounds is undone, and the same that
    one beyond them is finished. `error_rate_worse_by`, `refused_worse_by` and `turned_away_worse_by` are shares of the
    requests. Longer than any number of seconds from `felt_seconds` on may take `slower_times` the old one's share of
    the requests, and `slower_by` more; where there is no old one, `slower_by` of them longer than `slow_seconds`.
    `predictions_shift` is the share of the predictions by which their shift may differ from the one that the test part
    shows.
    """

    canary_share: float
    bake_seconds: float
    false_alarms: float
    error_rate_worse_by: float
    slower_times: float
    slower_by: float
    predictions_shift: float
    replay_requests: int
    refused_worse_by: float = 0.02  # callers make mistakes, and not evenly
    turned_away_worse_by: float = 0.1  # who has no key may keep to one side, since connections do
    felt_seconds: float = 0.005  # nobody feels less; asked a tenth as often, a service is slower by some of it
    slow_seconds: float = 1.0
    look_seconds: float = 5.0  # between two looks; the test holds however often it is looked
    replay_per_second: float = 100.0  # replayed requests, a tenth of what one caller may ask
    replay_at_once: int = 4  # replayed requests under way
    replay_seconds: float = 900.0  # at most, half of it for looks at users alone; a deployment has 40 minutes in all
    production_asks: bool = True  # production is deployed to only where reviewers or a merged release approve

    def __post_init__(self) -> None:
        require(
            finite(self.canary_share) and 0 < self.canary_share <= 0.5,
            "DEPLOY: canary_share must be above 0 and at most 0.5 of the requests",
        )
        require(
            finite(self.look_seconds, self.bake_seconds) and 0 < self.look_seconds <= self.bake_seconds,
            "DEPLOY: look_seconds must be above 0 and at most bake_seconds; the bake looks once at least",
        )
        require(
            finite(self.false_alarms) and 0 < self.false_alarms <= 0.1,
            "DEPLOY: false_alarms must be above 0 and at most 0.1; a test that errs more often proves nothing",
        )
        for name in (
            "error_rate_worse_by",
            "refused_worse_by",
            "turned_away_worse_by",
            "slower_by",
            "predictions_shift",
        ):
            share = getattr(self, name)
            require(
                finite(share) and 0 < share <= MOST_TOLERATED,
                f"DEPLOY: {name} must be above 0 (nothing could ever be proven) and at most {MOST_TOLERATED:g}",
            )
        require(
            finite(self.slower_times) and 1 <= self.slower_times <= 10,
            "DEPLOY: slower_times must be from 1 (no slower than the old one) to 10",
        )
        for name in ("felt_seconds", "slow_seconds"):
            require(
                finite(getattr(self, name)) and 0 < getattr(self, name) <= SLOWEST,
                f"DEPLOY: {name} must be above 0 and at most {SLOWEST:g}, the slowest that the service counts apart",
            )
        whole = (self.replay_requests, self.replay_at_once)
        require(
            all(type(number) is int and number > 0 for number in whole),
            "DEPLOY: replay_requests and replay_at_once must be whole numbers above 0",
        )
        require(type(self.production_asks) is bool, "DEPLOY: production_asks is True or False")
        for name in ("replay_per_second", "replay_seconds"):
            value = getattr(self, name)
            require(finite(value) and value > 0, f"DEPLOY: {name} must be above 0")
