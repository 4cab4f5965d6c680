"""The card: the usual sections, filled from facts, and what the bounds do not prove."""

import pytest

from tests.validation.pages.evidence import HEX, KINDS, calibration, evidence, verdict, version
from validation.pages import card as cards
from validation.pages.card import card, release_of
from validation.pages.proven import base_rates

SECTIONS = [
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip


@pytest.fixture
def written(collected_of, config_of):
    """Write the card of a run."""

    def make(kind="binary", price=None, changed=(), **replaced) -> str:
        config = config_of(kind, **dict(changed))
        return card(release_of(version(), config), collected_of(kind, **replaced).verdicts, config, price)

    return make


def groups(*rows):
    """Evidence of fairness with rates of these groups: by, group, rows with the outcome, all rows, judged."""
    return {
        "groups": [
            {"by": by, "group": group, "rate": rate, "value": 0.5, "low": 0, "high": 1, "n": n, "judged": judged}
            for by, group, positives, every, judged in rows
            for rate, n in (("selection rate", every), ("true positive rate", positives))
        ]
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_has_the_usual_sections(written, kind) -> None:
    """Nine sections in their order, for each kind of target, and where the model comes from."""
    text = written(kind)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert f"Model digest `{HEX}`, run `run-1`" in text
    assert ("at least 0.5; rates are at this threshold" in text) == (kind == "binary")
    assert "Predicts rent, a number in CHF a month from 0 to 10000." in text or kind != "quantity"


def test_intended_use_is_what_people_wrote(written, tmp_path, monkeypatch) -> None:
    """The team's own text as it is; where there is none, the card says where it belongs."""
    assert "It must not be used to decide anything about a person" in written()
    monkeypatch.setattr(cards, "ROOT", tmp_path)
    assert (
        "Nobody has written it down: who may use this model for what belongs into `data/intended-use.md`" in written()
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data/intended-use.md").write_text("For **us** only.\n")
    assert "\nFor **us** only.\n" in written()


def test_the_price_of_the_mitigation_is_told(written) -> None:
    """Metrics and fairness with and without reweighing, or that nobody measured it."""
    text = written(price=calibration()["price"])
    assert "| roc_auc | 0.9276 | 0.9282 |" in text
    assert "| demographic_parity_difference by sex | 0.146 | 0.188 |" in text
    assert "The price was not measured under the bounds and data of now; `make calibrate` does." in written()


def test_a_model_without_mitigation_says_so(written, config) -> None:
    """No price where nothing was done."""
    from dataclasses import replace

    plain = replace(config.model, reweigh_by=None, reweigh_strength=0.0)
    assert "Nothing is done at training to bring groups closer together." in written(changed={"model": plain}.items())


def test_what_a_perfect_model_would_have_is_computed(written) -> None:
    """The difference of the groups' own shares of the outcome, from the rows of the verdict."""
    facts = groups(("sex", "Female", 107, 1000, True), ("sex", "Male", 311, 1000, True), ("sex", "X", 1, 3, False))
    text = written(fairness=verdict("fairness", "binary", evidence=facts))
    assert "Female 0.107, Male 0.311, so a model without any error has a demographic parity difference of 0.204" in text
    assert "groups too small to be judged: race: Other; sex: X;" in text
    assert {"sex": {"Female": 0.107, "Male": 0.311}} == base_rates(facts["groups"])


def test_without_positives_nothing_is_computed() -> None:
    """A quantity has no outcome to count, and one group no difference."""
    assert {} == base_rates(evidence("fairness", "quantity")["groups"])


def test_waived_lines_are_named(written) -> None:
    """Until when, who answers, why."""
    assert (
        "equalized_odds_difference by race: waived until 2027-01-31, A. Person answers for it: more rows" in written()
    )


def test_no_sensitive_column_means_that_nothing_is_known(written) -> None:
    """The card does not keep silent."""
    text = written(changed={"sensitive": ()}.items())
    assert "nothing is known of groups" in text
    assert "Whether it treats groups alike is unknown" in text


def test_texts_of_the_data_stay_text(written) -> None:
    """A group's name or a waiver's reason is no mark-up."""
    wild = groups(("sex", "<img src=x> @team", 1, 3, False))
    text = written(fairness=verdict("fairness", "binary", evidence=wild))
    assert "<img" not in text
    assert "@team" not in text
