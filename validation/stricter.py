"""A proposal is judged by the stricter of its own bounds and those of the commit it would be merged into.

Nobody lowers a bar in the same change that has to clear it. What differs is told first in the report: a bound that was
loosened, dropped or waived is judged as it was, one that was tightened as it is now.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from validation.script import Refusal
from validation.words.bounds import Gate
from validation.words.expectations import name_of

if TYPE_CHECKING:
    from validation.contract import Config

# Of each bound the smaller, or the larger number asks for more
SMALLER = {
    *("at_most", "lose_at_most", "tolerate", "slack", "loss_at_most", "min_rows"),
    *("max_bytes", "slower_at_most", "min_positives", "min_negatives"),
    *("max_mb", "max_own_mb", "ready_seconds"),
    *(
        "canary_share",
        "false_alarms",
        "error_rate_worse_by",
        "refused_worse_by",
        "turned_away_worse_by",
        "slower_times",
        "slower_by",
    ),
    *("felt_seconds", "slow_seconds", "predictions_shift"),
}
LARGER = {"at_least"}
WORDS = {"why", "must_judge"}

Rule = TypeVar("Rule")


def stricter(head: "Config", base: "Config") -> "Config":
    """Return head's config.py under the stricter bounds of both; `changed` says in a sentence each what differs."""
    told: list[str] = []
    merged = head
    names: dict[str, Callable[[Any], str]] = {
        "dataset": lambda rule: " ".join(name_of(rule)).strip(),
        "performance": _name_of_gate,
        "fairness": _name_of_gate,
        "behaviour": lambda rule: str(rule.measure),
    }
    for field, name in names.items():
        rules, dropped = _matched(field.upper(), getattr(head, field), getattr(base, field), name, told)
        paired: dict[str, Any] = {field: tuple(rules)}
        merged = dataclasses.replace(merged, **paired)
        for rule in dropped:
            merged = _kept(merged, field, rule, name(rule), told)
    must = {
        column: tuple(dict.fromkeys([*head.groups.must_judge.get(column, ()), *base.groups.must_judge.get(column, ())]))
        for column in {**head.groups.must_judge, **base.groups.must_judge}
    }
    gone = [
        f"{column} = {value}"
        for column, values in base.groups.must_judge.items()
        for value in values
        if value not in head.groups.must_judge.get(column, ())
    ]
    if gone:
        told.append(f"GROUPS.must_judge no longer names {', '.join(gone)}; it is judged all the same")
    if head.model.runtime != base.model.runtime:
        told.append(f"MODEL: runtime became {head.model.runtime}, it was {base.model.runtime}; its pace is its own")
    groups = dataclasses.replace(_merged("GROUPS", head.groups, base.groups, told), must_judge=must)
    return dataclasses.replace(
        merged,
        groups=groups,
        cost=_merged("COST", head.cost, base.cost, told),
        image=_merged("IMAGE", head.image, base.image, told),
        deploy=_merged("DEPLOY", head.deploy, base.deploy, told),
        parity=_smaller("PARITY", head.parity, base.parity, told),
        looks=_smaller("LOOKS", head.looks, base.looks, told),
        waivers=_waivers(head, base, told),
        show_values=head.show_values and base.show_values,
        changed=tuple(told),
    )


def _name_of_gate(gate: Gate) -> str:
    kind = "at least" if gate.at_least is not None else "at most" if gate.at_most is not None else "lose at most"
    return f"{gate.measure}, {kind}"


def _matched(
    where: str, head: Sequence[Rule], base: Sequence[Rule], name: Callable[[Rule], str], told: list[str]
) -> tuple[list[Rule], list[Rule]]:
    """Pair rules by name; return head's under the stricter numbers, and base's that head no longer has."""
    before = {name(rule): rule for rule in base}
    now = {name(rule) for rule in head}
    told += [f"{where}: {name(rule)} is new" for rule in head if name(rule) not in before]
    rules = [
        _merged(f"{where}: {name(rule)}", rule, before[name(rule)], told) if name(rule) in before else rule
        for rule in head
    ]
    return rules, [rule for rule in base if name(rule) not in now]


def _merged(where: str, head: Rule, base: Rule, told: list[str]) -> Rule:
    """Take the stricter number of each field; in anything else that differs, what was there before."""
    if type(head) is not type(base):
        told.append(f"{where} is now a {type(head).__name__}; judged as it was")
        return base
    kept: dict[str, Any] = {}
    for field in dataclasses.fields(head):  # type: ignore[arg-type]  # every rule is a dataclass
        new, old = getattr(head, field.name), getattr(base, field.name)
        if new == old or field.name in WORDS:
            continue
        word = field.name.replace("_", " ")
        kept[field.name] = old
        if field.name in SMALLER | LARGER:
            kept[field.name] = min(new, old) if field.name in SMALLER else max(new, old)
        end = "tightened" if kept[field.name] == new else f"judged by {_text(old)}"
        told.append(f"{where}: {word} became {_text(new)}, it was {_text(old)}; {end}")
    return dataclasses.replace(head, **kept)  # type: ignore[type-var]


def _kept(merged: "Config", field: str, rule: Any, name: str, told: list[str]) -> "Config":
    """Judge a rule that head dropped all the same, where its columns still are what they were."""
    try:
        more: dict[str, Any] = {field: (*getattr(merged, field), rule)}
        config = dataclasses.replace(merged, **more)
    except Refusal:
        told.append(f"{field.upper()}: {name} was dropped, and can no longer be judged on these columns")
        return merged
    told.append(f"{field.upper()}: {name} was dropped; it is judged all the same")
    return config


def _smaller(where: str, new: Any, old: Any, told: list[str]) -> Any:
    if new != old:
        end = "tightened" if new < old else f"judged by {_text(old)}"
        told.append(f"{where} became {_text(new)}, it was {_text(old)}; {end}")
    return min(new, old)


def _waivers(head: "Config", base: "Config", told: list[str]) -> tuple[Any, ...]:
    """Let only those waivers stand that stood before, and no longer than then."""
    before = {(waiver.metric, waiver.by): waiver for waiver in base.waivers}
    kept = []
    for waiver in head.waivers:
        name = f"WAIVERS: {waiver.metric} by {waiver.by if isinstance(waiver.by, str) else ' and '.join(waiver.by)}"
        old = before.get((waiver.metric, waiver.by))
        if old is None:
            told.append(f"{name} is new, for {waiver.owner} until {waiver.expires}; it stands once this is merged")
            continue
        if old.expires < waiver.expires:
            told.append(f"{name} was to end on {old.expires}, now on {waiver.expires}; it stands once this is merged")
        kept.append(dataclasses.replace(waiver, expires=min(waiver.expires, old.expires)))
    return tuple(kept)


def _text(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
