"""Judge a vulnerability scan: what is critical, can be mended by an update and is not of the base blocks.

What the base has too is told, not judged: a newer base mends it, no change of ours. A finding may be let pass for a
time in infra/vulnerabilities.toml; an entry that has expired is red. A scanner that left no result, or looked at no
package, as it does without its database, is no pass.

Reads   trivy's JSON of the image and of its base, with all packages listed; infra/vulnerabilities.toml
Prints  a table: finding, package, versions, whose it is, verdict
Exits   0 nothing blocks; 1 a finding blocks, or an entry has expired; 2 used or set up wrongly; 3 the scanner failed
"""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from validation.pages.cells import cell_text
from validation.script import BUILD, NO, ROOT, YES, OutsideError, Refusal, door, log, parser, result
from validation.words.settings import today

IGNORED = ROOT / "infra/vulnerabilities.toml"
OWN = (".trivyignore", ".trivyignore.yaml", "trivy.yaml")  # by which the scanner itself leaves findings out
BLOCKS = "CRITICAL"
LONGEST = timedelta(days=183)  # what cannot be mended in half a year is looked at again
WORDS = {"id", "package", "owner", "reason", "expires"}


@dataclass(frozen=True)
class Finding:
    """A vulnerability of a package; `fixed` is empty while nobody has mended it."""

    id: str
    package: str
    installed: str
    fixed: str
    severity: str

    @property
    def key(self) -> tuple[str, str]:
        """Name it whatever version is installed, as an entry that lets it pass does."""
        return self.id, self.package

    @property
    def place(self) -> tuple[str, str, str]:
        """Name it in the very version: the base's own, or one that was laid beside it."""
        return self.id, self.package, self.installed


@dataclass(frozen=True)
class Ignored:
    """A finding that may stand until `expires` (that day included)."""

    id: str
    package: str
    owner: str
    reason: str
    expires: date


def findings(path: Path, classes: set[str]) -> list[Finding]:
    """Read a report of trivy whose scan looked at packages of every class.

    Raises OutsideError when there is no such report.
    """
    failed = f"{path}: the scanner left no result, and that is no pass; its own log tells why (often: no database)"
    try:
        results = [one for one in json.loads(path.read_text(encoding="utf-8"))["Results"] if isinstance(one, dict)]
    except (OSError, ValueError, KeyError, TypeError):
        raise OutsideError(failed) from None
    looked = {str(one.get("Class")) for one in results if one.get("Packages")}
    if missing := sorted(classes - looked):
        raise OutsideError(f"{path}: the scanner looked at no {' and no '.join(missing)}, and that is no pass")
    found = [_finding(one) for part in results for one in part.get("Vulnerabilities") or []]
    return sorted(set(found), key=lambda one: (one.id, one.package, one.installed))


def _finding(told: Any) -> Finding:
    names = ("VulnerabilityID", "PkgName", "InstalledVersion", "FixedVersion", "Severity")
    return Finding(*(str(told.get(name) or "") for name in names))


def ignored(path: Path) -> list[Ignored]:
    """Read what may stand for a time.

    Raises Refusal when an entry lacks a word or stands for longer than LONGEST, or where the scanner has a list of its
    own: nobody stands behind what that leaves out, and it never expires.
    """
    if own := [name for name in OWN if (ROOT / name).exists()]:
        raise Refusal(f"{own[0]} lets the scanner leave findings out; name them in {path.name} instead, and remove it")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("ignored", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Refusal(f"{path.name} cannot be read: {error}") from error
    for number, entry in enumerate(entries, 1):
        what = f"{path.name}, entry {number}"
        if not isinstance(entry, dict) or set(entry) != WORDS:
            raise Refusal(f"{what}: it needs {', '.join(sorted(WORDS))} and nothing else")
        if not all(isinstance(entry[word], str) and entry[word].strip() for word in WORDS - {"expires"}):
            raise Refusal(f"{what}: id, package, owner and reason are texts that say something")
        if type(entry["expires"]) is not date:
            raise Refusal(f"{what}: expires must be a date, as 2026-12-31")
        if entry["expires"] - today() > LONGEST:
            raise Refusal(f"{what}: it stands for more than {LONGEST.days} days; nobody would look at it again")
    return [Ignored(**entry) for entry in entries]


def judge(image: list[Finding], base: list[Finding], let: list[Ignored]) -> list[tuple[Finding, str]]:
    """Give each critical finding and expired entry its verdict; one that begins with BLOCKED is red."""
    of_base = {finding.place for finding in base}
    entries = {(one.id, one.package): one for one in let}
    told: list[tuple[Finding, str]] = []
    for finding in (one for one in image if one.severity == BLOCKS):
        entry = entries.get(finding.key)
        if finding.place in of_base:
            verdict = "of the base: a newer one mends it" if finding.fixed else "of the base: nobody has mended it yet"
        elif not finding.fixed:
            verdict = "nobody has mended it yet"
        elif entry and entry.expires >= today():
            verdict = f"let pass until {entry.expires} by {entry.owner}: {entry.reason}"
        else:
            verdict = f"BLOCKED: update {finding.package} to {finding.fixed}"
        told.append((finding, verdict))
    for entry in let:
        if entry.expires < today():
            stale = Finding(entry.id, entry.package, "", "", "")
            told.append((stale, f"BLOCKED: its entry expired on {entry.expires}; remove it, or decide anew"))
    return told


def table(told: Sequence[tuple[Finding, str]], counts: dict[str, int]) -> str:
    """Show the verdicts as Markdown."""
    red = sum(verdict.startswith("BLOCKED") for _, verdict in told)
    head = f"Scan: {red or 'nothing'} blocks. " + ", ".join(f"{count} {word}" for word, count in counts.items()) + "."
    if not told:
        return head
    rows = [
        " | ".join(map(cell_text, (one.id, one.package, one.installed, one.fixed, verdict))) for one, verdict in told
    ]
    heads = ["| finding | package | installed | mended in | verdict |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([head, "", *heads, *(f"| {row} |" for row in rows)])


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Judge a scan."""
    options = parser(__doc__)
    options.add_argument("--image", type=Path, default=BUILD / "image/scan.json", help="trivy's JSON of the image")
    options.add_argument("--base", type=Path, default=BUILD / "image/base.json", help="trivy's JSON of its base")
    given = options.parse_args(argv)
    let = ignored(IGNORED)
    image = findings(given.image, {"os-pkgs", "lang-pkgs"})
    base = findings(given.base, {"os-pkgs"})
    told = judge(image, base, let)
    for finding, verdict in told:
        if verdict.startswith("BLOCKED"):
            log(f"infra.scan: {finding.id} in {finding.package} {finding.installed}: {verdict}")
    severities = [one.severity.lower() for one in image]
    counts = {word: severities.count(word) for word in ("critical", "high", "medium", "low", "unknown")}
    result(table(told, counts))
    return NO if any(verdict.startswith("BLOCKED") for _, verdict in told) else YES


if __name__ == "__main__":
    raise SystemExit(main())
