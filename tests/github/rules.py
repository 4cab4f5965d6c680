"""The house rules of workflows: each takes a tree and gives its findings, one sentence each.

Neither act nor a linter enforces these; some of them GitHub does, at start-up and without a log.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.github.tree import ACTIONS, COMMAND, ROOMS, WORKFLOWS, Tree, Yaml, called, commands, listed

Rule = Callable[[Tree], Iterator[str]]
RULES: list[Rule] = []

ORDER = ["name", "on", "concurrency", "permissions", "env", "jobs"]
SCRIPT = re.compile(rf'python -m (?:{"|".join(ROOMS)})\.\w+(?: [\w./:-]+| "\$[A-Z_]+")*')
MAKE = re.compile(r"make [a-z-]+")
WIRING = re.compile(r' >> "\$GITHUB_(?:OUTPUT|STEP_SUMMARY|PATH)"$')
PLAIN = {
    'test "$GREEN" = true',
    'test "$WAY" = reviewers',
    'test "$REF" = refs/heads/main',
    'realpath "${VENV:-.venv}/bin"',
}  # a verdict and a path: no script would be shorter
CONCURRENT = {"group", "cancel-in-progress", "queue"}
NO_STEP = {
    "train.init", "validation.calibrate", "serve.batch", "serve.key",  # by hand, or by a schedule of the team's own
    "serve.app", "serve.health", "serve.ship", "infra.supervisor",  # the service, and what the image or it starts
    "infra.packing", "infra.image",  # in the image's build; that build on a laptop
    "serve.smoke",  # by hand against any address; a deployment asks the same of a candidate
}  # fmt: skip
NO_TARGET = {
    *("train.store", "train.claim", "infra.comment"),  # from machine to machine; for others' sake; after a run
    *("infra.labels", "infra.sbom", "infra.scan", "infra.publish", "infra.advise"),  # around the platform's own actions
}
LOGIN = re.compile(r"MLFLOW_TRACKING_(USERNAME|PASSWORD): \"?\$\{\{ secrets\.MLFLOW_TRACKING_\1 \}\}\"?")
HELD = re.compile(r"^ +secrets:(?: \{ ,  \})?$", re.MULTILINE)  # the key that held the login, and nothing else
SERVER = (
    "  MLFLOW_TRACKING_URI: ${{ github.event_name != 'pull_request' && github.event_name != 'merge_group'"
    " && vars.MLFLOW_TRACKING_URI || '' }}"
)
DEPLOYERS = {"stage-5-deploy.yml", "production.yml", "rollback.yml"}  # what brings a unit to an environment
WRITERS = {"claim.yml", "record.yml", "publish.yml", "promote.yml", *DEPLOYERS}  # what pushes to the branch
RELEASER = "production.yml"  # what waits for an approval: a group of the whole file would let others wait as well
PUBLISHER = "publish.yml"  # what pushes the image, too, and attests it
DEPLOYER = "stage-5-deploy.yml"  # what the chain ends with
TARGET = re.compile(
    r"(KUBE_CONFIG|SSH_KEY|SERVICE_KEY|STORE_KEYS): \"?\$\{\{ secrets\.\1 \}\}\"?"
)  # of an environment, never of a caller
MAY_WRITE = {("contents", "write"), ("contents", "read"), ("actions", "read")}  # what a writer may ask for
MAY_PUBLISH = {
    ("packages", "write"),
    ("id-token", "write"),
    ("attestations", "write"),
}  # what the publisher may as well
MAY_PULL = {("packages", "read"), ("attestations", "read")}
MAY_FOLLOW = {("contents", "read"), ("actions", "read"), ("pull-requests", "write")}  # what a follower may ask for
LOOKER = "doctor.yml"  # what tells of the place, by all that a job's token may see of it
MAY_LOOK = {("contents", "read"), ("actions", "read"), ("packages", "read"), ("issues", "write")}
MODES = {"reproduce"}  # flags that make a script do another thing: a job may have their word
PROPOSALS = {"pull_request", "merge_group"}  # events whose runs judge what somebody proposes
GATING = {"push", *PROPOSALS}  # events whose checks stand at a commit or proposal; a schedule gates nothing
BASE = "${{ github.event.merge_group.base_sha || 'HEAD^1' }}"  # HEAD^1 is the base of a merge, and of no rebase
HISTORY = "${{ github.event_name == 'merge_group' && 100 || 2 }}"  # commits that have to be there for it
OF_PULL_REQUESTS = re.compile(r"github\.(?:event\.(?:pull_request|number)|base_ref|head_ref)\b")  # a queue has none
PLATFORM_JOBS = {
    "branch",
    "approve",
    "lint",
    "tests",
    "image",
    "push",
    "attest",
    "all-green",
}  # their word is make's or the platform's, not a script's


def rule(function: Rule) -> Rule:
    """Add a rule to those that the whole tree has to keep."""
    RULES.append(function)
    return function


# --- the look of a file ----------------------------------------------------------------------------------------------
@rule
def opens_with_a_header(tree: Tree) -> Iterator[str]:
    """A workflow or action says first what it is, what goes in, what comes out, and who uses it."""
    for path in tree.documents:
        if path.startswith((WORKFLOWS, ".github/actions/")):
            header = re.match(r"(?:#.*\n)*", tree.texts[path])
            for word in ("In:", "Out:", "Who:"):
                if word not in (header.group() if header else ""):
                    yield f"{path}: the header comment has no `{word}`"


@rule
def keeps_the_order(tree: Tree) -> Iterator[str]:
    """name, on, concurrency, permissions, env, jobs, each after one blank line."""
    for name, workflow in tree.workflows.items():
        keys = list(workflow)
        if keys != [key for key in ORDER if key in keys]:
            yield f"{name}: the keys are {', '.join(keys)}; the order is {', '.join(ORDER)}"
        if re.search(r"[^\n]\n(?=(?:on|concurrency|permissions|env|jobs):)|\n\n\n", tree.texts[WORKFLOWS + name]):
            yield f"{name}: one blank line stands between the parts"


@rule
def says_why(tree: Tree) -> Iterator[str]:
    """Every `if:` and every permission has its reason on the same line."""
    for path, text in tree.texts.items():
        for number, line in enumerate(text.splitlines() if path.endswith(".yml") else [], 1):
            granted = re.search(r"\b[a-z-]+: (?:read|write)\b", line)
            if (granted or re.match(r"\s*(?:- )?if:", line)) and not re.search(r" # \w", line):
                yield f"{path}:{number}: no reason on the line of `{line.strip()}`"


# --- steps -----------------------------------------------------------------------------------------------------------
@rule
def runs_one_line(tree: Tree) -> Iterator[str]:
    """A `run:` is one call of a script or of make, wired by `>>` and nothing else."""
    for where, step in tree.steps():
        if "run" in step:
            line = WIRING.sub("", step["run"])
            if not (SCRIPT.fullmatch(line) or MAKE.fullmatch(line) or line in PLAIN):
                yield f"{where}: `{step['run'].strip()}` is no single call of a script or of make"


@rule
def pins_what_it_uses(tree: Tree) -> Iterator[str]:
    """Every action of others is pinned to a commit of the table, its version behind it; the table has no more."""
    seen = set()
    for path, text in tree.texts.items():
        for use, comment in re.findall(r"^ +(?:- )?uses: *([^\s#]+)(.*)", text, re.MULTILINE):
            if use.startswith("./"):
                continue
            action, _, commit = use.partition("@")
            tag = comment.strip().removeprefix("# ")
            seen.add(action)
            if tree.pins.get(action) != (tag, commit):
                yield f"{path}: {use} # {tag} is not in .github/pins.tsv"
    for action in sorted(set(tree.pins) - seen):
        yield f".github/pins.tsv: nothing uses {action}"


@rule
def keeps_no_credentials(tree: Tree) -> Iterator[str]:
    """A checkout leaves no token in the working tree; who pushes hands it to git by the environment."""
    for where, step in tree.steps():
        if step.get("uses", "").startswith("actions/checkout@") and (
            step.get("with", {}).get("persist-credentials") != "false"
        ):
            yield f"{where}: the checkout keeps its credentials"


@rule
def reads_no_secret(tree: Tree) -> Iterator[str]:
    """The chain needs no secret but the login of a team's server, where it has one; nothing inherits all of them."""
    for path, text in tree.texts.items():
        text = HELD.sub("", LOGIN.sub("", text))
        text = TARGET.sub("", text) if path.removeprefix(WORKFLOWS) in DEPLOYERS else text
        trusted = {*tree.followers, *WRITERS, LOOKER, f"{ACTIONS}registry/action.yml"}
        own = r"" if path.removeprefix(WORKFLOWS) in trusted else r"|github\.token"
        if path.endswith(".yml") and re.search(rf"\bsecrets\b{own}", re.sub(r"#.*", "", text)):
            yield f"{path}: reads a secret"


