"""What a bake ends with: one word, one sentence, and the numbers, for people and for the ledger."""

import json

from infra.baking.compared import Line
from infra.baking.verdict import conclude

GOOD = Line("failed requests", 0.001, 0.001, 0.0, -0.001, 0.002, 0.005, 5000, 45_000, "no worse")
BAD = Line("longer than 0.1 s", 0.2, 0.01, 0.18, 0.15, 0.21, 0.01, 5000, 45_000, "worse")
WORST = Line("label <yes> | no", 0.9, None, 0.8, 0.7, 0.85, 0.1, 5000, 0, "worse")
UNCLEAR = Line("refused requests", 0.02, 0.001, 0.019, -0.01, 0.03, 0.02, 40, 300, "not enough")


def ended(*lines, wrong="", notes=()):
    return conclude(lines, wrong, "40 requests of users", "users", 12.34, 3, notes)


def test_one_worse_measure_undoes_whatever_the_others_say() -> None:
    """The worst comes first in the sentence, with its numbers."""
    found = ended(GOOD, BAD, UNCLEAR, WORST)
    assert "undo" == found.outcome
    assert found.sentence.startswith("label <yes> | no: canary 0.9 of 5000, so surely worse by 0.7; 0.1 is tolerated;")
    assert "longer than 0.1 s: canary 0.2 of 5000, stable 0.01 of 45000" in found.sentence


def test_all_measures_have_to_be_no_worse() -> None:
    """One that is unclear keeps the others waiting, and is named; so is having seen nothing."""
    good, unclear = ended(GOOD), ended(GOOD, UNCLEAR)
    assert ("finish", "40 requests of users show no measure to be worse than tolerated") == (
        good.outcome,
        good.sentence,
    )
    said = "40 requests of users do not tell: refused requests may be worse by 0.03, and 0.02 is tolerated"
    assert ("not enough", said) == (unclear.outcome, unclear.sentence)
    assert ("not enough", "40 requests of users do not tell") == (ended().outcome, ended().sentence)


def test_what_needs_no_numbers_undoes() -> None:
    """Good numbers do not excuse it."""
    found = ended(GOOD, wrong="the canary is another one")
    assert ("undo", "the canary is another one") == (found.outcome, found.sentence)


def test_people_see_a_table_that_no_label_can_break() -> None:
    """Each line with its interval and bound; what happened meanwhile below it."""
    shown = ended(GOOD, WORST, notes=("stable: a replica ended, or restarted",)).markdown().splitlines()
    assert "### Bake: undo" == shown[0]
    assert shown[2].startswith("By the requests of users, 12 s: ")
    assert "| failed requests | 0.001 | 0.001 | 0 | -0.001 to 0.002 | 0.005 | 5000 and 45000 | no worse |" in shown
    assert "| label &#60;yes> &#124; no | 0.9 |  | 0.8 | 0.7 to 0.85 | 0.1 | 5000 | worse |" in shown
    assert "- stable: a replica ended, or restarted" == shown[-1]
    assert "### Bake: not enough" in ended().markdown()


def test_the_ledger_gets_the_numbers() -> None:
    """As JSON, without the time that two runs would not share to the last digit."""
    facts = json.loads(json.dumps(ended(GOOD).facts(), allow_nan=False))
    assert {"outcome", "sentence", "source", "looks", "seconds", "lines"} == set(facts)
    assert (12.3, 0.002) == (facts["seconds"], facts["lines"][0]["high"])
