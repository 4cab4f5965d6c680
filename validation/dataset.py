"""Stage 1: does the table as a whole keep its promises? Volume, balance, missing, columns together, distributions.

Reads   the data that config.py names, DATASET, the recorded reference.
Prints  a table of every expectation with its observed value.
Writes  build/verdicts/dataset.json; Great Expectations' Data Docs under build/data-docs/.
Exits   0 all kept, 1 some are not, 2 used or set up wrongly, 3 the outside failed.
"""

from collections.abc import Sequence

from train.source import data_digest
from validation import contract
from validation.contract import Config
from validation.gate import Verdict, decide
from validation.keys import key_of
from validation.script import BUILD, door, parser, writing_folder

DATA_DOCS = BUILD / "data-docs"


def _work(config: Config, key: str, data: str) -> Verdict:
    from train.data import load
    from validation.table_rules import judge

    frame = load(config)
    with writing_folder(DATA_DOCS) as docs:
        measures = judge(frame, config, docs)
    return Verdict("dataset", key, data, tuple(measures))


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser(__doc__).parse_args(argv)
    config = contract.load()
    data = data_digest(config)
    key = key_of("dataset", config, data)
    return decide("dataset", key, lambda: _work(config, key, data))


if __name__ == "__main__":
    raise SystemExit(main())
