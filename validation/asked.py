"""What config.py asks of each gate: a verdict that lacks one of these lines proves nothing (stdlib only)."""

from collections import Counter

from validation.contract import Config
from validation.gate import Measure, Verdict
from validation.words.bounds import Bound
from validation.words.expectations import bound_of, name_of
from validation.words.settings import in_force

NOTHING_FLIPS = Bound(at_most=0)
BATCH = 1000  # rows
SIZE, ROW, BATCHES = "bytes of the model", "time to score one row", f"time a row in batches of {BATCH}"


def asked(gate: str, config: Config) -> list[tuple[str, Bound]]:
    """List measure and bound of each line that a gate's verdict has to hold."""
    match gate:
        case "dataset":
            return [(name_of(rule)[0], bound_of(rule)) for rule in config.dataset]
        case "performance":
            return [(rule.measure, rule.bound) for rule in config.performance]
        case "fairness":
            return [(rule.measure, rule.bound) for rule in config.fairness]
        case "behaviour":
            return [(rule.measure, rule.bound) for rule in config.behaviour]
        case "parity":
            flips = [("flipped labels", NOTHING_FLIPS)] if config.target.labels else []
            slower = Bound(at_most=config.cost.slower_at_most)
            costs = [(SIZE, Bound(at_most=config.cost.max_bytes)), (ROW, slower), (BATCHES, slower)]
            return [("largest difference", Bound(at_most=config.parity)), *flips, *costs]
    return []


def unanswered(verdict: Verdict, config: Config) -> list[str]:
    """Say in a sentence each what config.py asks and the verdict does not judge."""
    judged = Counter((line.measure, line.bound) for line in verdict.measures if _answers(line, config))
    wanted: Counter[tuple[str, Bound | None]] = Counter(asked(verdict.gate, config))
    return [
        f"{verdict.gate}: {measure}, bound: {bound}: the verdict does not judge it; run `make {verdict.gate}` again"
        for measure, bound in (wanted - judged)
    ]


def _answers(line: Measure, config: Config) -> bool:
    """Tell whether a line judges: without a value only where a loss has no opponent, or a waiver of now stands."""
    if line.verdict in ("first", "same"):
        return line.measure in (ROW, BATCHES) or bool(line.bound and line.bound.lost)
    if line.verdict == "waived":
        in_hand = {(waiver.metric, waiver.by) for waiver in config.waivers if in_force(waiver)}
        return any(gate.measure == line.measure for gate in config.fairness if (gate.metric, gate.by) in in_hand)
    return line.verdict in ("pass", "fail")