@rule
def hands_no_pull_request_the_server(tree: Tree) -> Iterator[str]:
    """The team's server is named where no pull request runs, its login together with it or not at all."""
    for path, text in tree.texts.items():
        if not path.endswith(".yml"):
            continue
        if any(line != SERVER for line in re.findall(r"^ *MLFLOW_TRACKING_URI:.*", text, re.MULTILINE)):
            yield f"{path}: names the server to a pull request too"
        if _proposed(tree.workflows.get(path.removeprefix(WORKFLOWS), {})) and LOGIN.search(text):
            yield f"{path}: hands a pull request the server's login"
        if SERVER in text and len(re.findall(rf"^  {LOGIN.pattern}$", text, re.MULTILINE)) != 2:
            yield f"{path}: names the server without its login"
    for name, job_id, job in tree.jobs():
        named = SERVER in tree.texts.get(f"{WORKFLOWS}{called(job)}", "")
        if named and not _proposed(tree.workflows[name]) and len(job.get("secrets", {})) != 2:
            yield f"{name}, {job_id}: does not hand on the server's login"


@rule
def closes(tree: Tree) -> Iterator[str]:
    """No failure is tolerated or swallowed."""
    for path, text in tree.texts.items():
        if path.endswith(".yml"):
            for word in re.findall(r"continue-on-error|\|\| *(?:true\b|:)|set \+e", text):
                yield f"{path}: `{word}` lets a gate stand open"


