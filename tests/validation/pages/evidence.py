"""Verdicts written by hand, with the evidence that gates leave, for each kind of target."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from train.view import Version
from validation.contract import Classes, Quantity
from validation.gate import Measure, Verdict, judged, shown
from validation.words.bounds import Bound

HEX = "0123456789abcdef" * 4
KINDS = ("binary", "classes", "quantity")
TARGETS = {
    "classes": Classes("quality", values=("poor", "fair", "good")),
    "quantity": Quantity("rent", low=0, high=10_000, unit="CHF a month"),
}


def version() -> Version:
    """A version as the registry knows it."""
    return Version(3, HEX, HEX, "run-1", "m-1", "", {"data-digest": HEX, "commit": "a" * 40, "lock-digest": HEX})


def curve(bend: float) -> list[list[float]]:
    """A curve from (0, 0) to (1, 1), above the diagonal by `bend`."""
    return [[x / 50, round((x / 50) ** (1 / bend), 6)] for x in range(51)]


def binary_evidence() -> dict[str, Any]:
    """What performance leaves for a binary target."""
    bins = [(0.05 + tenth / 10, 0.04 + tenth / 10) for tenth in range(10)]
    points = [{"mean": m, "share": s, "low": s - 0.02, "high": s + 0.03, "n": 700 + int(m * 50)} for m, s in bins]
    return {
        "curves": {
            "candidate": {"roc": curve(5), "precision_recall": [[x, 1 - y**3 / 2] for x, y in curve(1.1)]},
            "champion": {"roc": curve(4), "precision_recall": [[x, 1 - y**2 / 1.8] for x, y in curve(1.1)]},
        },
        "calibration": {"candidate": points, "champion": [point | {"share": point["mean"]} for point in points]},
        "thresholds": [
            {
                "threshold": t / 10,
                "selected": 0.6 / t,
                "precision": 0.45 + t / 20,
                "recall": 1 - t / 11,
                "false_positive_rate": 0.3 / t,
                "accuracy": 0.8 + 0.07 * math.sin(t / 3),
            }
            for t in range(1, 10)
        ],
        "confusion": {"labels": ["<=50K", ">50K"], "counts": [[11_500, 755], [1_420, 2_533]]},
    }


def quantity_evidence() -> dict[str, Any]:
    """What performance leaves for a quantity."""
    tenths = range(1, 11)
    return {
        "residuals": [
            {"mean": 500.0 * t, "low": -90.0 - t, "median": t - 5.0, "high": 95.0 + 2 * t, "n": 160} for t in tenths
        ]
    }


def classes_evidence() -> dict[str, Any]:
    """What performance leaves for several classes."""
    counts = [[420, 61, 3], [55, 510, 48], [2, 40, 460]]
    return {
        "confusion": {"labels": ["poor", "fair", "good"], "counts": counts},
        "calibration": {"candidate": [{"mean": 0.9, "share": 0.88, "low": 0.86, "high": 0.9, "n": 900}]},
    }


def changes() -> dict[str, Any]:
    """What changed against version 2."""
    return {
        "against": 2,
        "rows": 16_208,
        "flipped": 312,
        "flips": [
            {"from": "<=50K", "to": ">50K", "rows": 190, "right": 121},
            {"from": ">50K", "to": "<=50K", "rows": 122, "right": 64},
        ],
        "moved": 0.0113,
        "slices": [
            {"slice": "occupation = Sales", "rows": 1_830, "candidate": 0.412, "champion": 0.398},
            {"slice": "age 17 to 28", "rows": 4_411, "candidate": 0.121, "champion": 0.119},
        ],
        "data": [{"column": "hours_per_week", "psi": 0.131}, {"column": "age", "psi": 0.0021}],
        "rows_trained": {"candidate": 32_634, "champion": 31_002},
        "request": [{"change": "column `race` is no longer taken", "breaking": True}],
    }


def performance_evidence(kind: str) -> dict[str, Any]:
    """All that performance leaves."""
    own = {"binary": binary_evidence, "classes": classes_evidence, "quantity": quantity_evidence}[kind]()
    metrics = [
        {"metric": "roc_auc", "candidate": 0.9276, "champion": 0.9261, "better": "up"},
        {"metric": "log_loss", "candidate": 0.2801, "champion": None, "better": "down"},
    ]
    window = {"rows": 812, "metrics": [{"metric": "roc_auc", "candidate": 0.921, "champion": 0.919}]}
    return own | {"metrics": metrics, "changes": changes(), "window": window}


def behaviour_evidence() -> dict[str, Any]:
    """What behaviour leaves."""
    names = ["capital_gain", "marital_status", "education_num", "age", "occupation", "hours_per_week", "relationship"]
    parts = [{"feature": n, "value": str(i), "contribution": 0.2 / (i + 1) * (-1) ** i} for i, n in enumerate(names)]
    base = 0.24
    total = base + sum(part["contribution"] for part in parts)
    return {
        "importances": [
            {"feature": n, "rise": 0.09 / (i + 1), "low": 0.085 / (i + 1), "high": 0.095 / (i + 1)}
            for i, n in enumerate(names)
        ],
        "contributions": [
            {"row": f"golden row {row}", "output": total, "base": base, "features": parts} for row in range(5)
        ],
        "slices": [
            {"slice": f"occupation = Sales and age {low} to {low + 10}", "rows": 300 + low, "loss": 0.6 - low / 200}
            | {"low": 0.5 - low / 200, "high": 0.7 - low / 200, "overall": 0.28}
            for low in (20, 30, 40, 50, 60)
        ],
        "cases": [
            {"case": "a surgeon of fifty", "expected": ">50K", "got": ">50K (0.93)", "held": True},
            {"case": "a pupil", "expected": "<=50K", "got": ">50K (0.51)", "held": False},
        ],
    }


def fairness_evidence(kind: str) -> dict[str, Any]:
    """What fairness leaves."""
    rates = ("mean absolute error",) if kind == "quantity" else ("selection rate", "true positive rate")
    groups = [("sex", "Female", 5_317, True), ("sex", "Male", 10_891, True), ("race", "Other", 137, False)]
    return {
        "groups": [
            {"by": by, "group": group, "rate": rate, "value": 0.1 + n / 9e4, "low": 0.09 + n / 9e4}
            | {"high": 0.11 + n / 9e4, "n": n, "judged": large}
            for rate in rates
            for by, group, n, large in groups
        ],
        "waivers": [
            {
                "measure": "equalized_odds_difference by race",
                "owner": "A. Person",
                "reason": "more rows of 2026 come in January",
                "expires": "2027-01-31",
                "in_force": True,
            }
        ],
    }


def measures(gate: str) -> tuple[Measure, ...]:
    """The lines of a green gate."""
    if gate == "performance":
        lost = judged(
            "roc_auc lost to the champion", "version 2", -0.0015, Bound(at_most=0.005, lost=True), 16_208, "w",
            interval=(-0.003, 0.0001), champion=0.9261,
        )  # fmt: skip
        floor = judged("roc_auc", "", 0.9276, Bound(at_least=0.915), 16_208, "the default reaches 0.928", (0.92, 0.93))
        return (replace(floor, champion=0.9261), lost, shown("looks at this test part", "", 4, 16_208, "of 200"))
    if gate == "fairness":
        by_sex = judged(
            "demographic_parity_difference by sex", "sex: Female, Male", 0.146, Bound(at_most=0.15), 16_208,
            "the model reaches 0.146", (0.135, 0.157),
        )  # fmt: skip
        by_race = Measure(
            "equalized_odds_difference by race", "race: Black, White", 0.27, Bound(at_most=0.25), 900, "waived", "guard"
        )
        small = Measure("true positive rate", "race: Other", 0.5, None, 137, "insufficient", "too small to be judged")
        return (by_sex, by_race, small)
    return (judged(f"promises of {gate}", "", 0, Bound(at_most=0), 48_842, "all of them"),)


def evidence(gate: str, kind: str) -> Mapping[str, Any]:
    """All that a gate leaves."""
    if gate == "performance":
        return performance_evidence(kind)
    if gate == "fairness":
        return fairness_evidence(kind)
    cost = {"bytes": 300_123, "champion_bytes": 290_001, "row_microseconds_per_row": 31.2, "row_ratio": 1.04}
    cost |= {"batch_microseconds_per_row": 2.1, "batch_ratio": None}
    return {"behaviour": behaviour_evidence(), "parity": {"cost": cost}}.get(gate, {})


def verdict(gate: str, kind: str, **changed: Any) -> Verdict:
    """A verdict of one gate."""
    made = Verdict(gate, HEX, HEX, measures(gate), 3, HEX, 2, HEX, 1, evidence(gate, kind))
    return replace(made, **changed)


def calibration() -> dict[str, Any]:
    """What calibrate leaves."""
    lines = [
        ("same recipe, other seed", "all conditions", "pass at least 0.95", 0.985, 0.957, 0.997),
        ("worse by the margin", "roc_auc lost to the champion", "pass at most 0.05", 0.02, 0.005, 0.05),
        ("5 % of labels flipped", "all conditions", "refused", 0.0, 0.0, 0.018),
    ]
    return {
        "key": HEX,
        "trials": 200,
        "challengers": 40,
        "lines": [
            {"what": what, "measure": measure, "wanted": wanted, "passed": passed, "low": low, "high": high}
            | {"trials": 200, "verdict": "pass"}
            for what, measure, wanted, passed, low, high in lines
        ],
        "price": {
            "metrics": [{"metric": "roc_auc", "mitigated": 0.9276, "plain": 0.9282}],
            "fairness": [{"measure": "demographic_parity_difference by sex", "mitigated": 0.146, "plain": 0.188}],
        },
    }
