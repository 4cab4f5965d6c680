"""Runs the repository's own workflows under act, in host mode: no engine, no network, no action of others.

What runs is a copy of the working tree. Each action that a workflow pins is replaced, under the very commit, by a
stand-in of one Python step (stand_ins/). Steps run as the caller on this machine, so they get a small environment of
their own, and `make setup` finds the environment of the tests instead of installing one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.github.tree import ROOT, Tree, read_texts
from tests.ports import free_port

STAND_INS = {
    "actions/upload-artifact": "upload.py",
    "actions/download-artifact": "download.py",
    "actions/setup-python": "setup_python.py",
    "docker/build-push-action": "build_push.py",
    "anchore/sbom-action": "sbom.py",
    "aquasecurity/trivy-action": "trivy.py",
}
OUTPUTS = {"docker/build-push-action": ["digest"]}  # that later steps read
BUILT_IN = "actions/checkout"  # act copies the working tree itself
ONE_TEST = "tests/github/test_rules.py::test_the_table_of_pins_is_read"  # what `make test` runs inside a run
PART = "1/4"  # the part of the tests that a file is in which is alone
TOKEN = "a-token-of-the-tests"
COMMIT = ["git", "-c", "user.name=tests", "-c", "user.email=tests@example.invalid", "commit", "-qm", "Copy"]


@dataclass
class Run:
    """What one run did. Jobs are named "job", or "caller/job" inside a called workflow."""

    code: int
    log: str
    artifacts: Path  # one folder an artifact
    jobs: dict[str, str] = field(default_factory=dict)  # success, failure or skipped; absent: never came up
    steps: dict[str, list[str]] = field(default_factory=dict)  # the steps that ran, as "step: result", in order
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)  # of the steps, by job
    summaries: dict[str, str] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)  # what went to actions that are only noted

    def read(self, entry: dict[str, Any]) -> None:
        """Take in the log up to its end; `entry` is the workflow that was started."""
        callers = {job["name"]: job_id for job_id, job in entry["jobs"].items() if "uses" in job}
        for line in self.log.splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if "jobID" not in event:
                continue
            caller = callers.get(event["job"].split("/")[0].strip())
            job = f"{caller}/{event['jobID']}" if caller else event["jobID"]
            if "jobResult" in event:
                self.jobs[job] = event["jobResult"]
            if "stepResult" in event and event.get("stage") == "Main" and len(event["stepID"]) == 1:
                self.steps.setdefault(job, []).append(f"{event['step']}: {event['stepResult']}")
            if event.get("command") == "set-output":
                self.outputs.setdefault(job, {})[event["name"]] = event["arg"]
            if event.get("command") == "summary":
                self.summaries[job] = self.summaries.get(job, "") + event["content"]

    def said(self) -> str:
        """Give what the steps printed, for a test that looks for a sentence."""
        events = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return "".join(event["msg"] for event in events if event.get("raw_output"))


def absent() -> str | None:
    """Say why act cannot run here, or None."""
    if os.environ.get("ACT"):
        return "this is a run of act already"
    if shutil.which("act", path=str(Path(sys.prefix, "bin"))) is None:
        return "act is not installed beside this python; `make setup` installs it"
    return None


def stale() -> str | None:
    """Say why the jobs would install something, or None: they share the environment of the tests."""
    # a copy's files are new: a setup that goes by their time, not by the lock's checksum, would clear this environment
    question = ["make", "--question", "--assume-new=requirements.txt", "setup", f"VENV={sys.prefix}"]
    if subprocess.run(question, cwd=ROOT, capture_output=True).returncode:
        return "this python's environment is not the lock's; `make setup` makes one that is"
    return None


def copy_tree(target: Path) -> Path:
    """Copy the working tree with what is not committed yet, without what git ignores."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def approved(checkout: Path, forge: str) -> Path:
    """Let promotion ask the API at `forge` who approved, and the doctor what there is.

    Act knows the platform's own address only.
    """
    api, name = f"          GITHUB_API_URL: {forge}\n", "          GITHUB_REPOSITORY: owner/name\n"
    token = "          GITHUB_TOKEN: ${{ github.token }}\n"
    for file in ("promote", "production"):
        path = checkout / f".github/workflows/{file}.yml"
        steps = path.read_text().split(token)
        given = [
            api + name if "train.promote" in step else api for step in steps[1:]
        ]  # a save is for the remote itself
        assert any("train.promote" in step for step in steps)
        path.write_text(steps[0] + "".join(told + token + step for told, step in zip(given, steps[1:], strict=True)))
    for script in ("infra/approved.py", "train/approval.py"):
        path = checkout / script
        path.write_text(path.read_text().replace("Forge()", 'Forge("owner/name")'))
    path = checkout / ".github/workflows/production.yml"
    token, told = 'env: { GITHUB_TOKEN: "${{ github.token }}"', path.read_text()
    assert (2, 2) == (told.count("infra.release"), told.count(token))
    path.write_text(told.replace(token, f'{token}, GITHUB_API_URL: "{forge}", GITHUB_REPOSITORY: owner/name'))
    path = checkout / ".github/workflows/doctor.yml"
    token, told = 'GITHUB_TOKEN: "${{ github.token }}"', path.read_text()
    assert ["infra.doctor" in told, "infra.advise" in told, told.count(token)] == [True, True, 2]
    path.write_text(told.replace(token, f'{token}, GITHUB_API_URL: "{forge}", GITHUB_REPOSITORY: owner/name'))
    return checkout


