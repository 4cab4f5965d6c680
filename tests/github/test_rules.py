"""The house rules hold for the real tree, and each of them goes red on a tree that breaks it."""

import re
from dataclasses import replace

import pytest

from tests.github.rules import RULES, Rule
from tests.github.tree import Tree, commands, read_pins, read_tree

NAMES = {rule.__name__: rule for rule in RULES}

PIPELINE = ".github/workflows/pipeline.yml"
PULL_REQUEST = ".github/workflows/pull-request.yml"
SETUP = ".github/actions/setup/action.yml"
REGISTRY = ".github/actions/registry/action.yml"
DATA = ".github/workflows/stage-1-data.yml"
TRAIN = ".github/workflows/stage-2-train.yml"
GATES = ".github/workflows/stage-3-gates.yml"
IMAGE = ".github/workflows/stage-4-image.yml"
PUBLISH = ".github/workflows/publish.yml"
DEPLOY = ".github/workflows/stage-5-deploy.yml"
PRODUCTION = ".github/workflows/production.yml"
TESTS = ".github/workflows/tests.yml"
BUILD = ".github/actions/image/action.yml"

COMMENT = ".github/workflows/report-comment.yml"
MONITOR = ".github/workflows/monitor.yml"
DOCTOR = ".github/workflows/doctor.yml"
ROLLBACK = ".github/workflows/rollback.yml"