# --- jobs ------------------------------------------------------------------------------------------------------------
@rule
def ends(tree: Tree) -> Iterator[str]:
    """Every job has a time limit on a runner named literally; one that only calls a workflow can have neither."""
    for name, job_id, job in tree.jobs():
        if ("timeout-minutes" in job) == ("uses" in job):
            yield f"{name}, {job_id}: timeout-minutes is {'not allowed with `uses`' if 'uses' in job else 'missing'}"
        if "uses" not in job and job.get("runs-on") != "ubuntu-latest":
            yield f"{name}, {job_id}: runs-on is not the literal ubuntu-latest"


@rule
def asks_for_little(tree: Tree) -> Iterator[str]:
    """A file grants nothing; a job `contents: read` at most, a writer a push, a follower a comment, LOOKER a look."""
    for name, workflow in tree.workflows.items():
        if workflow.get("permissions") != {}:
            yield f"{name}: the file itself grants permissions"
    for name, job_id, job in tree.jobs():
        for scope, level in _granted(job).items():
            writes = name in WRITERS or called(job) in WRITERS
            may = MAY_WRITE if writes else MAY_FOLLOW if name in tree.followers else {("contents", "read")}
            may = MAY_LOOK if LOOKER in (name, called(job)) else may
            may = may | MAY_PUBLISH if PUBLISHER in (name, called(job)) else may
            may = may | MAY_PULL if DEPLOYERS & {name, called(job)} else may
            if (scope, level) not in may:
                yield f"{name}, {job_id}: asks for {scope}: {level}"


