"""The report reads verdicts, and a missing one is red."""

import json
import re
import shutil

import pytest

from validation.pages.summary import read_summary

REPORT = ("validation.report", "--model-version", "1")
GATES = ("schema", "dataset", "performance", "fairness", "behaviour", "parity")


def test_the_report_says_the_verdict_first(chain) -> None:
    """Green: headline, six gates, and what is printed is what is written."""
    ran = chain.run(*REPORT)
    assert 0 == ran.code
    assert ran.out.startswith("## income, version 1: every gate passed")
    assert [line for line in ran.out.splitlines() if line.startswith("### ") and "pass" in line] == [
        f"### {gate.capitalize()}: pass" for gate in GATES
    ]
    assert (chain.root / "build/report/report.md").read_text() == ran.out.removesuffix("\n")


def test_the_report_is_a_page_a_summary_and_a_card(chain) -> None:
    """The page draws what the gates left, the summary can be read back, the card is the bundle's."""
    folder = chain.root / "build/report"
    page = (folder / "index.html").read_text()
    assert {"ROC curve", "What the model goes by", "Selection rate by sex"} <= set(re.findall("<h3>(.*?)</h3>", page))
    summary = read_summary(folder / "report.json")
    assert (1, True, "income") == (summary.version, summary.passed, summary.model)
    assert (folder / "card.md").read_bytes() == (chain.root / "build/model/card.md").read_bytes()
    assert "evidence" not in (chain.root / "build/model/verdicts.json").read_text()


def test_the_same_verdicts_give_the_same_report(chain_copy) -> None:
    """No time, no place."""
    files = ("index.html", "report.md", "report.json", "card.md")
    before = [(chain_copy.root / "build/report" / name).read_bytes() for name in files]
    assert 0 == chain_copy.run(*REPORT).code
    assert [(chain_copy.root / "build/report" / name).read_bytes() for name in files] == before


def test_evidence_that_cannot_be_read_is_a_refusal(chain_copy) -> None:
    """A gate that leaves something else than the report reads: exit 2, one sentence, nothing half-written."""
    chain_copy.forge("fairness", evidence={"groups": [{"by": "sex"}]})
    before = (chain_copy.root / "build/report/report.json").read_bytes()
    ran = chain_copy.run(*REPORT)
    assert (2, "") == (ran.code, ran.out)
    assert "build/verdicts/fairness.json is not of the form" in ran.err
    assert (chain_copy.root / "build/report/report.json").read_bytes() == before


@pytest.mark.parametrize("gate", GATES)
def test_a_missing_verdict_is_red(chain_copy, gate) -> None:
    """Without one gate's verdict nothing is green."""
    (chain_copy.root / f"build/verdicts/{gate}.json").unlink()
    ran = chain_copy.run(*REPORT)
    assert ran.code == 1
    assert f"{gate}: {gate}.json: the verdict is missing" in ran.err
    assert "NOT to be promoted" in ran.out


def test_a_verdict_on_another_model_is_red(chain_copy) -> None:
    """A verdict made for other bytes does not count."""
    chain_copy.forge("fairness", model_digest="0" * 64)
    ran = chain_copy.run(*REPORT)
    assert (1, True) == (ran.code, "about another model" in ran.err)


def test_a_verdict_on_another_version_is_red(chain_copy) -> None:
    """A verdict on version 2 says nothing of version 1."""
    chain_copy.forge("fairness", model_version=2)
    assert chain_copy.run(*REPORT).code == 1


def test_a_verdict_on_other_data_is_red(chain_copy) -> None:
    """A verdict on other data does not count."""
    chain_copy.forge("schema", data_digest="0" * 64)
    ran = chain_copy.run(*REPORT)
    assert (1, True) == (ran.code, "other data" in ran.err)


def test_an_edited_verdict_is_red(chain_copy) -> None:
    """A verdict that is not as its gate wrote it counts for nothing."""
    path = chain_copy.root / "build/verdicts/parity.json"
    path.write_text(path.read_text().replace('"passed": true', '"passed": false'))
    ran = chain_copy.run(*REPORT)
    assert (1, True) == (ran.code, "parity.json is not as its gate wrote it" in ran.err)


def test_a_verdict_that_lacks_a_line_is_red(chain_copy) -> None:
    """Each bound of config.py has to be judged: a verdict without it, or that only shows it, proves nothing."""
    content = json.loads((chain_copy.root / "build/verdicts/fairness.json").read_text())
    chain_copy.forge("fairness", measures=content["measures"][1:])
    content["measures"][0]["verdict"] = "shown"
    ran = chain_copy.run(*REPORT)
    assert (1, True) == (ran.code, "the verdict does not judge it" in ran.err)
    chain_copy.forge("fairness", measures=content["measures"])
    assert "demographic_parity_difference by sex, bound: at most 0.15" in chain_copy.run(*REPORT).err


def test_no_verdict_at_all_is_red(chain_copy) -> None:
    """An empty folder of verdicts is six missing ones."""
    shutil.rmtree(chain_copy.root / "build/verdicts")
    ran = chain_copy.run(*REPORT)
    assert (1, 6) == (ran.code, ran.err.count("the verdict is missing"))


def test_a_verdict_under_other_bounds_is_red(chain_copy) -> None:
    """A bound that was tightened after the gate ran is not yet judged: report, export and promotion refuse."""
    chain_copy.change("config.py", "at_most=0.15, why", "at_most=0.01, why")
    export = ["serve.export", "--model-version", "1", "--to", "build/again"]
    ran = chain_copy.run_all([*REPORT], export, ["train.promote", "--model-version", "1"])
    assert [1, 1, 1] == [one.code for one in ran]
    assert all("fairness: the verdict was made under other bounds" in one.err for one in ran)


def test_a_verdict_by_other_code_is_red(chain_copy) -> None:
    """A gate whose code changed has to run again."""
    chain_copy.change("validation/measures/groups.py", "AND = ", "UND = 1\nAND = ")
    ran = chain_copy.run(*REPORT)
    assert (1, 1) == (ran.code, ran.err.count("other bounds, columns or code"))
