"""config.py: what it may say, and how it is refused."""

import math
from dataclasses import replace

import pytest

from validation.contract import Config
from validation.script import Refusal
from validation.words.behaviours import Direction, StableExplanation
from validation.words.bounds import FAIRNESS_METRICS, PERFORMANCE_METRICS, Gate
from validation.words.columns import Binary, Category, Classes, Number, Quantity


def test_the_model_sees_no_hidden_column(config: Config) -> None:
    """Sensitive columns are in the data and not among the model's inputs."""
    inputs = {column.name for column in config.inputs}
    assert not inputs & set(config.sensitive)
    assert set(config.sensitive) <= set(config.columns)


BROKEN = {
    "a typo in a keyword": ('low=17, high=100, unit="years"', 'low=17, hihg=100, unit="years"', "hihg"),
    "bounds turned round": ('"age", low=17, high=100', '"age", low=100, high=17', "low=100 must be below high=17"),
    "two bounds": (
        'Gate("roc_auc", at_least=0.915',
        'Gate("roc_auc", at_most=1.0, at_least=0.915',
        "exactly one bound",
    ),
    "no bound": ('Gate("roc_auc", at_least=0.915, ', 'Gate("roc_auc", ', "exactly one bound, not none"),
    "a metric nobody measures": ('Gate("roc_auc", at_least', 'Gate("rock_auc", at_least', "nobody measures 'rock_auc'"),
    "the wrong side": ('Gate("log_loss", at_most=0.30', 'Gate("log_loss", at_least=0.30', "bounds the wrong side"),
    "no reason": ('why="the default reaches 0.280; bent scores rank well and fail here"', 'why=""', "say why"),
    "NaN as a bound": ("at_least=0.915", 'at_least=float("nan")', "must be a finite number"),
    "an unknown sensitive column": ('SENSITIVE = ("sex", "race")', 'SENSITIVE = ("sex", "rase")', "'rase'"),
    "a sensitive column that no gate judges": (
        'Gate("equalized_odds_difference", by="race"',
        'Gate("equalized_odds_difference", by="sex"',
        "no gate judges by race",
    ),
    "a runtime that nobody has": (
        'name="income",',
        'name="income", runtime="pickle",',
        "runtime is one of onnx, skops",
    ),
    "a column twice": ('Number("age"', 'Number("fnlwgt"', "declared twice"),
    "a value twice": ('values=("Female", "Male")', 'values=("Male", "Male")', "listed twice"),
    "no row count": (
        "    Rows(at_least=40_000, at_most=1_000_000,",
        "    Duplicates(at_most=0.5,",
        "a Rows bound is needed",
    ),
    "only comparisons": (
        "PERFORMANCE = (",
        'PERFORMANCE = (Gate("roc_auc", lose_at_most=0.005, why="w"),)\nUNUSED = (',
        "at least one at_least or at_most",
    ),
    "a floor that nothing breaks": ("at_least=0.915", "at_least=-5", "nothing breaks it"),
    "a ceiling that nothing breaks": ("at_most=0.30", "at_most=99", "can hardly be broken"),
    "parity without end": ("PARITY = 1e-5", 'PARITY = float("inf")', "PARITY must be"),
    "parity that is no number": ("PARITY = 1e-5", 'PARITY = float("nan")', "PARITY must be"),
    "a step that nobody feels": ("step=20_000", "step=1", "changes nothing that the model could see"),
    "half a step": ("step=1, tolerate", "step=0.5, tolerate", "is whole, step is not"),
    "tolerating all": ("step=1, tolerate=0.05", "step=1, tolerate=0.99", "asks for nothing"),
    "a limit of the service that is none": ("burst=2_000", "burst=0", "every limit must be above 0"),
    "a patience that never ends": ("header_seconds=10", 'header_seconds=float("inf")', "every limit must be above 0"),
    "half a connection": ("connections=1_000", "connections=0.5", "SERVICE.connections must be a whole number"),
    "an image that weighs nothing": ("max_mb=220", "max_mb=0", "Image: every bound must be a number above 0"),
    "layers heavier than the whole": ("max_own_mb=160", "max_own_mb=300", "max_own_mb must be below max_mb"),
    "a share above all": ("columns=(), rate=0.1", "rate=1.5", "rate must be a share"),
    "a log of what the model does not see": ("columns=()", 'columns=("sex",)', "'sex', which is no input of the model"),
    "a log of a column twice": ("columns=()", 'columns=("age", "age")', "names a column twice"),
    "a log of a text": ("columns=()", 'columns="age"', "must be a tuple of names"),
    "a log of half a row": ("columns=()", "columns=(), queue_rows=0.5", "must be whole numbers above 0"),
    "a spool below its file": ("columns=()", "columns=(), spool_bytes=10", "must hold at least one file"),
    "a log that is never synced": ("columns=()", 'columns=(), sync_seconds=float("inf")', "sync_seconds must be"),
    "a file that is never finished": ("columns=()", "columns=(), segment_seconds=0", "segment_seconds must be"),
    "a canary for all": ("canary_share=0.1", "canary_share=1.0", "canary_share must be above 0 and at most 0.5"),
    "a bake of no time": ("bake_seconds=600", "bake_seconds=0", "look_seconds must be above 0 and at most bake_sec"),
    "a coin for a test": ("false_alarms=0.01", "false_alarms=0.5", "false_alarms must be above 0 and at most 0.1"),
    "errors without end": ("worse_by=0.005", 'worse_by=float("nan")', "error_rate_worse_by must be above 0"),
    "no error more at all": ("worse_by=0.005", "worse_by=0", "error_rate_worse_by must be above 0"),
    "a slowness of anything": ("slower_times=2.0", "slower_times=100", "slower_times must be from 1"),
    "any prediction": ("predictions_shift=0.1", "predictions_shift=1", "predictions_shift must be above 0"),
    "a slowness that is not counted": ("slower_by=0.02", "slower_by=0.02, slow_seconds=60", "slow_seconds must be"),
    "half a replayed request": ("replay_requests=45_000", "replay_requests=0.5", "must be whole numbers above 0"),
    "a replay that never comes": (
        "replay_requests=45_000",
        "replay_requests=1, replay_per_second=0",
        "per_second must",
    ),
    "a replay without end": (
        "replay_requests=45_000",
        'replay_requests=1, replay_seconds=float("inf")',
        "replay_seconds must be above 0",
    ),
    "nobody asked by a number": (
        "replay_requests=45_000",
        "replay_requests=1, production_asks=0",
        "production_asks is True or False",
    ),
    "a flag that is a text": ("SHOW_VALUES = True", 'SHOW_VALUES = "False"', "must be True or False"),
    "a seed that is a text": ("SEED = 20_261_122", 'SEED = "a"', "SEED must be a whole number"),
    "an undeclared value": ('Share("income", ">50K"', 'Share("income", "50K"', "is no declared value"),
    "noise on what the model does not see": ('{"age": 1, "hours', '{"fnlwgt": 1, "hours', "'fnlwgt' is no Number"),
    "noise of nothing": ('{"age": 1, "hours_per_week": 1}', "{}", "name columns, each with a step above 0"),
    "half a year of noise": ('{"age": 1, "hours', '{"age": 0.5, "hours', "age is whole, step is not"),
    "a column that may not be missing": ('Missing("native_country"', 'Missing("age"', "or it may not be missing"),
    "a slice as bad as no bound": ("loss_at_most=0.75", "loss_at_most=5", "is as good as no bound"),
    "a slice of a handful": ("min_rows=200", "min_rows=5", "min_rows must be 30 or more"),
    "an agreement of anything": ("StableExplanation(at_least=0.8", "StableExplanation(at_least=-1", "must be above 0"),
    "cases that are no table": ('"data/cases.csv"', '"data/cases.xlsx"', "name a CSV file"),
    "a rule twice": (
        'Invariance("sex", why="the model must not see it"),',
        'Invariance("race", why="w"),',
        "one rule is there twice",
    ),
    "a group that nobody declared": ('"race": ("White", ', '"race": ("Wight", ', "race has no value Wight"),
    "a group of no sensitive column": ('must_judge={"sex"', 'must_judge={"age"', "'age', which is not in SENSITIVE"),
    "looks without end": ("LOOKS = 200", 'LOOKS = "many"', "LOOKS must be a whole number"),
    "a graph of any size": ("max_bytes=1_000_000", "max_bytes=0", "max_bytes must be a whole number above 0"),
    "a model of any speed": ("slower_at_most=3.0", 'slower_at_most=float("inf")', "slower_at_most must be above 1"),
    "a gate twice": (
        'Gate("log_loss", lose_at_most=0.01',
        'Gate("roc_auc", lose_at_most=0.01',
        "roc_auc lost to the champion is bounded twice",
    ),
    "an intersection of one": ('by="race", at_most=0.25', 'by=("race",), at_most=0.25', "a tuple of two or more"),
    "values that fold to one": (
        'values=("Female", "Male"), hidden=True',
        'values=("Male", "male "[:4]), hidden=True, fold=True',
        "two values are one but for case and spaces",
    ),
    "a divergence of anything": ('Resembles("age", at_most=0.05', 'Resembles("age", at_most=50', "asks for nothing"),
    "an empty error": ("SEED = 20_261_122", "raise ValueError", "ValueError: it stops here"),
    "an early end": ("SEED = 20_261_122", "raise SystemExit(0)", "SystemExit"),
    "a syntax error": ("SEED = 20_261_122", "SEED = = 1", "SyntaxError"),
    "an unset name": ("SEED = 20_261_122", "", "does not set SEED"),
    "an undefined name": ("SEED = 20_261_122", "SEED = sead", "sead"),
}


