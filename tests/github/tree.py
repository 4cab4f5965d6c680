"""What the rules look at: the YAML under .github, the Makefile's commands and the scripts, as plain text."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("train", "validation", "serve", "infra")
WORKFLOWS = ".github/workflows/"
ACTIONS = ".github/actions/"
COMMAND = re.compile(rf"python[\d.]* -m ((?:{'|'.join(ROOMS)})\.\w+)")
Yaml = dict[str, Any]


@dataclass(frozen=True)
class Tree:
    """A repository as texts by path; a broken sample is a few lines of them."""

    texts: Mapping[str, str]
    make: str = ""  # what `make --dry-run` of every target prints
    pins: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # action -> (tag, commit)

    @cached_property
    def documents(self) -> dict[str, Yaml]:
        """Every YAML file, parsed; each scalar stays a string, and so does the key `on`."""
        return {
            path: yaml.load(text, yaml.BaseLoader)  # noqa: S506  BaseLoader makes strings, lists and dicts only
            for path, text in self.texts.items()
            if path.endswith(".yml")
        }

    @property
    def workflows(self) -> dict[str, Yaml]:
        """The workflows by file name."""
        return {path.removeprefix(WORKFLOWS): it for path, it in self.documents.items() if path.startswith(WORKFLOWS)}

    @property
    def entries(self) -> dict[str, Yaml]:
        """The workflows that an event starts."""
        return {
            name: it for name, it in self.workflows.items() if not {"workflow_call", "workflow_run"} & set(it["on"])
        }

    @property
    def buttons(self) -> dict[str, Yaml]:
        """The workflows that only a person starts: no merge waits for their check."""
        return {name: it for name, it in self.entries.items() if set(it["on"]) == {"workflow_dispatch"}}

    @property
    def followers(self) -> dict[str, Yaml]:
        """The workflows that the end of another one starts: with rights of their own, beside data of strangers."""
        return {name: it for name, it in self.workflows.items() if "workflow_run" in it["on"]}

    @property
    def actions(self) -> dict[str, Yaml]:
        """The local actions by folder."""
        return {
            path.removeprefix(ACTIONS).rpartition("/")[0]: it
            for path, it in self.documents.items()
            if path.startswith(ACTIONS)
        }

    def jobs(self) -> Iterator[tuple[str, str, Yaml]]:
        """Give (file, id, job) for every job."""
        for name, workflow in self.workflows.items():
            for job_id, job in workflow["jobs"].items():
                yield name, job_id, job

    def steps(self) -> Iterator[tuple[str, Yaml]]:
        """Give (where, step) for every step of every job and local action."""
        for name, job_id, job in self.jobs():
            for step in job.get("steps", []):
                yield f"{name}, {job_id}", step
        for name, action in self.actions.items():
            for step in action["runs"]["steps"]:
                yield f"action {name}", step

    def scripts(self) -> set[str]:
        """Name every module that a command line can run, as `python -m` is given it."""
        return {
            path.removesuffix(".py").replace("/", ".")
            for path, text in self.texts.items()
            if path.startswith(ROOMS) and re.search(r"^ *raise SystemExit\(main\(\)\)", text, re.MULTILINE)
        }


def commands(text: str) -> set[str]:
    """Name the scripts that a text of commands runs."""
    return set(COMMAND.findall(text))


def called(job: Yaml) -> str | None:
    """Name the file of the workflow that a job calls."""
    return str(job["uses"]).rpartition("/")[2] if "uses" in job else None


def listed(value: str | list[str] | None) -> list[str]:
    """Give what may be absent, one name or several, as a list."""
    return [value] if isinstance(value, str) else value or []


def read_pins(text: str) -> dict[str, tuple[str, str]]:
    """Read the table of pins: action, tag and commit, separated by tabs."""
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")][1:]
    return {action: (tag, commit) for action, tag, commit in rows}


def read_texts(root: Path) -> dict[str, str]:
    """Read the YAML and the scripts of a checkout."""
    names = [".github/**/*.yml", *(f"{room}/*.py" for room in ROOMS)]
    return {path.relative_to(root).as_posix(): path.read_text() for name in names for path in root.glob(name)}


def read_tree() -> Tree:
    """Read what the rules look at."""
    return Tree(read_texts(ROOT), dry_run(ROOT), read_pins((ROOT / ".github/pins.tsv").read_text()))


def dry_run(root: Path, *targets: str) -> str:
    """Print the commands of the Makefile's targets, of all unless some are named, without running one."""

    def make(*flags: str) -> str:
        alone = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        command = ["make", "--dry-run", *flags]
        return subprocess.run(command, cwd=root, env=alone, capture_output=True, text=True).stdout

    known = re.findall(r"^([\w-]+):", make("--print-data-base", "--question", "help"), re.MULTILINE)
    return make("--always-make", "--keep-going", *targets or sorted(set(known) - {"Makefile"}))