def run_act(
    checkout: Path,
    scratch: Path,
    workflow: str,
    event: str,
    payload: dict[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
    *,
    hub: str,
) -> Run:
    """Run one workflow of `checkout` to its end, and end what its steps left running; `scratch` is an empty folder.

    `variables` are those of the repository, `hub` is the address of the registry that its images go to.
    """
    _stand_in_for_engine_and_hub(checkout, hub)
    environment = _environment(scratch) | _cluster(checkout, scratch)
    if "DEPLOY_TARGET" in (variables or {}):  # its environment's secret, which act does not know of
        environment["KUBECONFIG"] = str(scratch / "kubeconfig")
    for path in checkout.glob(".github/workflows/*.yml"):
        text = re.sub(r"\n +queue: .*", "", path.read_text())  # act's schema does not know it yet
        path.write_text(text)
    subprocess.run(["git", "init", "-qb", "main"], cwd=checkout, check=True)
    remote = checkout.with_name("owner") / "name.git"  # outlives a run, as the platform's repository does
    if not remote.exists():
        subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=checkout, check=False, capture_output=True)
    if (checkout / "config.py").exists():
        proposed = (checkout / "config.py").read_text()
        shutil.copy2(ROOT / "config.py", checkout / "config.py")  # what a test changed is a proposal to this
        for git in (["git", "add", "config.py"], COMMIT):
            subprocess.run(git, cwd=checkout, check=True)
        (checkout / "config.py").write_text(proposed)
    for git in (["git", "add", "-A"], COMMIT):
        subprocess.run(git, cwd=checkout, check=True)
    (scratch / "home").mkdir(parents=True)
    (scratch / "event.json").write_text(json.dumps(payload or {}))
    command: list[str | Path] = ["act", event, "-C", checkout, "-W", f".github/workflows/{workflow}"]
    command += ["-e", scratch / "event.json"]
    command += ["-s", f"GITHUB_TOKEN={TOKEN}"]  # what `github.token` is; no action of others sees it
    for name, value in (variables or {}).items():
        command += ["--var", f"{name}={value}"]
    command += ["--matrix", f"part:{PART}", "--json", "-v", "--pull=false"]
    command += ["--no-cache-server", "--concurrent-jobs", "1"]
    command += ["--action-cache-path", scratch / "cache", "-P", "ubuntu-latest=-self-hosted"]
    for option in ("--env-file", "--secret-file", "--var-file", "--input-file"):  # else act reads .env, .secrets, ...
        command += [option, os.devnull]
    command += _stand_ins(checkout, scratch / "stand-ins")
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
    finally:
        if Path(environment["GATEHOUSE_HOME"]).exists():  # a deployment outlives the job that made it
            remove = [sys.executable, "-m", "infra.deploy", "--environment", "local", "--remove"]
            subprocess.run(remove, cwd=checkout, env=environment, check=True)
    run = Run(done.returncode, done.stdout, scratch / "artifacts")
    run.read(yaml.safe_load((checkout / ".github/workflows" / workflow).read_text()))
    if (scratch / "calls.jsonl").exists():
        run.calls = [json.loads(line) for line in (scratch / "calls.jsonl").read_text().splitlines()]
    return run