@pytest.mark.parametrize(("old", "new", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_config_is_one_sentence(workspace, old: str, new: str, said: str) -> None:
    """Whatever is wrong in config.py is named in one line, exit code 2, and nothing runs."""
    workspace.change("config.py", old, new)
    ran = workspace.run("validation.schema")
    assert (2, "") == (ran.code, ran.out)
    assert said in ran.err
    assert "config.py" in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_a_missing_config_is_one_sentence(workspace) -> None:
    """Without config.py every script says so."""
    (workspace.root / "config.py").unlink()
    ran = workspace.run("validation.schema")
    assert 2 == ran.code
    assert "config.py is missing" in ran.err


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Number("n", low=math.nan, high=1),
        lambda: Number("n", low=0, high=math.inf),
        lambda: Number("n", low=0, high=2**25, integer=True),
        lambda: Number(" n", low=0, high=1),
        lambda: Category("c", values=("a",)),
        lambda: Category("c", values=("a", "")),
        lambda: Category("c", values=("a", 1)),
        lambda: Category("c", values=("a", "b"), unseen="maybe"),
        lambda: Binary("t", positive=1, negative="no"),
        lambda: Binary("t", positive="yes", negative="yes"),
        lambda: Binary("t", positive=True, negative=False),
        lambda: Classes("t", values=("a", "b")),
        lambda: Quantity("t", low=1, high=0),
        lambda: Direction("n", gives="up", step=1, tolerate=0, why="w"),
        lambda: Direction("n", gives="more", step=0, tolerate=0, why="w"),
        lambda: Gate("accuracy", lose_at_most=-0.1, why="w"),
        lambda: Gate("accuracy", at_least=True, why="w"),
    ],
)
def test_a_value_that_means_nothing_is_refused(wrong) -> None:
    """Columns, targets and gates check themselves."""
    with pytest.raises(Refusal):
        wrong()


def test_an_order_of_two_inputs_is_none(config: Config) -> None:
    """With fewer than three inputs an explanation cannot be unstable."""
    two = tuple(replace(column, hidden=column.name not in ("age", "education_num")) for column in config.features)
    rule = StableExplanation(at_least=0.8, why="w")
    with pytest.raises(Refusal, match="fewer than three inputs"):
        replace(config, features=two, behaviour=(rule,))


def test_a_column_that_the_log_has_itself_is_not_logged(config: Config) -> None:
    """An input called `label` would stand beside the prediction's own."""
    features = (*config.features, Number("label", low=0, high=1))
    log = replace(config.prediction_log, columns=("label",))
    with pytest.raises(Refusal, match="a column 'label' of its own"):
        replace(config, features=features, prediction_log=log)


def test_every_metric_that_config_may_name_is_measured() -> None:
    """The names that config.py may use are those that the gates know, for each kind of target."""
    from validation.measures.metrics import MEANS, METRICS

    named = {metric for metrics in PERFORMANCE_METRICS.values() for metric in metrics}
    assert set(METRICS | MEANS) == named
    assert set(FAIRNESS_METRICS) == set(PERFORMANCE_METRICS)