@rule
def writes_for_nobody_who_proposes(tree: Tree) -> Iterator[str]:
    """A proposal's run calls no workflow that writes, and only a writer pushes the registry."""
    for name, job_id, job in tree.jobs():
        if name in tree.entries and _proposed(tree.entries[name]) and called(job) in WRITERS:
            yield f"{name}, {job_id}: calls {called(job)}, which writes, for what somebody proposes"
        pushes = any(step.get("with", {}).get("mode") == "push" for step in job.get("steps", []))
        if pushes and name not in WRITERS:
            yield f"{name}, {job_id}: pushes the registry, and is no writer"


@rule
def judges_a_queue_as_a_proposal(tree: Tree) -> Iterator[str]:
    """What a merge queue would merge is judged as a pull request is, against its own base, and as nothing of main's."""
    for name, workflow in tree.entries.items():
        events, proposed = set(workflow["on"]), _proposed(workflow)
        if proposed and events != PROPOSALS:
            yield f"{name}: runs for {', '.join(sorted(events))}; proposals are {' and '.join(sorted(PROPOSALS))}"
        reached = {name, *(called(job) or name for job in workflow["jobs"].values())} if proposed else set()
        for file in sorted(reached & set(tree.workflows)):
            for found in OF_PULL_REQUESTS.findall(tree.texts[WORKFLOWS + file]):
                yield f"{file}: {found} is empty in a merge queue"
        for job_id, job in workflow["jobs"].items():
            takes = called(job) in tree.workflows and _takes_base(tree.workflows[called(job) or ""])
            if takes and job.get("with", {}).get("base-commit", "") != (BASE if proposed else ""):
                yield f"{name}, {job_id}: hands over another base than the one that is judged against"
    for name, job_id, job in tree.jobs():
        for step in job.get("steps", []) if _takes_base(tree.workflows[name]) else ():
            depth = step.get("with", {}).get("fetch-depth")
            known = (depth, tree.workflows[name].get("env", {}).get("HISTORY")) == ("${{ env.HISTORY }}", HISTORY)
            if "actions/checkout@" in step.get("uses", "") and not known:
                yield f"{name}, {job_id}: checks out without the base's commit"


@rule
def writes_for_main_alone(tree: Tree) -> Iterator[str]:
    """A chain that a button starts on any branch looks at the branch before it claims, publishes or deploys."""
    for name, workflow in tree.entries.items():
        jobs = workflow["jobs"]
        looks = [job_id for job_id, job in jobs.items() if 'test "$REF" = refs/heads/main' in str(job.get("steps"))]
        for job_id, job in jobs.items():
            if called(job) in WRITERS and not set(looks) & _before(jobs, job_id):
                yield f"{name}, {job_id}: writes for another branch than main"


@rule
def publishes_one_way(tree: Tree) -> Iterator[str]:
    """One workflow pushes images, by digest alone; a job that runs nothing of ours signs, where the plan has it."""
    for name, job_id, job in tree.jobs():
        pushes = [step for step in job.get("steps", []) if step.get("with", {}).get("push") == "true"]
        if pushes and name != PUBLISHER:
            yield f"{name}, {job_id}: pushes an image, and is not {PUBLISHER}"
        granted = _granted(job)
        signs = any(step.get("uses", "").startswith("actions/attest@") for step in job.get("steps", []))
        if "uses" not in job and (granted.get("id-token") == "write") != signs:
            yield f"{name}, {job_id}: a token to sign by is for the job that signs"
        if signs and any("run" in step or step.get("uses", "").startswith("./") for step in job["steps"]):
            yield f"{name}, {job_id}: signs beside code of ours"
        if signs and job.get("if") != "github.event.repository.visibility == 'public'":
            yield f"{name}, {job_id}: asks for attestations where the plan may not have them, or not where it has"
    for where, step in tree.steps():
        given = step.get("with", {})
        if step.get("uses", "").startswith("docker/build-push-action@"):
            if "push-by-digest=true" not in given.get("outputs", "") or {"push", "tags", "load"} & given.keys():
                yield f"{where}: an image is pushed by its digest, and by no tag"
            if given.get("provenance") != "false":
                yield f"{where}: the builder's own provenance makes an index of the image"
        word = step.get("env", {}).get("ATTESTATION")
        wanted = "${{ github.event.repository.visibility == 'public' && 'platform' || 'none' }}"
        if {"infra.publish", "infra.deploy", "infra.rehearse"} & commands(step.get("run", "")) and word != wanted:
            yield f"{where}: the repository's visibility does not say whether an attestation is required"


