"""Promises of the whole table, judged by Great Expectations."""

import dataclasses
import os
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from validation.contract import Config
from validation.gate import Measure, judged
from validation.reference import load_reference
from validation.script import Refusal
from validation.words.columns import Category
from validation.words.expectations import (
    Determines,
    Duplicates,
    Expectation,
    MissingShare,
    Resembles,
    Rows,
    Share,
    bound_of,
    name_of,
)

REPEATED = " row repeats another"  # a derived column


def _derived(place: int) -> str:
    """Name the derived column of a promise as no column can be named: with an outer space."""
    return f" {place}"


def _holds(frame: pd.DataFrame, column: str, value: str | int) -> npt.NDArray[Any]:
    """Tell which rows hold a value; a missing one does not, whatever the column's type."""
    return (frame[column] == value).fillna(False).to_numpy(dtype=bool)


def with_derived(frame: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Add the columns that whole-table expectations need; the rows stay as they are."""
    columns: dict[str, Any] = {column.name: column for column in config.features}
    derived: dict[str, Any] = {REPEATED: frame.duplicated().astype("int64")}
    for place, rule in enumerate(config.dataset):
        match rule:
            case Share():
                chosen = _holds(frame, rule.column, rule.value).astype("float64")
                if rule.where is not None:
                    chosen = np.where(_holds(frame, *rule.where), chosen, np.nan)
                derived[_derived(place)] = chosen
            case MissingShare():
                derived[_derived(place)] = frame[rule.column].isna().astype("int64")
            case Determines():
                derived[_derived(place)] = frame.groupby(rule.column, dropna=False)[rule.other].transform(
                    "nunique", dropna=False
                )
        if isinstance(rule, Resembles) and isinstance(columns.get(rule.column), Category):
            # An undeclared value counts as another, and is quoted on no page
            values = frame[rule.column]
            derived[rule.column] = values.where(
                values.isna() | values.isin(columns[rule.column].values), "(undeclared)"
            )
    return frame.assign(**derived)


def expectation_of(place: int, rule: Expectation, reference: dict[str, Any]) -> Any:
    """Translate a promise into Great Expectations' words."""
    import great_expectations.expectations as gxe

    meta = {"place": place, "name": " ".join(name_of(rule)).strip(), "why": rule.why}
    match rule:
        case Rows():
            return gxe.ExpectTableRowCountToBeBetween(min_value=rule.at_least, max_value=rule.at_most, meta=meta)
        case Share():
            return gxe.ExpectColumnMeanToBeBetween(
                column=_derived(place), min_value=rule.at_least, max_value=rule.at_most, meta=meta
            )
        case MissingShare():
            return gxe.ExpectColumnMeanToBeBetween(
                column=_derived(place), min_value=0, max_value=rule.at_most, meta=meta
            )
        case Duplicates():
            return gxe.ExpectColumnMeanToBeBetween(column=REPEATED, min_value=0, max_value=rule.at_most, meta=meta)
        case Determines():
            return gxe.ExpectColumnMaxToBeBetween(column=_derived(place), min_value=1, max_value=1, meta=meta)
        case Resembles():
            recorded = reference[rule.column]
            return gxe.ExpectColumnKLDivergenceToBeLessThan(
                column=rule.column,
                partition_object={name: recorded[name] for name in ("bins", "values", "weights") if name in recorded},
                threshold=rule.at_most,
                # a value or bin that one side lacks counts as a sliver, not as an infinite divergence
                internal_weight_holdout=1e-6 if "bins" in recorded else 0,
                tail_weight_holdout=1e-6,
                meta=meta,
            )


def judge(frame: pd.DataFrame, config: Config, docs: Any) -> list[Measure]:
    """Validate the whole table; `docs` is the folder that Data Docs are written to. One measure a promise, in order."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig

    absent = sorted(set(config.columns) - set(frame.columns))
    if absent:
        raise Refusal(f"{config.data} has no column {', '.join(absent)}; `make schema` tells all that is wrong")
    reference = load_reference(config)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_or_update_pandas("data").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("whole table")
    expectations = [expectation_of(place, rule, reference) for place, rule in enumerate(config.dataset)]
    suite = context.suites.add(gx.ExpectationSuite(name="dataset", expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="dataset", data=batch, suite=suite))
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": store,
    }
    context.add_data_docs_site(site_name="docs", site_config=site)
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name="dataset",
            validation_definitions=[definition],
            actions=[UpdateDataDocsAction(name="docs", site_names=["docs"])],
            result_format={"result_format": "SUMMARY"},
        )
    )
    run = checkpoint.run(batch_parameters={"dataframe": with_derived(frame, config)})
    [validation] = run.run_results.values()
    return _measures(validation, expectations, frame, config)


def _measures(validation: Any, expectations: list[Any], frame: pd.DataFrame, config: Config) -> list[Measure]:
    """Pair promises with results; a promise without a result, or with an error in place of one, fails."""
    results = {result.expectation_config.meta["place"]: result for result in validation.results}
    measures = []
    for rule, expectation in zip(config.dataset, expectations, strict=True):
        found = results.get(expectation.meta["place"])
        observed = found.result.get("observed_value") if found is not None else None
        value = float(observed) if isinstance(observed, Real) else None
        measure, group = name_of(rule)
        line = judged(measure, group, value, bound_of(rule), len(frame), rule.why)
        # Great Expectations' word counts; ours, from the same value, may only be stricter
        held = found is not None and found.success is True
        measures.append(line if held else dataclasses.replace(line, verdict="fail"))
    return measures
