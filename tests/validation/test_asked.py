"""What config.py asks of each gate: one line a bound, whatever the target."""

from validation.asked import BATCHES, ROW, SIZE, asked
from validation.words.bounds import Bound
from validation.words.columns import Quantity


def test_each_promise_of_the_table_is_asked(config) -> None:
    """One line a promise, with its bound."""
    lines = asked("dataset", config)
    assert len(config.dataset) == len(lines)
    assert ("rows", Bound(at_least=40_000, at_most=1_000_000)) == lines[0]
    assert ("missing share of workclass", Bound(at_most=0.08)) in lines
    assert ("values of education_num for a education", Bound(at_least=1, at_most=1)) in lines


def test_each_gate_and_rule_is_asked(config) -> None:
    """One line a gate of PERFORMANCE and FAIRNESS, one a rule of BEHAVIOUR."""
    assert ("roc_auc", Bound(at_least=0.915)) == asked("performance", config)[0]
    assert ("roc_auc lost to the champion", Bound(at_most=0.005, lost=True)) in asked("performance", config)
    assert ("demographic_parity_difference by sex", Bound(at_most=0.15)) == asked("fairness", config)[0]
    assert ("rows that sex moves", Bound(at_most=0)) in asked("behaviour", config)
    assert [len(config.performance), len(config.fairness), len(config.behaviour)] == [
        len(asked(gate, config)) for gate in ("performance", "fairness", "behaviour")
    ]


def test_parity_is_asked_with_its_cost(config) -> None:
    """Labels can flip only where there are labels."""
    slower = Bound(at_most=config.cost.slower_at_most)
    costs = [(SIZE, Bound(at_most=config.cost.max_bytes)), (ROW, slower), (BATCHES, slower)]
    difference, flips = ("largest difference", Bound(at_most=1e-5)), ("flipped labels", Bound(at_most=0))
    assert [difference, flips, *costs] == asked("parity", config)
    number = object.__new__(type(config))
    number.__dict__.update(vars(config) | {"target": Quantity("rent", low=0, high=1)})
    assert [difference, *costs] == asked("parity", number)


def test_a_row_rule_is_asked_by_its_own_verdict(config) -> None:
    """The schema's verdict has a line a broken rule, or one that none is broken."""
    assert [] == asked("schema", config)