@rule
def grants_what_is_called(tree: Tree) -> Iterator[str]:
    """A called workflow asks for no more than each of its callers grants, or the run dies at start-up without a log."""
    levels = ["none", "read", "write"]
    for name, job_id, job in tree.jobs():
        callee = tree.workflows.get(called(job) or "")
        if called(job) and callee is None:
            yield f"{name}, {job_id}: {called(job)} does not exist"
        for inner_id, inner in (callee or {"jobs": {}})["jobs"].items():
            for scope, level in _granted(inner).items():
                if levels.index(level) > levels.index(_granted(job).get(scope, "none")):
                    yield f"{name}, {job_id}: does not grant {scope}: {level}, which {called(job)}, {inner_id} asks for"


@rule
def queues_where_it_must(tree: Tree) -> Iterator[str]:
    """Entry files group their runs, and pull requests cancel; called ones only keep a deployment alone, in a queue.

    A button has no group for the whole file: it waits for nothing but a deployment to the same environment.
    """
    for name, workflow in tree.workflows.items():
        entry, group = name in tree.entries | tree.followers, workflow.get("concurrency", {})
        entry = entry and name not in {*tree.buttons, RELEASER}
        if entry != bool(group):
            yield f"{name}: {'an entry file groups its runs' if entry else 'a group of the caller would deadlock'}"
        elif entry and not _waits(group, cancel=_proposed(workflow)):
            yield f"{name}: a pull request cancels its predecessor, everything else queues"
    for name, job_id, job in tree.jobs():
        group = job.get("concurrency")
        if name == RELEASER and "infra.deploy" not in _commands_of(job) and "environment" in job:
            if group != {"group": "approve-production", "cancel-in-progress": "true"}:
                yield f"{name}, {job_id}: a newer version takes the place of one that waits for an approval"
            continue
        if group and not (str(group.get("group")).startswith("deploy-") and _waits(group, cancel=False)):
            yield f"{name}, {job_id}: only a deployment has a group of its own, and it queues"
        if {"infra.deploy", "infra.rollback", "infra.rehearse"} & _commands_of(job) and not group:
            yield f"{name}, {job_id}: deploys without a group of its own"
        if group and group.get("group") != f"deploy-{_environment_of(job)}":
            yield f"{name}, {job_id}: deployments and rollbacks share a group an environment"


@rule
def needs_what_exists(tree: Tree) -> Iterator[str]:
    """What a job needs, and each output that it reads, exists."""
    for name, job_id, job in tree.jobs():
        siblings = tree.workflows[name]["jobs"]
        for need in listed(job.get("needs")):
            if need not in siblings:
                yield f"{name}, {job_id}: needs {need}, which does not exist"
        for need, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", str(job)):
            if need not in listed(job.get("needs")) or output not in _outputs(tree, siblings.get(need, {})):
                yield f"{name}, {job_id}: {need} hands down no output {output}"


