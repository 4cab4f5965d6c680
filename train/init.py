"""Start from new data: record which rows judge, and what the distributions are.

Usage: python -m train.init freeze

Reads   the data that config.py names, SPLIT, DATASET.
Writes  the frozen test part (a digest a row) and the reference distributions; review and commit both.
Prints  what was written.
Exits   0 done, 2 used or set up wrongly, 3 the outside failed.

A new test part starts the line of models anew: figures from before it cannot be compared with those after it.
"""

from collections.abc import Sequence

from train.data import load, on_test_side, row_digests, seal_of
from validation import contract
from validation.reference import reference_of
from validation.script import ROOT, Refusal, door, parser, result, to_json, writing


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("what", choices=["freeze"], help="freeze: record the test part and the reference")
    options.parse_args(argv)
    config = contract.load()
    frame = load(config)
    names = row_digests(frame, config)
    test = sorted(set(names[on_test_side(names, config.split)]))
    if not test:
        raise Refusal(f"SPLIT.test_share={config.split.test_share:g} leaves no row of {len(frame)} to judge with")
    with writing(ROOT / config.split.test_part) as file:
        listed = "\n".join(test) + "\n"
        file.write(f"{seal_of(listed, config)}\n{listed}")
    with writing(ROOT / config.reference) as file:
        file.write(to_json(reference_of(frame, config)))
    result(f"{config.split.test_part}: {len(test)} rows judge, of {len(frame)}\n{config.reference}: recorded")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
