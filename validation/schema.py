"""Stage 1: does every row keep the contract? All broken promises in one run.

Reads   the data that config.py names, FEATURES, TARGET, KEY.
Prints  a table: column, rule, how many rows break it, the first of them with their values.
Writes  build/verdicts/schema.json.
Exits   0 every row keeps it, 1 some do not, 2 used or set up wrongly, 3 the outside failed.

Rules of single rows are here; promises of the whole table are in validation.dataset.
"""

from collections.abc import Sequence

from train.source import data_digest
from validation import contract
from validation.contract import Config
from validation.gate import Verdict, decide
from validation.keys import key_of
from validation.script import door, parser


def _work(config: Config, key: str, data: str) -> Verdict:
    from train.data import load
    from validation.row_rules import broken_promises

    return Verdict("schema", key, data, tuple(broken_promises(load(config), config)))


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser(__doc__).parse_args(argv)
    config = contract.load()
    data = data_digest(config)
    key = key_of("schema", config, data)
    return decide("schema", key, lambda: _work(config, key, data))


if __name__ == "__main__":
    raise SystemExit(main())