@rule
def hands_over_what_is_asked(tree: Tree) -> Iterator[str]:
    """A called workflow or local action gets the inputs that it requires, and none that it does not know."""
    for name, job_id, job in tree.jobs():
        if called(job) in tree.workflows:
            known = (tree.workflows[called(job) or ""]["on"]["workflow_call"] or {}).get("inputs", {})
            yield from _mismatch(f"{name}, {job_id}", job.get("with", {}), known)
    for where, step in tree.steps():
        action = step.get("uses", "").removeprefix("./.github/actions/")
        if action in tree.actions:
            given = step.get("with", {})
            yield from _mismatch(where, given, tree.actions[action].get("inputs", {}))
            if action == "registry" and given.get("mode") not in ("fetch", "push", "save", "restore"):
                yield f"{where}: the registry knows fetch, push, save and restore, not {given.get('mode')}"


@rule
def downloads_what_is_uploaded(tree: Tree) -> Iterator[str]:
    """Every artifact that a job takes is left by another one under that name."""
    left = {step["with"]["name"] for _, step in tree.steps() if "upload-artifact@" in step.get("uses", "")}
    for where, step in tree.steps():
        if "download-artifact@" in step.get("uses", ""):
            wanted = step["with"].get("name") or step["with"]["pattern"]
            if not any(re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), name) for name in left):
                yield f"{where}: nobody uploads {wanted}"


@rule
def uploads_each_verdict(tree: Tree) -> Iterator[str]:
    """A job of stage 1 or of the gates leaves its verdict, also when it is red."""
    for name, job_id, job in tree.jobs():
        if name.startswith(("stage-1", "stage-3")) and job_id != "report":
            wanted = {"name": f"verdict-{job_id}", "path": f"build/verdicts/{job_id}.json"}
            if not any(step.get("with") == wanted and step.get("if") == "always()" for step in job.get("steps", [])):
                yield f"{name}, {job_id}: does not always upload verdict-{job_id}"


@rule
def follows_without_running(tree: Tree) -> Iterator[str]:
    """What the end of a pull request's run starts checks out the default branch, and takes artifacts as data."""
    for name, workflow in tree.followers.items():
        known = {it.get("name") for it in tree.entries.values()}
        for followed in listed(workflow["on"]["workflow_run"].get("workflows")):
            if followed not in known:
                yield f"{name}: follows {followed}, which no workflow is called"
        for job_id, job in workflow["jobs"].items():
            for step in job.get("steps", []):
                given = step.get("with", {})
                if "checkout@" in step.get("uses", "") and {"ref", "repository"} & given.keys():
                    yield f"{name}, {job_id}: checks out what somebody proposes"
                if "download-artifact@" in step.get("uses", "") and not given.get("path", "").startswith("build/"):
                    yield f"{name}, {job_id}: unpacks an artifact beside the code"


# --- one word per thing ----------------------------------------------------------------------------------------------
@rule
def runs_every_script(tree: Tree) -> Iterator[str]:
    """Each script is a step somewhere, and each step runs a script that exists."""
    steps = set().union(*(commands(step.get("run", "")) for _, step in tree.steps()))
    for script in sorted(tree.scripts() - steps - NO_STEP):
        yield f"{script}: no step runs it"
    for script in sorted(steps - tree.scripts()):
        yield f"{script}: a step runs it, and there is no such script"


@rule
def agrees_with_make(tree: Tree) -> Iterator[str]:
    """Make runs each script that a step runs."""
    steps = set().union(*(commands(step.get("run", "")) for _, step in tree.steps()))
    for script in sorted(steps - commands(tree.make) - NO_TARGET):
        yield f"{script}: no target of the Makefile runs it"


@rule
def has_one_word(tree: Tree) -> Iterator[str]:
    """A job, its check and its script have the same name."""
    for name, job_id, job in tree.jobs():
        if job.get("name") != job_id.replace("-", " ").capitalize():
            yield f"{name}, {job_id}: its check is called {job.get('name')}"
        words = {command.partition(".")[2] for command in _commands_of(job)} | (_flags_of(job) & MODES)
        if "uses" not in job and job_id not in words | PLATFORM_JOBS:
            yield f"{name}, {job_id}: no step runs a script of that name"


