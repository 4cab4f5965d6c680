"""Break the gates' code bit by bit: a test has to notice each break, or tests/mutants.toml says why none can.

Usage: make mutants

Reads   [tool.mutmut] of pyproject.toml: which modules, which tests; tests/mutants.toml: the explained survivors.
Prints  a table of modules with mutants, killed, survivors that only change words, explained and unexplained ones.
Exits   0 every survivor is explained, 1 one is not, or an explanation fits no survivor, 2 the run itself failed.

It works in build/mutants, a copy; mutmut forks a process a mutant, so heavy imports are paid once.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build/mutants"
KILLED, SURVIVED, UNTESTED = "killed", "survived", "no test runs it"
CODES = {0: SURVIVED, 33: UNTESTED, 34: UNTESTED}  # mutmut's exit codes of a mutant; any other kills it
STRING = re.compile(r"""[rbf]*("[^"\n]*"|'[^'\n]*')""", re.IGNORECASE)

DIFFERENCES = """
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
json.dump({name: get_diff_for_mutant(name) for name in json.load(sys.stdin)}, sys.stdout)
"""

Break = tuple[str, str, str]  # module and function, the line as it was, the line as it became


def prepare() -> None:
    """Copy what git knows of the working tree."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)


def mutmut(*arguments: str) -> str:
    """Run mutmut in the copy; return what it prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # a process a core: threads of their own would only wait
    done = subprocess.run(command, cwd=COPY, env=alone, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        print("\n".join(re.split(r"[\r\n]", done.stdout)[-40:]), file=sys.stderr)
        raise SystemExit(2)
    return done.stdout


def outcomes() -> dict[str, str]:
    """Tell what came of each mutant, by mutmut's name of it."""
    found = {}
    for path in sorted((COPY / "mutants").rglob("*.meta")):
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items():
            found[name] = CODES.get(code, KILLED)
    return found


def module_of(name: str) -> str:
    """Name the module of a mutant."""
    return re.sub(r"\.x[_ǁ].*", "", name)


def differences(names: list[str]) -> dict[str, Break]:
    """Tell what each mutant changed."""
    done = subprocess.run(
        [sys.executable, "-c", DIFFERENCES],
        cwd=COPY,
        input=json.dumps(names),
        text=True,
        capture_output=True,
        check=True,
    )
    found = {}
    for name, text in json.loads(done.stdout).items():
        lines = text.splitlines()[2:]
        was, became = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
        found[name] = (re.sub(r"__mutmut_\d+$", "", name), was, became)
    return found


def only_words(one: Break, words: set[str]) -> bool:
    """Tell whether a mutant only changes a sentence that people read: more than one word, no verdict hangs on it."""
    _, was, became = one
    if STRING.sub('""', was) != STRING.sub('""', became):
        return False
    changed = [
        text
        for text, other in zip(STRING.findall(was), STRING.findall(became), strict=True)
        if text != other and text[1:-1] not in words
    ]
    return bool(changed) and all(" " in text for text in changed)


def spoken(words: set[str], module: str) -> set[str]:
    """Collect the texts that a module compares: they decide, whatever they read like."""
    tree = ast.parse((COPY / (module.replace(".", "/") + ".py")).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            words |= {
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            }
    return words


def main() -> int:
    """Run the script."""
    prepare()
    mutmut("run")
    table: dict[str, Counter[str]] = {}
    explained = {
        (one["function"], one["was"], one["became"]): one["why"]
        for one in tomllib.loads((ROOT / "tests/mutants.toml").read_text()).get("survivor", [])
    }
    used, open_ones = set(), []
    found = outcomes()
    changed = differences([name for name, outcome in found.items() if outcome != KILLED])
    for name, outcome in found.items():
        module = module_of(name)
        counted = table.setdefault(module, Counter())
        counted["mutants"] += 1
        if outcome == KILLED:
            counted[KILLED] += 1
            continue
        one = changed[name]
        if only_words(one, spoken(set(), module)):
            counted["words"] += 1
        elif one in explained:
            counted["explained"] += 1
            used.add(one)
        else:
            counted["unexplained"] += 1
            open_ones.append((outcome, one))
    heads = ("mutants", KILLED, "words", "explained", "unexplained")
    table["all"] = sum(table.values(), Counter())
    print("| module | " + " | ".join(heads) + " |\n|" + " --- |" * (len(heads) + 1))
    for module, counted in table.items():
        print(f"| {module} | " + " | ".join(str(counted[head]) for head in heads) + " |")
    for outcome, (function, was, became) in open_ones:
        print(f"\n[[survivor]]  # {outcome}\nfunction = {json.dumps(function, ensure_ascii=False)}", file=sys.stderr)
        print(f"was = {json.dumps(was)}\nbecame = {json.dumps(became)}\nwhy = ", file=sys.stderr)
    for function, was, became in sorted(explained.keys() - used):
        print(f"tests/mutants.toml explains what does not survive: {function}: {was} -> {became}", file=sys.stderr)
    return 1 if open_ones or explained.keys() - used or not table["all"][KILLED] else 0


if __name__ == "__main__":
    raise SystemExit(main())
