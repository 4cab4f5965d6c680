"""What `make lint` says about workflows and shell: each linter finds a flaw planted for it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.github.act import copy_tree
from tests.github.tree import ROOT, dry_run

PIPELINE = ".github/workflows/pipeline.yml"
TESTS = ".github/workflows/tests.yml"
SETUP = ".github/actions/setup/action.yml"
DEPENDABOT = ".github/dependabot.yml"
COMPOSE = "infra/compose.yaml"

# the line of `make lint`, the file, what is changed in it, and what the linter says then
FLAWS = [
    ("zizmor", TESTS, r"run: make lint", "run: echo ${{ github.event.head_commit.message }}", "template-injection"),
    ("zizmor", TESTS, r"    name: Tests\n", "", "anonymous-definition"),  # only the pedantic persona says so
    ("zizmor", PIPELINE, r"runs-on: ubuntu-latest", "runs-on: [", "pipeline.yml"),  # only the strict collection says so
    ("actionlint", PIPELINE, r"outputs\.model-version", "outputs.model-versoin", "model-versoin"),
    ("check-jsonschema .*github-workflows", TESTS, r"timeout-minutes: \d+", "timeout-minutes: soon", "soon"),
    ("check-jsonschema .*github-actions", SETUP, r"using: \w+", "using: magic", "magic"),
    ("check-jsonschema .*dependabot", DEPENDABOT, r"interval: \w+", "interval: hourly", "hourly"),
    ("check-jsonschema .*compose-spec", COMPOSE, r"restart: unless-stopped", "restarts: always", "restarts"),
    ("shellcheck", ".ci/run", r"\Z", "\nrm -rf $UNQUOTED/*\n", "SC2086"),
]


@pytest.fixture(scope="module")
def lint() -> list[str]:
    """The commands of `make lint`."""
    return dry_run(ROOT, "lint").splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the working tree that git knows."""
    copy_tree(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


@pytest.mark.parametrize(("linter", "path", "pattern", "text", "finding"), FLAWS)
def test_the_linter_is_wired_and_finds_the_flaw(
    lint: list[str], checkout: Path, linter: str, path: str, pattern: str, text: str, finding: str
) -> None:
    """The line that `make lint` runs is silent on the tree as it is, and red on the same tree with the flaw."""
    lines = [line for line in lint if re.match(rf"(\S*/)?{linter}\b", line)]
    assert len(lines) == 1, f"`make lint` runs {linter} {len(lines)} times"
    assert 0 == run(lines[0], checkout).returncode
    flawed, count = re.subn(pattern, text, (checkout / path).read_text(), count=1)
    assert count, "the flaw found no place"
    (checkout / path).write_text(flawed)
    red = run(lines[0], checkout)
    assert 0 != red.returncode
    assert finding in red.stdout


def test_inputs_of_actions_are_ones_that_the_actions_know(checkout: Path) -> None:
    """Under their tags, the pinned actions are known to actionlint; it refuses an input that they do not have."""
    workflows = sorted((checkout / ".github/workflows").glob("*.yml"))
    for path in workflows:
        path.write_text(re.sub(r"@[0-9a-f]{40} # (v\d+)\.\S+", r"@\1", path.read_text()))
    assert (0, "") == ((done := run("actionlint", checkout)).returncode, done.stdout)
    workflows[0].write_text(workflows[0].read_text().replace("persist-credentials", "persist-credential"))
    assert 'input "persist-credential" is not defined' in run("actionlint", checkout).stdout


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one command of the Makefile in a folder, with the linters that stand beside this python."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    command = ["bash", "-c", f"PATH={shlex.quote(path)}; {line}"]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
