"""The Dockerfile: what hadolint knows, and the rules of this house that it does not."""

import ast
import re
import subprocess

import pytest

from infra import image
from serve.runtime import LIBRARIES
from validation.script import ROOT

TEXT = (ROOT / image.DOCKERFILE).read_text()


def instructions(text):
    """Split a Dockerfile into (word, rest), comments dropped, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def faults(text):
    """Name what breaks a rule."""
    steps = instructions(text)
    words = dict(steps)
    users = [rest for word, rest in steps if word == "USER"]
    bases = [rest for word, rest in steps if word == "ARG" and re.match(r"\w+_IMAGE=", rest)]
    stages = [rest.split()[0] for word, rest in steps if word == "FROM"]
    laid = steps[max(place for place, (word, _) in enumerate(steps) if word == "FROM") :]
    rules = {
        "both images are pinned by tag and digest": len(bases) == 2
        and all(re.search(r"=[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$", base) for base in bases),
        "pip has an image of its own, all else is the base": stages == ["${BUILD_IMAGE}", *["${BASE_IMAGE}"] * 3],
        "no step needs a shell": all(re.fullmatch(r"\[.*\]", rest) for word, rest in steps if word == "RUN"),
        "what is laid on the base comes packed, over the root": {
            re.fullmatch(r"--from=(packed|sealed) /layers/\w+ /", rest) is not None
            for word, rest in laid
            if word in ("COPY", "ADD", "RUN")
        }
        == {True},
        "the user is a number and not root": users and re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]),
        "the bundle comes last": steps[-1] == ("COPY", "--from=sealed /layers/bundle /"),
        "the entry point is in exec form": words.get("ENTRYPOINT") == '["python", "-m", "serve.app"]',
        "the health check needs no shell and no curl": "HEALTHCHECK" in words
        and re.search(r'CMD \["python"', words["HEALTHCHECK"]),
        "no frontend is pulled, and the classic builder understands it": not re.search(
            r"^# *syntax=|--link|--mount|--chmod|<<", text, re.MULTILINE
        ),
        "hashes are demanded": "--require-hashes" in text,
        "no secret and no download by the builder": "ADD" not in words and "--build-arg" not in text,
        "no ENV hides an ARG": not {
            part.split("=")[0] for word, rest in steps if word == "ENV" for part in rest.split()
        }
        & {rest.split("=")[0] for word, rest in steps if word == "ARG"},
    }
    return [rule for rule, kept in rules.items() if not kept]


def test_the_dockerfile_keeps_the_rules():
    """Pinned, unprivileged, exec form, the bundle last, any builder."""
    assert [] == faults(TEXT)


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        (r"@sha256:\w+", "", "both images are pinned by tag and digest"),
        (r"(ARG BASE_IMAGE=\S+)@sha256:\w+", "ARG BASE_IMAGE=a:b", "both images are pinned by tag and digest"),
        (r"FROM \$\{BASE_IMAGE\}\n", "FROM python:3.11\n", "pip has an image of its own, all else is the base"),
        (r"FROM \$\{BASE_IMAGE\}\n", "FROM ${BUILD_IMAGE}\n", "pip has an image of its own, all else is the base"),
        (r'RUN \["python", "-B", "/packing.py", "/layers/bundle"\]', "RUN python /packing.py", "no step needs a shell"),
        (
            r"COPY --from=packed /layers/service /",
            "COPY serve serve",
            "what is laid on the base comes packed, over the root",
        ),
        (
            r"/layers/service /\n",
            "/layers/service/service /service\n",
            "what is laid on the base comes packed, over the root",
        ),
        (r"USER 10001:10001\nEXPOSE", "USER service\nEXPOSE", "the user is a number and not root"),
        (r"USER 10001:10001\nEXPOSE", "USER 0\nEXPOSE", "the user is a number and not root"),
        (r"\Z", "RUN true\n", "the bundle comes last"),
        (r'POINT \["python", "-m", "serve.app"\]', "POINT python -m serve.app", "the entry point is in exec form"),
        (r"HEALTHCHECK .*\n.*\n", "", "the health check needs no shell and no curl"),
        (r"\A", "# syntax=docker/dockerfile:1\n", "no frontend is pulled, and the classic builder understands it"),
        (r"COPY --from", "COPY --link --from", "no frontend is pulled, and the classic builder understands it"),
        (r'"--require-hashes", ', "", "hashes are demanded"),
        (r"ENV HOST", "ENV BUNDLE=/bundle HOST", "no ENV hides an ARG"),
    ],
)
def test_each_rule_turns_red(good, bad, rule):
    """A Dockerfile that breaks one rule is found by that rule."""
    broken, changes = re.subn(good, lambda _: bad, TEXT, count=1)
    assert changes == 1
    assert rule in faults(broken)


def test_hadolint_is_silent():
    """No finding, and no rule is switched off."""
    done = subprocess.run(["hadolint", ROOT / image.DOCKERFILE], capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stdout)
    assert "hadolint ignore" not in TEXT


def test_hadolint_sees_faults(tmp_path):
    """The linter is alive: a moving base, and apt lists kept, are found."""
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN apt-get install curl\n")
    done = subprocess.run(["hadolint", tmp_path / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 1


def test_the_image_can_import_what_it_holds():
    """No module in the image leans on a room that stays outside."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    outside = {ROOT / name for name in ignored}
    inside = [path for path in (ROOT / "serve").rglob("*.py") if outside.isdisjoint({path, *path.parents})]
    assert {"app.py", "model.py", "around.py"} <= {path.name for path in inside}
    for path in inside:
        for node in ast.walk(ast.parse(path.read_text())):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in found:
                assert module.split(".")[0] not in ("train", "validation", "infra", "config"), f"{path}: {module}"
                assert f"{module.replace('.', '/')}.py" not in ignored, f"{path}: {module} is not in the image"


def pins(name):
    """Read the versions of a lock."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


def test_the_image_that_ships_holds_what_the_other_holds_and_arrow():
    """One set of versions, which the tests run; the lean one has none of what ships."""
    shipping, lean, tested = map(
        pins, ("serve/remembered/requirements.txt", "serve/requirements.txt", "requirements.txt")
    )
    assert {"pyarrow", "fsspec"} == shipping.keys() - lean.keys()
    assert lean.items() <= shipping.items() <= tested.items()


def test_the_image_that_runs_pipelines_holds_what_the_other_holds_and_scikit_learn():
    """One set of versions, which training uses; the lean one has nothing of it."""
    running, lean, tested = map(pins, ("serve/skops/requirements.txt", "serve/requirements.txt", "requirements.txt"))
    more = running.keys() - lean.keys()
    assert {"joblib", "pandas", "scikit-learn", "scipy", "skops", "threadpoolctl"} <= more
    assert {"pyarrow", "mlflow", "skl2onnx", "onnx"}.isdisjoint(more)
    assert lean.items() <= running.items() <= tested.items()


def test_the_dockerfile_takes_the_lock_that_a_runtime_needs():
    """The lean one unless it is told another; each travels to the builder, what it is compiled from does not."""
    assert f"ARG LIBRARIES={LIBRARIES['onnx']}\n" in TEXT
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for lock in LIBRARIES.values():
        assert lock not in ignored
        assert lock.replace(".txt", ".in") in ignored