def _stand_in_for_engine_and_hub(checkout: Path, host: str) -> None:
    """Let images go to a registry in this process, and nothing be asked of an engine: there is none here.

    The repository has capitals, as registries do not; act has a path for it.
    """
    labels, stage = checkout / "infra/labels.py", checkout / ".github/workflows/stage-4-image.yml"
    if labels.exists():
        labels.write_text(labels.read_text().replace('KEEPER = "ghcr.io"', f'KEEPER = "{host}"'))
        stand_in = Path(__file__).parent / "stand_ins/measure.py"
        action = checkout / ".github/actions/image/action.yml"
        action.write_text(action.read_text().replace("${{ github.repository }}", "Org/My_Repo"))
        before, measure, after = stage.read_text().partition("python -m infra.measure --image service:judged")
        assert measure
        stage.write_text(f"{before}python '{stand_in}'{after}")


def _environment(scratch: Path) -> dict[str, str]:
    """Make the environment of the steps: nothing of the caller's but where the programs are."""
    port = free_port()
    return {
        "PATH": os.pathsep.join([str(Path(sys.prefix, "bin")), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(scratch / "home"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",  # steps run under a pty; nothing may page or colour
        "NO_COLOR": "1",
        "PAGER": "cat",
        "VENV": sys.prefix,
        "ENGINE": "none",  # the service is a process that this run can end, on a port of its own
        "GATEHOUSE_PORT": str(port),
        "GATEHOUSE_HOME": str(scratch / "service"),
        "PYTEST_ADDOPTS": f"-p no:cacheprovider {ONE_TEST}",
        "PYTEST_XDIST_AUTO_NUM_WORKERS": "1",
        "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache"),  # lint looks at the same files here as there
        "RUFF_CACHE_DIR": str(scratch / "ruff"),
        "ARTIFACTS": str(scratch / "artifacts"),
        "CALLS": str(scratch / "calls.jsonl"),
    }


def _cluster(checkout: Path, scratch: Path) -> dict[str, str]:
    """Make a cluster for kubectl to find, in a file that outlives the run; its pods are the real service."""
    state = checkout.with_name("cluster") / "state.json"
    state.parent.mkdir(exist_ok=True)
    if not state.exists():
        state.write_text(json.dumps({"objects": {}, "images": {}, "faults": {}, "calls": [], "count": 0}))
    program = scratch / "bin/kubectl"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {ROOT}/tests/infra/kube/fake_kubectl.py "$@"\n')
    program.chmod(0o755)
    asked = checkout / "infra/kube/kubectl.py"
    if asked.exists():
        asked.write_text(
            asked.read_text().replace('shutil.which("kubectl")', 'shutil.which(os.environ.get("FAKE_KUBECTL", ""))')
        )
    return {
        "FAKE_CLUSTER": str(state),
        "FAKE_KUBECTL": str(program),
        "FAKE_BUNDLES": os.pathsep.join(["build/model", "build/brought", "build/rollback"]),  # of the job
        "FAKE_SERVICE": "serve.app",
        "REAL_KUBECTL": str(Path(sys.prefix, "bin/kubectl")),
    }


def _stand_ins(checkout: Path, folder: Path) -> list[str | Path]:
    """Write a stand-in for every pinned action, and give act's options that put it in the action's place."""
    wanted: dict[str, set[str]] = {}
    for _, step in Tree(read_texts(checkout)).steps():
        if "@" in step.get("uses", "") and not step["uses"].startswith(BUILT_IN):
            wanted.setdefault(step["uses"], set()).update(step.get("with", {}))
    options: list[str | Path] = []
    for use, inputs in wanted.items():
        root = folder / use.replace("/", "+")
        root.mkdir(parents=True)
        (root / "action.yml").write_text(yaml.safe_dump(_stand_in(use.partition("@")[0], inputs)))
        options += ["--local-repository", f"{use}={root}"]
    return options


def _stand_in(action: str, inputs: set[str]) -> dict[str, Any]:
    """Make an action of one step; each input reaches its script as WITH_<NAME>."""
    script = Path(__file__).parent / "stand_ins" / STAND_INS.get(action, "record.py")
    given = {f"WITH_{name.replace('-', '_').upper()}": f"${{{{ inputs.{name} }}}}" for name in inputs}
    step = {"id": "it", "run": f"python '{script}'", "shell": "bash", "env": {**given, "ACTION": action}}
    told = {
        name: {"description": name, "value": f"${{{{ steps.it.outputs.{name} }}}}"} for name in OUTPUTS.get(action, [])
    }
    return {
        "name": action,
        "description": "a stand-in",
        "inputs": {name: {"description": name} for name in inputs},
        "outputs": told,
        "runs": {"using": "composite", "steps": [step]},
    }