# Each rule's flaws: the file, what is changed in it, and the finding. The rest of the real tree stays as it is.
FLAWS: dict[str, list[tuple[str, str, str, str]]] = {
    "opens_with_a_header": [
        (PIPELINE, r"# Who: .*\n", "", "pipeline.yml: the header comment has no `Who:`"),
        (SETUP, r"\A(#.*\n)+", "", "the header comment has no `In:`"),
    ],
    "keeps_the_order": [
        (
            PIPELINE,
            r"(name: .*\n)\n((?s:.*?))permissions: \{\}\n\n",
            r"\1\npermissions: {}\n\n\2",
            "the keys are name, permissions, on, concurrency, jobs;",
        ),
        (PIPELINE, r"\n\njobs:", r"\njobs:", "pipeline.yml: one blank line stands between"),
        (
            PIPELINE,
            r"jobs:",
            "defaults:\n  A: b\n\njobs:",
            "the keys are name, on, concurrency, permissions, defaults, jobs",
        ),
    ],
    "says_why": [
        (PIPELINE, r"if: always\(\) #.*", "if: always()", "no reason on the line of `if: always()`"),
        (GATES, r" # to check out", "", "no reason on the line of `permissions: { contents: read }`"),
        (REGISTRY, r"'save' #.*", "'save'", "no reason on the line of `- if: inputs.mode == 'save'`"),
    ],
    "runs_one_line": [
        (
            TESTS,
            r"run: make lint",
            "run: make lint | tee log",
            "tests.yml, lint: `make lint | tee log` is no single call",
        ),
        (TESTS, r"run: make lint", "run: make lint && make test", "`make lint && make test` is no single call"),
        (TESTS, r"run: make lint", "run: make lint; make test", "`make lint; make test` is no single call"),
        (TESTS, r"run: make lint", "run: |\n          make lint\n          make test", "is no single call"),
        (TESTS, r"run: make lint", "run: pip install mlflow", "`pip install mlflow` is no single call"),
        (TESTS, r"run: make lint", "run: python -c 'print(1)'", "is no single call"),
        (TRAIN, r">> (.*)", r"| tee -a \1", "is no single call"),
        (GATES, r'"\$MODEL_VERSION"', "${{ inputs.model-version }}", "is no single call"),
        (GATES, r'"\$MODEL_VERSION"', "$(cat version)", "is no single call"),
    ],
    "pins_what_it_uses": [
        (
            TESTS,
            r"checkout@\w+ # v7.0.1",
            "checkout@v7 # v7.0.1",
            "actions/checkout@v7 # v7.0.1 is not in .github/pins.tsv",
        ),
        (TESTS, r" # v7.0.1", "", "is not in .github/pins.tsv"),
        (TESTS, r"actions/checkout@", "somebody/checkout@", "is not in .github/pins.tsv"),
        (BUILD, r".*setup-buildx.*\n", "", ".github/pins.tsv: nothing uses docker/setup-buildx-action"),
    ],
    "keeps_no_credentials": [
        (ROLLBACK, r"credentials: false", "credentials: true", "rollback: the checkout keeps its credentials"),
        (
            DATA,
            r" +with: \{ persist-credentials: false.*\}\n",
            "",
            "stage-1-data.yml, schema: the checkout keeps its credentials",
        ),
        (
            DATA,
            r"credentials: false",
            "credentials: true",
            "stage-1-data.yml, schema: the checkout keeps its credentials",
        ),
    ],
    "reads_no_secret": [
        (
            TRAIN,
            r"(runs-on: ubuntu-latest\n)",
            r'\1    env: { KUBE_CONFIG: "${{ secrets.KUBE_CONFIG }}" }\n',
            "stage-2-train.yml: reads a secret",
        ),
        (
            PIPELINE,
            r"(uses: ./.github/workflows/stage-2-train.yml)",
            r"\1\n    secrets: inherit",
            "pipeline.yml: reads a secret",
        ),
        (
            TRAIN,
            r"- id: fit",
            "- id: fit\n        env: { TOKEN: '${{ secrets.TOKEN }}' }",
            "stage-2-train.yml: reads a secret",
        ),
        (
            TRAIN,
            r"- id: fit",
            "- id: fit\n        env: { TOKEN: '${{ github.token }}' }",
            "stage-2-train.yml: reads a secret",
        ),
        (
            TRAIN,
            r"- id: fit",
            "- id: fit\n        env: { ALL: '${{ toJSON(secrets) }}' }",
            "stage-2-train.yml: reads a secret",
        ),
        (PIPELINE, r"secrets: \{ .*", "secrets:  inherit", "pipeline.yml: reads a secret"),
        (COMMENT, r"\$\{\{ github.token \}\}", "${{ secrets.TOKEN }}", "report-comment.yml: reads a secret"),
        (DOCTOR, r"\$\{\{ github.token \}\}", "${{ secrets.TOKEN }}", "doctor.yml: reads a secret"),
    ],
    "hands_no_pull_request_the_server": [
        (
            TRAIN,
            r"github.event_name != 'pull_request' && ",
            "",
            "stage-2-train.yml: names the server to a pull request",
        ),
        (
            IMAGE,
            r"github.event_name != 'merge_group' && ",
            "",
            "stage-4-image.yml: names the server to a pull request",
        ),
        (TRAIN, r"  MLFLOW_TRACKING_PASSWORD: \$.*\n", "", "stage-2-train.yml: names the server without its login"),
        (PIPELINE, r"    secrets: .*\n", "", "pipeline.yml, train: does not hand on the server's login"),
        (
            PULL_REQUEST,
            r"(uses: ./.github/workflows/stage-2-train.yml)",
            r"\1\n    secrets:\n      MLFLOW_TRACKING_USERNAME: ${{ secrets.MLFLOW_TRACKING_USERNAME }}",
            "pull-request.yml: hands a pull request the server's login",
        ),
    ],
    "follows_without_running": [
        (
            COMMENT,
            r"persist-credentials: false",
            "persist-credentials: false, ref: x",
            "report-comment.yml, comment: checks out what somebody proposes",
        ),
        (COMMENT, r"path: build/pull-request", "path: .", "comment: unpacks an artifact beside the code"),
        (COMMENT, r"\[Pull request\]", "[Another]", "report-comment.yml: follows Another, which no workflow is called"),
    ],
    "closes": [
        (
            GATES,
            r"(- run: python -m validation.*)",
            r"\1\n        continue-on-error: ${{ true }}",
            "`continue-on-error` lets a gate stand open",
        ),
        (TRAIN, r"(run: .*)", r"\1 || :", "`|| :` lets a gate stand open"),
    ],
    "ends": [
        (TRAIN, r" +timeout-minutes: 30\n", "", "stage-2-train.yml, fit: timeout-minutes is missing"),
        (
            PIPELINE,
            r"( +)(uses: ./.github/workflows/stage-2)",
            r"\1timeout-minutes: 5\n\1\2",
            "pipeline.yml, train: timeout-minutes is not allowed",
        ),
        (TRAIN, r"runs-on: ubuntu-latest", "runs-on: ${{ vars.RUNNER }}", "fit: runs-on is not the literal"),
    ],
    "asks_for_little": [
        (ROLLBACK, r"contents: write", "actions: write", "rollback.yml, rollback: asks for actions: write"),
        (DOCTOR, r"packages: read", "packages: write", "doctor.yml, doctor: asks for packages: write"),
        (IMAGE, r"contents: read", "issues: write", "stage-4-image.yml, image: asks for issues: write"),
        (DEPLOY, r"packages: read", "packages: write", "rehearse: asks for packages: write"),
        (PUBLISH, r"contents: read", "actions: write", "publish.yml, push: asks for actions: write"),
        (IMAGE, r"contents: read", "packages: write", "stage-4-image.yml, image: asks for packages: write"),
        (DATA, r"contents: read", "packages: read", "stage-1-data.yml, schema: asks for packages: read"),
        (COMMENT, r"contents: read", "contents: write", "report-comment.yml, comment: asks for contents: write"),
        (COMMENT, r"actions: read", "actions: write", "report-comment.yml, comment: asks for actions: write"),
        (PIPELINE, r"permissions: \{\}", "permissions: { contents: read }", "pipeline.yml: the file itself grants"),
        (PIPELINE, r"permissions: \{\}\n\n", "", "pipeline.yml: the file itself grants"),
        (TRAIN, r"contents: read", "contents: write", "fit: asks for contents: write"),
        (TRAIN, r"\{ contents: read \}", "read-all", "fit: asks for everything: write"),
    ],
    "writes_for_nobody_who_proposes": [
        (PULL_REQUEST, r"stage-2-train.yml", "claim.yml", "pull-request.yml, train: calls claim.yml, which writes"),
        (
            PIPELINE,
            r"on:\n  push:\n.*\n.*\n",
            "on:\n  merge_group:\n",
            "pipeline.yml, claim: calls claim.yml, which writes, for what somebody proposes",
        ),
        (TRAIN, r"mode: save", "mode: push", "stage-2-train.yml, fit: pushes the registry, and is no writer"),
    ],
    "judges_a_queue_as_a_proposal": [
        (
            PULL_REQUEST,
            r"  merge_group:.*\n",
            "",
            "pull-request.yml: runs for pull_request; proposals are merge_group and",
        ),
        (PULL_REQUEST, r"  pull_request:\n", "", "pull-request.yml: runs for merge_group; proposals are"),
        (PULL_REQUEST, r"  pull_request:\n", "  push:\n  pull_request:\n", "runs for merge_group, pull_request, push;"),
        (
            PIPELINE,
            r"  workflow_dispatch:\n",
            "  merge_group:\n",
            "pipeline.yml: runs for merge_group, push; proposals",
        ),
        (
            PULL_REQUEST,
            r"github.event.merge_group.base_sha",
            "github.event.pull_request.base.sha",
            "pull-request.yml: github.event.pull_request is empty in a merge queue",
        ),
        (
            GATES,
            r"group: .*|MODEL_VERSION: .*",
            "MODEL_VERSION: ${{ github.head_ref }}",
            "stage-3-gates.yml: github.head_ref is empty in a merge queue",
        ),
        (
            PULL_REQUEST,
            r"base-commit: \S+ \S+ \S+ \S+ \S+",
            "base-commit: HEAD^1",
            "data: hands over another base than the",
        ),
        (
            PULL_REQUEST,
            r" +with:\n +base-commit: .*\n",
            "",
            "pull-request.yml, data: hands over another base than the one",
        ),
        (
            PIPELINE,
            r"(uses: ./.github/workflows/stage-1-data.yml)",
            r"\1\n    with: { base-commit: HEAD^1 }",
            "pipeline.yml, data: hands over another base",
        ),
        (DATA, r', fetch-depth: "\S+ \S+ \S+"', "", "stage-1-data.yml, schema: checks out without the base's commit"),
        (IMAGE, r"&& 100 \|\| 2", "&& 1 || 2", "stage-4-image.yml, image: checks out without the base's commit"),
    ],
    "publishes_one_way": [
        (PUBLISH, r" +id-token: write.*\n", "", "publish.yml, attest: a token to sign by is for the job that signs"),
        (
            PUBLISH,
            r"packages: write # to tag",
            "id-token: write # to tag",
            "publish: a token to sign by is for the job",
        ),
        (PUBLISH, r"(name: image, path: build/image \}\n)", r"\1      - run: make lint\n", "attest: signs beside code"),
        (PUBLISH, r"if: github.event.*", "if: always() # so", "attest: asks for attestations where the plan may not"),
        (PUBLISH, r"if: github.event.*\n", "needs: push\n", "attest: asks for attestations where the plan may not"),
        (PUBLISH, r"ATTESTATION: .*", "ATTESTATION: none", "publish: the repository's visibility does not say"),
        (DEPLOY, r" +ATTESTATION: .*\n", "", "rehearse: the repository's visibility does not say"),
        (
            IMAGE,
            r"(uses: ./.github/actions/image)\n.*",
            r"\1\n        with: { push: true }",
            "image: pushes an image, and is",
        ),
        (BUILD, r"push-by-digest=true,", "", "action image: an image is pushed by its digest, and by no tag"),
        (
            BUILD,
            r"provenance: false",
            "tags: a:1\n        provenance: false",
            "action image: an image is pushed by its",
        ),
        (BUILD, r" +provenance: false.*\n", "", "action image: the builder's own provenance"),
    ],
    "grants_what_is_called": [
        (TRAIN, r"contents: read", "contents: write", "pipeline.yml, train: does not grant contents: write"),
        (TRAIN, r"contents: read", "packages: read", "pull-request.yml, train: does not grant packages: read"),
        (PIPELINE, r"stage-2-train.yml", "stage-2.yml", "pipeline.yml, train: stage-2.yml does not exist"),
    ],
    "queues_where_it_must": [
        (PIPELINE, r"concurrency:\n(  .*\n)+\n", "", "pipeline.yml: an entry file groups its runs"),
        (
            TRAIN,
            r"permissions: \{\}",
            "concurrency: { group: a }\n\npermissions: {}",
            "stage-2-train.yml: a group of the caller would deadlock",
        ),
        (PULL_REQUEST, r"progress: true", "progress: false", "pull-request.yml: a pull request cancels"),
        (
            PIPELINE,
            r"progress: false",
            "progress: true",
            "pipeline.yml: a pull request cancels its predecessor, everything else queues",
        ),
        (PIPELINE, r" +queue: .*\n", "", "everything else queues"),
        (
            ROLLBACK,
            r"jobs:",
            "concurrency: { group: a }\n\njobs:",
            "rollback.yml: a group of the caller would deadlock",
        ),
        (
            ROLLBACK,
            r"  workflow_dispatch:",
            "  push:\n  workflow_dispatch:",
            "rollback.yml: an entry file groups its runs",
        ),
        (ROLLBACK, r" +concurrency:\n( {6}.*\n)+", "", "rollback: deploys without a group"),
        (ROLLBACK, r"group: deploy-.*", "group: deploy-any", "rollback: deployments and rollbacks share a group"),
        (ROLLBACK, r" +queue: .*\n", "", "rollback: only a deployment has a group of its own, and it queues"),
        (DEPLOY, r" +queue: .*\n", "", "rehearse: only a deployment has a group of its own, and it queues"),
        (DEPLOY, r"group: deploy-", "group: any-", "only a deployment has a group of its own"),
        (
            DEPLOY,
            r"group: deploy-staging",
            "group: deploy-production",
            "deploy: deployments and rollbacks share a group",
        ),
        (
            PRODUCTION,
            r"cancel-in-progress: true",
            "cancel-in-progress: false",
            "approve: a newer version takes the place",
        ),
        (PRODUCTION, r"group: deploy-production", "group: deploy-staging", "deploy: deployments and rollbacks share"),
        (DEPLOY, r" +concurrency:\n( {6}.*\n)+", "", "rehearse: deploys without a group"),
    ],
    "needs_what_exists": [
        (PIPELINE, r"needs: data", "needs: date", "train: needs date, which does not exist"),
        (TRAIN, r" {6}model-version:\n", "      version:\n", "gates: train hands down no output model-version"),
        (
            PIPELINE,
            r"needs: \[claim, gates\]\n    uses: ./.github/workflows/stage-4",
            "needs: gates\n    uses: ./.github/workflows/stage-4",
            "image: claim hands down no output model-version",
        ),
    ],
    "hands_over_what_is_asked": [
        (PIPELINE, r', image: "\S+ \S+ \S+"', "", "pipeline.yml, deploy: does not hand over image"),
        (
            PIPELINE,
            r'image: "\S+ needs.publish',
            'imago: "${{ needs.publish',
            "pipeline.yml, deploy: hands over imago,",
        ),
        (TRAIN, r"mode: save", "mode: safe", "fit: the registry knows fetch, push, save and restore, not safe"),
        (TRAIN, r"mode: save, name", "name", "fit: does not hand over mode"),
    ],
    "downloads_what_is_uploaded": [
        (IMAGE, r"name: bundle", "name: model", "stage-5-deploy.yml, deploy: nobody uploads bundle"),
        (GATES, r"pattern: verdict-", "pattern: verdicts-", "report: nobody uploads verdicts-*"),
    ],
    "uploads_each_verdict": [
        (GATES, r"- if: always\(\) # a red verdict.*\n +uses", "- uses", "performance: does not always upload"),
        (DATA, r"verdicts/schema", "verdicts/scheme", "schema: does not always upload"),
    ],
    "runs_every_script": [
        (GATES, r".*validation.fairness.*", "        run: make fairness", "validation.fairness: no step runs it"),
        (GATES, r"validation\.fairness", "validation.justice", "validation.justice: a step runs it, and there is no"),
    ],
    "has_one_word": [
        (GATES, r"name: Fairness", "name: Justice", "fairness: its check is called Justice"),
        (
            GATES,
            r"  fairness:\n    name: Fairness",
            "  justice:\n    name: Justice",
            "justice: no step runs a script of that name",
        ),
        (MONITOR, r" --reproduce champion", "", "reproduce: no step runs a script of that name"),
        (
            MONITOR,
            r"  reproduce:\n    name: Reproduce",
            "  champion:\n    name: Champion",
            "champion: no step runs a script of that name",
        ),
    ],
    "is_all_green": [
        (
            ROLLBACK,
            r"  workflow_dispatch:",
            "  push:\n  workflow_dispatch:",
            "rollback.yml, all-green: has to run always",
        ),
        (PIPELINE, r"if: always\(\) # else", "if: success() # else", "pipeline.yml, all-green: has to run always"),
        (
            PIPELINE,
            r"(needs: \[.*), deploy\]",
            r"\1]",
            "pipeline.yml, all-green: has to run always, after branch, claim, data, deploy,",
        ),
        (
            PIPELINE,
            r"\Z",
            "\n  doctor:\n    needs: all-green\n",
            "has to run always, after branch, claim, data, deploy, doctor,",
        ),
        (PULL_REQUEST, r".*needs.gates.result.*\n", "", "pull-request.yml, all-green: does not ask each job"),
        (PULL_REQUEST, r"needs.gates.result ==", "needs.gates.result !=", "does not ask each job"),
        (PULL_REQUEST, r"(?s)  all-green:.*", "", "pull-request.yml, all-green: has to run always"),
        (MONITOR, r"  schedule:\n.*", "  push:", "monitor.yml, all-green: has to run always, after reproduce"),
    ],
    "writes_for_main_alone": [
        (PIPELINE, r"    needs: branch #.*\n", "", "pipeline.yml, claim: writes for another branch than main"),
        (PIPELINE, r"refs/heads/main\n", "refs/heads/topic\n", "pipeline.yml, deploy: writes for another branch"),
    ],
    "judges_before_it_acts": [
        (
            PIPELINE,
            r"needs: \[tests, record, image\]",
            "needs: [record, image]",
            "publish: does not wait for tests",
        ),
        (PIPELINE, r"needs: \[claim, gates\]\n    uses", "needs: claim\n    uses", "deploy: does not wait for gates"),
        (PIPELINE, r"needs: \[claim, publish\]", "needs: claim", "deploy: does not wait for gates, image, tests"),
    ],
}


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_tree()


