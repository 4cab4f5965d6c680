"""Which versions must keep their files, whatever is compacted."""

from collections.abc import Sequence

from train.travel import history, ledger
from train.travel.effects import aliases_of
from train.travel.history import LIVE, facts_of, unit_of
from train.travel.ledger import COMPACTION, PROMOTION, ROLLBACK, Line
from train.view import View

BACK = 2  # units that an environment can be rolled back to, beside the one that is live
LATEST = 5  # newest versions, whatever became of them: they may be under judgement


def needed(view: View, lines: Sequence[Line]) -> set[int]:
    """Name the versions whose files stay: what aliases name, anchors and champions, held units, two units back."""
    kept = set(view.aliases.values())
    kept |= set(sorted(view.versions)[-LATEST:])
    kept |= {line.facts["version"] for line in lines if line.event == PROMOTION and line.facts["begins"]}
    promoted = [line.facts["version"] for line in lines if line.event == PROMOTION]
    kept |= set(promoted[-BACK - 1 :])
    for environment in history.environments(lines):
        kept |= _ways_back(lines, environment)
        kept |= {line.facts["left"]["version"] for line in history.held(lines, environment).values()}
        kept |= {line.facts["unit"]["version"] for line in history.left_open(lines, environment)}
    return kept


def _ways_back(lines: Sequence[Line], environment: str) -> set[int]:
    """Name the version that is live, or was, and those that rollbacks in a row would put back."""
    now = history.top(lines, environment)
    found: set[int] = {now.facts["unit"]["version"]} if now else set()
    for _ in range(BACK):
        back = history.before(lines, environment)
        if now is None or back is None:
            break
        found.add(back.facts["unit"]["version"])
        facts = facts_of(environment, LIVE, unit_of(back.facts), to=back.id, left=unit_of(now.facts))
        lines = ledger.follow(lines, [ledger.new(ROLLBACK, facts, commit="none: it never happened")])
        now = lines[-1]
    return found


def lost(view: View, before: Sequence[Line], lines: Sequence[Line]) -> set[int]:
    """Name the versions that are needed by the end of a ledger and were compacted, unless it was so `before`."""
    gone, gone_before = ({one for line in part if line.event == COMPACTION for one in line.facts["removed"]}
                         for part in (lines, before))  # fmt: skip
    missed = gone_before & needed(View(view.versions, aliases_of(before)), before)
    return gone & needed(view, lines) - missed
