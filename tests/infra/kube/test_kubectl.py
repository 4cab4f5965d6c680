"""What kubectl says when it fails, and the one sentence that is made of it."""

import subprocess

import pytest

from infra.kube import kubectl
from validation.script import OutsideError, Refusal

FORBIDDEN = 'Error from server (Forbidden): pods is forbidden: User "u" cannot list resource "pods" in API group ""'
KYVERNO = """Error from server: error when creating "STDIN": admission webhook "validate.kyverno" denied the request:

resource g was blocked

a: 'no team'
"""


@pytest.fixture
def says(monkeypatch):
    """Let kubectl fail with a text; return what was called."""
    called = []

    def let(text, code=1):
        def run(command, **_):
            called.append(command)
            return subprocess.CompletedProcess(command, code, "", text)

        monkeypatch.setattr(kubectl.subprocess, "run", run)
        monkeypatch.setattr(kubectl.time, "sleep", lambda _: None)
        monkeypatch.setattr(kubectl, "program", lambda: "kubectl")
        return called

    return let


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("error: error loading config file: yaml: line 3", "KUBECONFIG cannot be read: error loading config file"),
        (
            'Error from server (Forbidden): pods "p" is forbidden: exceeded quota: cpu, requested: 2',
            "the namespace's quota is used up: cpu, requested: 2; ask for more",
        ),
        (
            'W1126 10:00:00 x.go:1] Use tokens\nError from server (Forbidden): pods is forbidden: User "u" cannot list',
            r'the cluster does not allow it: Error from server \(Forbidden\): pods is forbidden: User "u" cannot list;',
        ),
        (
            'error: resource mapping not found for name: "g": no matches for kind "HTTPRoute" in version "g.io/v1"',
            r"the cluster knows no HTTPRoute of g\.io/v1: leave the component out, or install what brings it",
        ),
        (
            'error: the server doesn\'t have a resource type "Scaler" in group "v2.autoscaling"',
            r"the cluster knows no Scaler of v2\.autoscaling: leave it out of the overlay, or take a newer cluster",
        ),
        (
            "Error from server (BadRequest): Deployment cannot be handled: strict decoding error: unknown",
            "the cluster refuses the overlay: Error from server",
        ),
        (
            "E1128 1 x.go:3] x\nUnable to connect to the server: getting credentials: exec: executable gke not found",
            "KUBECONFIG has its credentials from the program gke, which is not installed",
        ),
        (  # a right is not what lacks
            "Error from server (Forbidden): x: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            r"a policy of the cluster \(p\) refuses it: no$",
        ),
        (KYVERNO, r"a policy of the cluster \(validate\.kyverno\) refuses it: resource g was blocked a: 'no team'$"),
    ],
)
def test_what_is_set_up_wrongly_is_told_at_once(says, text, sentence):
    """Exit 2, not 3: asking again would not help."""
    called = says(text)
    with pytest.raises(Refusal, match=f"^could not list pods: {sentence}"):
        kubectl.Kubectl("n").ask("list pods", "get", "pods")
    assert len(called) == 1


def test_what_fails_outside_is_tried_three_times(says):
    """Then it is one sentence, without kubectl's prefix and dot."""
    called = says("Warning: old\nerror: the server is currently unable to handle the request.")
    with pytest.raises(
        OutsideError, match=r"^the cluster could not list pods: the server is currently unable to handle"
    ):
        kubectl.Kubectl("n").ask("list pods", "get", "pods")
    assert len(called) == 3


def test_a_cluster_that_had_answered_is_waited_for(says, monkeypatch):
    """An API server that restarts takes longer than three tries; who says no is asked no more often than before."""
    asked = kubectl.Kubectl("n")
    says("", 0)
    asked.ask("list pods", "get", "pods")
    refused = "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"
    called = says(refused)
    monkeypatch.setattr(kubectl.time, "sleep", lambda _: len(called) < 20 or says("", 0))
    asked.ask("list pods", "get", "pods")
    assert 21 == len(called)
    for text, seconds, again, tries in (
        (refused, 0.0, True, 3),
        (refused, 90.0, False, 1),
        ('Error from server (NotFound): pods "p" not found', 90.0, True, 3),
    ):
        says(text)
        called.clear()
        monkeypatch.setattr(kubectl, "BACK_SECONDS", seconds)
        with pytest.raises(OutsideError, match="the cluster could not list pods: "):
            asked.ask("list pods", "get", "pods", again=again)
        assert tries == len(called)


@pytest.mark.parametrize("text", ["error: You must be logged in to the server (Unauthorized)", FORBIDDEN])
@pytest.mark.parametrize("answered", [True, False])
def test_credentials_that_were_good_are_tried_again(says, text, answered):
    """An API server that starts does not know its roles yet; those that were never good are told at once."""
    asked = kubectl.Kubectl("n")
    called = says("", 0)
    if answered:
        asked.ask("list pods", "get", "pods")
    called.clear()
    says(text)
    with pytest.raises(Refusal, match=r"does not know the credentials|does not allow it"):
        asked.ask("list pods", "get", "pods")
    assert (3 if answered else 1) == len(called)


def test_one_that_hangs_is_given_up(monkeypatch):
    """There is a time of its own for each request, and one for a whole call."""

    def run(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(kubectl.subprocess, "run", run)
    with pytest.raises(OutsideError, match="the cluster could not list pods: no answer within 120 s"):
        kubectl.Kubectl("n").ask("list pods", "get", "pods")


def test_namespace_and_context_are_told_each_time(says, monkeypatch):
    """The context of KUBECONFIG, unless KUBE_CONTEXT names another."""
    called = says("", 0)
    kubectl.Kubectl("n").ask("list pods", "get", "pods")
    monkeypatch.setenv("KUBE_CONTEXT", "moon")
    kubectl.Kubectl("n").ask("list pods", "get", "pods")
    assert ["--namespace=n" in command for command in called] == [True, True]
    assert ["--context=moon" in command for command in called] == [False, True]