@pytest.mark.parametrize("rule", RULES, ids=list(NAMES))
def test_the_tree_keeps_the_rule(tree: Tree, rule: Rule) -> None:
    """The repository itself gives no finding."""
    assert [] == list(rule(tree))


@pytest.mark.parametrize(
    ("name", "path", "pattern", "text", "finding"), [(name, *flaw) for name, flaws in FLAWS.items() for flaw in flaws]
)
def test_a_flaw_breaks_the_rule(tree: Tree, name: str, path: str, pattern: str, text: str, finding: str) -> None:
    """The same tree with one flaw planted gives a finding that names it."""
    flawed, count = re.subn(pattern, text, tree.texts[path], count=1)
    assert count, "the flaw found no place"
    findings = list(NAMES[name](replace(tree, texts={**tree.texts, path: flawed})))
    assert any(finding in found for found in findings), findings


def test_a_script_without_a_step_is_found(tree: Tree) -> None:
    """A script that no step runs breaks the rule, whatever else is in order."""
    orphan = replace(tree, texts={**tree.texts, "train/orphan.py": "if True:\n    raise SystemExit(main())\n"})
    assert ["train.orphan: no step runs it"] == list(NAMES["runs_every_script"](orphan))


def test_a_script_that_make_does_not_know_is_found(tree: Tree) -> None:
    """A step that a laptop cannot run breaks the rule."""
    poorer = replace(tree, make=tree.make.replace("-m validation.parity", "-m validation.purity"))
    assert ["validation.parity: no target of the Makefile runs it"] == list(NAMES["agrees_with_make"](poorer))


def test_every_rule_has_been_seen_red() -> None:
    """A rule without a broken sample proves nothing."""
    assert NAMES.keys() == FLAWS.keys() | {"agrees_with_make"}


def test_commands_are_read_with_any_python() -> None:
    """The Makefile calls the environment's python by its path, the workflows by its name."""
    text = '.venv/bin/python -m train.fit\npython3.11 -m serve.smoke --url x; python -m pytest; python -m "train.x"'
    assert {"train.fit", "serve.smoke"} == commands(text)


def test_the_table_of_pins_is_read() -> None:
    """Comments and the line of titles are no pins."""
    assert {"a/b": ("v1.0.0", "c0ffee")} == read_pins("# why\naction\ttag\tcommit\na/b\tv1.0.0\tc0ffee\n")
