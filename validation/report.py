"""Stage 3: one report of all verdicts on one version. It measures nothing; it only reads.

Reads   build/verdicts/*.json, the registry, the file that CALIBRATION names.
Prints  the report in Markdown: bounds that changed, the verdict, what is red, then every table.
Writes  build/report/: index.html, the report as one page with its plots; report.md, what is printed; report.json, the
        same in short; card.md, the model card.
Exits   0 every gate passed, 1 one is red or its verdict is missing or about something else, 2 used or set up wrongly.
"""

from collections.abc import Sequence

from train import registry
from validation import calibrate, contract
from validation.pages.card import card, release_of
from validation.pages.markdown import markdown
from validation.pages.page import page
from validation.pages.summary import REPORT, summarise, write_summary
from validation.script import NO, YES, door, log, parser, result, version_number, writing
from validation.verdicts import collect

MOST_CHARACTERS = 240_000  # a job summary takes 1 MiB, and a character up to four bytes
CARD, MARKDOWN, PAGE = "card.md", "report.md", "index.html"


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--model-version", type=version_number, required=True, help="the registered version")
    number = options.parse_args(argv).model_version
    config = contract.load()
    view = registry.view(config)
    version = view.version(number)
    collected = collect(version, config)
    rates = calibrate.read(config)
    current = rates is not None and calibrate.is_current(rates, config)
    summary = summarise(version, collected, config, rates, current)
    text = markdown(summary, MOST_CHARACTERS)
    price = rates["price"] if rates is not None and current else None
    texts = {
        PAGE: page(summary, collected, view, config),
        MARKDOWN: text,
        CARD: card(release_of(version, config), collected.verdicts, config, price),
    }
    for name, content in texts.items():
        with writing(REPORT.parent / name) as file:
            file.write(content)
    write_summary(REPORT, summary)
    result(text)
    for fault in collected.faults:
        log(fault)
    return YES if collected.passed else NO


if __name__ == "__main__":
    raise SystemExit(main())
