"""Tell of what is critical in the image's base by one issue: written anew as it changes, closed once nothing is left.

No change of ours mends these findings, so they block nothing; a newer base may. An issue that somebody closed stays
closed until the findings are others.

Reads   trivy's JSON of the base, with all packages listed; the platform's API (GITHUB_TOKEN).
Prints  the findings, and what became of the issue.
Writes  one issue of the repository.
Exits   0 told, or nothing to tell, or the token may not; 2 used or set up wrongly; 3 scanner or platform failed
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.comment import AUTHOR
from infra.forge import Forbidden, Forge
from infra.scan import BLOCKS, Finding, findings
from validation.pages.cells import cell_text
from validation.script import BUILD, YES, digest_of, door, log, parser, result

TITLE = "Critical findings in the image's base"
MARKER = re.compile(r"\A<!-- gatehouse base=(\w+) -->\n")
NOTHING = "nothing"  # in the marker, where no finding is left
CLEAN = "Nothing critical is left in the image's base."
MOST = 200  # findings that are listed; the platform takes 65,536 characters
ADVICE = (
    "They are in the base, `BASE_IMAGE` of `serve/Dockerfile`, so no change of this repository's code mends them, and"
    " they block nothing. Where the last column names a version, a newer base may have it: take its digest."
)


def mark_of(found: Sequence[Finding]) -> str:
    """Name a set of findings."""
    return digest_of({"findings": [[*one.key, one.fixed] for one in found]})[:16] if found else NOTHING


def text_of(found: Sequence[Finding]) -> str:
    """Write the findings in Markdown."""
    if not found:
        return CLEAN
    heads = ["| finding | package | installed | mended in |", "| --- | --- | --- | --- |"]
    rows = [" | ".join(map(cell_text, (one.id, one.package, one.installed, one.fixed))) for one in found[:MOST]]
    more = [f"\nand {len(found) - MOST} more"] if len(found) > MOST else []
    return "\n".join([f"{len(found)} critical. {ADVICE}", "", *heads, *(f"| {row} |" for row in rows), *more])


def ours(forge: Forge) -> tuple[dict[str, Any], str] | None:
    """Find the newest issue of ours, open or closed, and the findings that it was last about."""
    for issue in forge.issues():
        known = MARKER.match(str(issue.get("body") or "").replace("\r\n", "\n"))
        if known and (issue.get("user") or {}).get("login") == AUTHOR and "pull_request" not in issue:
            return issue, known[1]
    return None


def told(forge: Forge, found: Sequence[Finding]) -> str:
    """Bring the issue in line with the findings; say what was done.

    Raises Forbidden when the token may not.
    """
    mark, known = mark_of(found), ours(forge)
    body = f"<!-- gatehouse base={mark} -->\n{text_of(found)}\n"
    if known is None:
        if not found:
            return "there is no issue, and none is needed"
        return f"issue {forge.open_issue(TITLE, body)} is opened"
    issue, before = known
    number, is_open = int(issue["number"]), issue.get("state") == "open"
    if before == mark:
        return f"issue {number} says so already{'' if is_open or not found else ', and somebody closed it'}"
    forge.change_issue(number, body=body, state="open" if found else "closed")
    return f"issue {number} is {'written anew' if found else 'closed'}"


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--base", type=Path, default=BUILD / "image/base.json", help="trivy's JSON of the base")
    given = options.parse_args(argv)
    found = [one for one in findings(given.base, {"os-pkgs"}) if one.severity == BLOCKS]
    try:
        done = told(Forge(), found)
    except Forbidden as refused:
        log(f"infra.advise: {refused}; the findings are in this summary alone")
        done = "no issue could be written"
    result(f"{text_of(found)}\n\n{done}")
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
