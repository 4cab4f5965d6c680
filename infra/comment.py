"""After a pull request's run: its report as one comment, written anew in place at each run.

Reads   report.json of the run, as data that nobody vouches for; the platform's API (GITHUB_TOKEN).
Prints  the report in Markdown.
Writes  one comment on the pull request whose head is the given commit.
Exits   0 written, or there is nothing to write to, or the token may not; 2 the report is no report of ours, or used
        or set up wrongly; 3 the platform failed.

It runs none of the pull request's code, and takes nothing from the report but figures and texts, each bounded and
escaped. The number of the pull request comes from the API, never from the report.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from infra.forge import Forbidden, Forge
from validation.pages.markdown import markdown
from validation.pages.summary import Summary, read_summary
from validation.script import WRONG, YES, Refusal, door, log, parser, result

AUTHOR = "github-actions[bot]"  # as whom the token of a job writes
MARKER = re.compile(r"\A<!-- gatehouse report looks=([0-9a-f,]*) -->\n")
MOST_LOOKS = 200  # models remembered in a comment
LIMIT = 60_000  # characters; the platform takes 65,536
NO_REPORT = "The run ended before there was a report; its summary says where."
NO_REPORT_OF_OURS = "The run left something that is no report of ours, so nothing of it is shown."


def body_of(text: str, looks: Sequence[str], run_url: str) -> str:
    """Write a comment: the hidden marker that names the models judged so far, the text, and where the run is."""
    times = f"Models of this pull request that the test part has judged: {len(looks)}. " if looks else ""
    marker = f"<!-- gatehouse report looks={','.join(looks[-MOST_LOOKS:])} -->"
    return f"{marker}\n{text.rstrip()}\n\n{times}[The run]({run_url})\n"


def looks_of(body: str) -> list[str] | None:
    """Read the models from a comment of ours; None when it is none."""
    found = MARKER.match(body.replace("\r\n", "\n"))
    return None if found is None else [look for look in found[1].split(",") if look]


def text_of(report: Path) -> tuple[str, Summary | None, str | None]:
    """Return what the comment says, the report if it is one, and what is wrong with it."""
    if not report.exists() and not report.is_symlink():
        return NO_REPORT, None, None
    try:
        summary = read_summary(report)
    except Refusal as refusal:
        return NO_REPORT_OF_OURS, None, str(refusal)
    return markdown(summary, LIMIT), summary, None


def run_url(run: str) -> str:
    """Return the address of a run.

    Raises Refusal unless it is a number.
    """
    if not (run.isascii() and run.isdigit()):
        raise Refusal(f"--run-id {run!r} is no number of a run")
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    return f"{server}/{os.environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--report", type=Path, required=True, help="report.json of the run")
    options.add_argument("--run-id", required=True, help="the run that made it")
    options.add_argument("--head-sha", required=True, help="the commit that was judged")
    options.add_argument("--head-repository", required=True, help="owner/name of the repository it is in")
    options.add_argument("--head-branch", required=True, help="the branch it is on")
    given = options.parse_args(argv)
    url = run_url(given.run_id)
    text, summary, wrong = text_of(given.report)
    result(text)
    if wrong:
        log(f"infra.comment: {wrong}")
    forge = Forge()
    number = forge.pull_request(given.head_sha, given.head_repository, given.head_branch)
    if number is None:
        log("infra.comment: no open pull request has this commit as its head; nothing to comment on")
        return WRONG if wrong else YES
    before, looks = None, []
    for comment in forge.comments(number):
        author = comment.get("user") or {}
        known = looks_of(str(comment.get("body") or ""))
        if known is not None and author.get("login") == AUTHOR:
            before, looks = int(comment["id"]), known
            break
    if summary is not None and summary.model_digest[:12] not in looks:
        looks = [*looks, summary.model_digest[:12]]
    try:
        forge.comment(number, body_of(text, looks, url), before)
    except Forbidden as refused:
        log(f"infra.comment: {refused}; the report is in the job's summary alone")
    return WRONG if wrong else YES


if __name__ == "__main__":
    raise SystemExit(main())
