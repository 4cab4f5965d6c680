"""Measure how often the gates err on the present data: PERFORMANCE, and FAIRNESS with the price of reweighing.

Reads   the data, the frozen test part, the recipe, PERFORMANCE, FAIRNESS.
Prints  a table: who should pass how often, and how often who did, with a 95 % interval; then the price of reweighing.
Writes  the file that CALIBRATION names; the report tells it. Review and commit it.
Exits   0 all rates are as wanted, 1 one is not, 2 used or set up wrongly, 3 the outside failed. As wanted,
        but on too few trials to be sure, is told as `insufficient`.

It fits the recipe, other fits of it on parts of the rows, and seeded faults; then it judges them on a thousand
test sets drawn from the test part. Minutes for ROC AUC and means over rows; a metric whose interval is a bootstrap
takes a hundred times as long a trial, and `--trials` gives fewer.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from train.source import data_digest
from validation import contract
from validation.code import code_digest, file_digest
from validation.contract import Config
from validation.pages.cells import cell_text, number_text
from validation.script import NO, ROOT, YES, Refusal, digest_of, door, log, parser, result, to_json, writing

TRIALS, LEAST_TRIALS = 1000, 50  # of 300 trials a rate of one in forty has an interval that reaches one in twenty
CHALLENGERS = 12
FIELDS = {"key", "trials", "challengers", "lines", "price"}
# Our modules that only carry what is measured, or hold words of other gates
AROUND = (
    "validation/code.py",
    "validation/contract.py",
    "validation/pages/cells.py",
    "validation/script.py",
    "validation/words/expectations.py",
)


def key_of(config: Config) -> str:
    """Name all that the rates depend on: data, test part, recipe, bounds, and the code that measures."""
    fixed = [config.features, config.target, config.key, config.sensitive, config.model, config.split, config.seed]
    facts = {
        "config": repr([*fixed, config.performance, config.fairness, config.groups]),
        "data": data_digest(config),
        "test part": file_digest(config.split.test_part),
        "code": code_digest("validation/calibrate.py", but=AROUND),
    }
    return digest_of(facts)


def read(config: Config) -> dict[str, Any] | None:
    """Read what was measured last, or None when nothing was.

    Raises Refusal when the file is no calibration.
    """
    path = ROOT / config.calibration
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict) or not content.keys() >= FIELDS:
        raise Refusal(f"{config.calibration} is no calibration; restore it from git, or run `make calibrate`")
    return content


def is_current(content: dict[str, Any], config: Config) -> bool:
    """Tell whether rates were measured under what holds now."""
    return bool(content["key"] == key_of(config))


def progress(what: str, total: int) -> Iterator[int]:
    """Count steps, and tell how far they are: a bar on a terminal, a line for each tenth elsewhere."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(range(total), desc=what, file=sys.stderr, leave=False)
        return
    for step in range(total):
        yield step
        if (step + 1) * 10 // total > step * 10 // total:
            log(f"calibrate: {step + 1} of {total} {what}")


def calibrate(config: Config, trials: int) -> dict[str, Any]:
    """Fit the models, run the trials; return the content of the calibration file."""
    from train.data import load, outcomes, split
    from validation.measures.price import price
    from validation.measures.recipes import fit_models
    from validation.measures.trials import cases_of, run_trials

    parts = split(load(config), config)
    outcome = outcomes(parts.test, config)
    models = fit_models(parts, config, CHALLENGERS, progress)
    lines = run_trials(cases_of(models, outcome, config), models.champion, outcome, config, trials, progress)
    of_fairness, costs = price(models, parts.test, outcome, config)
    return {
        "key": key_of(config),
        "trials": trials,
        "challengers": CHALLENGERS,
        "lines": lines + of_fairness,
        "price": costs,
    }


def markdown(content: dict[str, Any]) -> str:
    """Write a calibration as tables."""
    heads = ("what", "measure", "wanted", "passed", "95 % interval", "trials", "verdict")
    rows = [
        (
            line["what"],
            line["measure"],
            line["wanted"],
            f"{line['passed']:.3f}",
            f"{line['low']:.3f} to {line['high']:.3f}",
            str(line["trials"]),
            "FAIL" if line["verdict"] == "fail" else line["verdict"],
        )
        for line in content["lines"]
    ]
    told = ["### How often the gates err", "", *_table(heads, rows)]
    costs = [(one["metric"], one) for one in content["price"]["metrics"]]
    costs += [(one["measure"], one) for one in content["price"]["fairness"]]
    if costs:
        priced = [(name, number_text(one["mitigated"]), number_text(one["plain"])) for name, one in costs]
        told += ["", "### The price of reweighing", ""]
        told += _table(("measure", "with reweighing", "without"), priced)
    return "\n".join(told) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *([cell_text(text) for text in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def trials_number(text: str) -> int:
    """Parse the number of trials given on the command line.

    Raises argparse.ArgumentTypeError below LEAST_TRIALS: so few can hardly contradict anything.
    """
    if not text.isascii() or not text.isdigit() or int(text) < LEAST_TRIALS:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {LEAST_TRIALS} upwards")
    return int(text)


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--trials", type=trials_number, default=TRIALS, help=f"test sets to draw ({TRIALS})")
    trials = options.parse_args(argv).trials
    config = contract.load()
    content = calibrate(config, trials)
    with writing(ROOT / config.calibration) as file:
        file.write(to_json(content))
    result(markdown(content))
    for line in content["lines"]:
        if line["verdict"] != "pass":
            few = "; as wanted, on too few trials to be sure" if line["verdict"] == "insufficient" else ""
            log(
                f"calibrate: {line['what']}, {line['measure']}: {line['passed']:.3f} passed ({line['low']:.3f} to"
                f" {line['high']:.3f}), wanted: {line['wanted']}{few}"
            )
    return NO if any(line["verdict"] == "fail" for line in content["lines"]) else YES


if __name__ == "__main__":
    raise SystemExit(main())