# --- the end ---------------------------------------------------------------------------------------------------------
@rule
def is_all_green(tree: Tree) -> Iterator[str]:
    """The verdict of an entry file that gates always runs, needs every other job, and wants success from each."""
    for name, workflow in tree.entries.items():
        if not GATING & set(workflow["on"]):
            continue
        last = workflow["jobs"].get("all-green", {})
        others = sorted(set(workflow["jobs"]) - {"all-green"})
        if last.get("if") != "always()" or sorted(listed(last.get("needs"))) != others:
            yield f"{name}, all-green: has to run always, after {', '.join(others)}"
        step = (last.get("steps") or [{}])[0]
        terms = re.sub(r"^\$\{\{|\}\}$", "", step.get("env", {}).get("GREEN", "")).split("&&")
        if sorted(term.strip() for term in terms) != [f"needs.{other}.result == 'success'" for other in others]:
            yield f"{name}, all-green: does not ask each job for success"


@rule
def judges_before_it_acts(tree: Tree) -> Iterator[str]:
    """Nothing is published or deployed that tests, data and gates have not passed."""
    for name, workflow in tree.entries.items():
        for job_id, job in workflow["jobs"].items():
            missing = {"tests", "data", "train", "gates", "image"} - _before(workflow["jobs"], job_id)
            if called(job) in (DEPLOYER, PUBLISHER) and missing:
                yield f"{name}, {job_id}: does not wait for {', '.join(sorted(missing))}"


def _proposed(workflow: Yaml) -> bool:
    return bool(PROPOSALS & set(workflow.get("on", {})))


def _takes_base(workflow: Yaml) -> bool:
    return "base-commit" in ((workflow["on"].get("workflow_call") or {}).get("inputs") or {})


def _granted(job: Yaml) -> dict[str, str]:
    granted = job.get("permissions", {})
    return granted if isinstance(granted, dict) else {"everything": "write"}


def _environment_of(job: Yaml) -> str:
    """Name the environment that a job deploys to, as its command does."""
    lines = " ".join(step.get("run", "") for step in job.get("steps", []))
    if "infra.rehearse" in lines:
        return "rehearsal"
    named = re.search(r"--environment (\S+)", lines)
    return "${{ inputs.environment }}" if not named or named[1] == '"$ENVIRONMENT"' else named[1]


def _waits(group: Mapping[str, Any], cancel: bool) -> bool:
    wanted = {"cancel-in-progress": "true"} if cancel else {"cancel-in-progress": "false", "queue": "max"}
    return {key: value for key, value in group.items() if key != "group"} == wanted


def _outputs(tree: Tree, job: Yaml) -> list[str]:
    callee = tree.workflows.get(called(job) or "", {"on": {}})
    return list(((callee["on"].get("workflow_call") or {}) if "uses" in job else job).get("outputs", {}))


def _mismatch(where: str, given: Yaml, known: Yaml) -> Iterator[str]:
    for key in given.keys() - known.keys():
        yield f"{where}: hands over {key}, which nobody asks for"
    for key in known.keys() - given.keys():
        if known[key].get("required") == "true":
            yield f"{where}: does not hand over {key}"


def _commands_of(job: Yaml) -> set[str]:
    return set().union(*(COMMAND.findall(step.get("run", "")) for step in job.get("steps", [])), set())


def _flags_of(job: Yaml) -> set[str]:
    return set(re.findall(r" --([a-z-]+)", " ".join(step.get("run", "") for step in job.get("steps", []))))


def _before(jobs: Yaml, job_id: str) -> set[str]:
    """Name what has to have succeeded before a job; one that always runs says nothing of what came before it."""
    direct = set(listed(jobs.get(job_id, {}).get("needs")))
    sure = {need for need in direct if "always()" not in jobs.get(need, {}).get("if", "")}
    return direct.union(*(_before(jobs, need) for need in sure))
