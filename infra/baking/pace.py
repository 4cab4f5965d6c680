"""When a replay that has not told yet should end: nobody answers, too little comes, or the time is over."""

from collections.abc import Callable

from infra.baking.heard import Replayed, least
from infra.baking.users import Users
from validation.contract import Deploy

PATIENCE = 120.0  # seconds: four times the longest pause for a 429, and stable is found slow by then (HELD_UP)


class Pace:
    """How quickly replayed rows are answered, from the first one on, and anew when a side is left aside."""

    def __init__(self, deploy: Deploy, clock: Callable[[], float]) -> None:
        self._deploy, self._clock = deploy, clock
        self.began = self._heard = self._since = clock()
        self._rows = self._base = 0.0
        self._aside = ""

    def take(self, seen: Replayed) -> None:
        """Note how far the replay has come."""
        now = self._clock()
        if seen.canary.asked > self._rows:
            self._heard, self._rows = now, seen.canary.asked
        if seen.aside != self._aside:
            self._since, self._base, self._aside = now, seen.canary.asked, seen.aside

    def over(self, seen: Replayed, users: Users | None) -> str:
        """Say why the replay ends here, for the end of a sentence; nothing while it may come to enough."""
        now, most = self._clock(), self._deploy.replay_seconds
        if seen.skipped and now - self._heard > PATIENCE:
            return f"for {PATIENCE:g} s all that came back was 429 (too often)"
        left = self.began + most - now
        if left <= 0:
            return f"more than {most:g} s are not replayed"
        coming = self._rows + (self._rows - self._base) * left / max(now - self._since, 1e-9)
        # half of the time that is left is for looks at users
        theirs = users.asked * (1 + left / 2 / max(users.seconds, 1e-9)) if users else 0.0
        if now - self._since > PATIENCE and max(coming, theirs) < least(self._deploy):
            return (
                f"answers come too slowly ({seen.taken}): some {coming:.0f} would in {most:g} s, and fewer than"
                f" {least(self._deploy):,} never tell"
            )
        return ""
