"""Promotion: only what every gate passed, against the champion of now."""

import shutil

GATES = ("performance", "fairness", "behaviour", "parity")
PROMOTE = ("train.promote", "--model-version")


def champion(workspace) -> int | None:
    return workspace.view().aliases.get("champion")


def test_a_judged_version_becomes_the_champion(chain) -> None:
    """The chain ends with version 1 in service, and says who put it there and when."""
    assert champion(chain) == 1
    ran = chain.run(*PROMOTE, "1")
    assert 0 == ran.code
    assert "is the champion already" in ran.err
    tags = chain.view().version(1).tags
    assert tags["verdict.fairness"].startswith("pass ")
    assert tags["promoted-at"].endswith("+00:00")


def aliases(workspace) -> dict[str, int]:
    return dict(workspace.view().aliases)


def test_the_first_champion_is_the_anchor(chain) -> None:
    """A line of models begins with the first that was accepted."""
    assert {"champion": 1, "anchor": 1, "challenger": 1} == aliases(chain)


def test_a_new_test_part_begins_a_new_line(chain_copy) -> None:
    """What was judged on other rows cannot be compared: the next accepted model is the anchor."""
    chain_copy.change("config.py", 'test_part="data/test-part.txt"', 'test_part="data/test-part.txt", draw=2')
    gates = [[f"validation.{gate}", "--model-version", "2"] for gate in GATES]
    ran = chain_copy.run_all(
        ["train.init", "freeze"], ["validation.schema"], ["validation.dataset"], ["train.fit"], *gates, [*PROMOTE, "2"]
    )
    assert [0] * 9 == [one.code for one in ran], [one.err for one in ran]
    assert "the line starts anew: another test part" in ran[4].out
    assert {"champion": 2, "anchor": 2, "challenger": 2} == aliases(chain_copy)


def second(workspace) -> None:
    """Fit a second version, a little smaller."""
    workspace.change("config.py", '"max_iter": 100', '"max_iter": 80')
    assert "model-version=2\n" == workspace.run("train.fit").out


def test_an_unjudged_version_is_refused(chain_copy) -> None:
    """Verdicts on version 1 promote no version 2."""
    second(chain_copy)
    ran = chain_copy.run(*PROMOTE, "2")
    assert (1, "") == (ran.code, ran.out)
    assert "about another model" in ran.err
    assert champion(chain_copy) == 1


def test_a_red_verdict_is_refused(chain_copy) -> None:
    """One red gate keeps the champion where it is."""
    second(chain_copy)
    chain_copy.change("config.py", "at_most=0.15, why", "at_most=0.10, why")
    ran = chain_copy.run_all(*([f"validation.{gate}", "--model-version", "2"] for gate in GATES), [*PROMOTE, "2"])
    assert [0, 1, 0, 0, 1] == [one.code for one in ran]
    assert "fairness: model version 2: demographic_parity_difference" in ran[-1].err
    assert champion(chain_copy) == 1


def test_a_better_version_takes_over(chain_copy) -> None:
    """Judged against the champion and no worse: promoted, in place of version 1."""
    second(chain_copy)
    ran = chain_copy.run_all(*([f"validation.{gate}", "--model-version", "2"] for gate in GATES), [*PROMOTE, "2"])
    assert [0, 0, 0, 0, 0] == [one.code for one in ran], [one.err for one in ran]
    assert "lost to the champion" in ran[0].out
    assert "| version 1 |" in ran[-1].out
    assert {"champion": 2, "anchor": 1, "challenger": 2} == aliases(chain_copy)


def test_a_champion_that_changed_meanwhile_means_judging_again(chain_copy) -> None:
    """Judged against no champion, while there is one now: red, and the way out is named."""
    second(chain_copy)
    chain_copy.run_all(*([f"validation.{gate}", "--model-version", "2"] for gate in GATES))
    chain_copy.forge("performance", champion_version=None, champion_digest=None)
    ran = chain_copy.run(*PROMOTE, "2")
    assert (1, "") == (ran.code, ran.out)
    assert "judge again" in ran.err
    assert champion(chain_copy) == 1


def test_the_report_stays_with_the_promoted_version(chain) -> None:
    """Card and report lie beside the model in the registry, as they were when it was promoted."""
    [kept] = (chain.root / ".mlflow/artifacts").rglob("report.html")
    assert ["card.md", "report.html", "report.md"] == sorted(path.name for path in kept.parent.iterdir())
    assert kept.read_bytes() == (chain.root / "build/report/index.html").read_bytes()


def test_the_ledgers_verdicts_promote_without_their_files(chain_copy) -> None:
    """Where they were another run's; a version that has none there, or red ones, is refused."""
    second(chain_copy)
    ran = chain_copy.run(*PROMOTE, "2", "--recorded")
    assert (1, 1) == (ran.code, champion(chain_copy))
    assert "the ledger has no verdicts on version 2" in ran.err
    gates = [[f"validation.{gate}", "--model-version", "2"] for gate in GATES]
    *_, recorded = chain_copy.run_all(*gates, ["train.record", "--model-version", "2"])
    assert 0 == recorded.code, recorded.err
    shutil.rmtree(chain_copy.root / "build/verdicts")
    assert "performance.json: the verdict is missing" in chain_copy.run(*PROMOTE, "2").err
    ran = chain_copy.run(*PROMOTE, "2", "--recorded")
    assert (0, 2) == (ran.code, champion(chain_copy)), ran.err
    assert {"champion": 2, "anchor": 1, "challenger": 2} == aliases(chain_copy)


def test_a_report_on_another_version_is_not_kept(chain_copy) -> None:
    """What is in build/report is about version 1: version 2 is promoted without it, and that is said."""
    second(chain_copy)
    gates = ("performance", "fairness", "behaviour", "parity")
    ran = chain_copy.run_all(*([f"validation.{gate}", "--model-version", "2"] for gate in gates), [*PROMOTE, "2"])
    assert 0 == ran[-1].code
    assert "no report is kept with version 2: build/report is about version 1" in ran[-1].err
    assert len(list((chain_copy.root / ".mlflow/artifacts").rglob("report.html"))) == 1
