"""Kinds of other projects, as far as our components use them: every field by its name, with its type.

Kubernetes' own schemas do not have them. What is not listed here is wrong: whoever uses a further field looks it up in
the project's own definition first.
"""

ANY = object()
TEXT, WHOLE, YES_NO = str, int, bool
REF = {"name": TEXT, "port": WHOLE, "weight": WHOLE}
METADATA = {"name": TEXT, "namespace": TEXT, "labels": {TEXT: TEXT}, "annotations": {TEXT: TEXT}}
POD = ANY  # validated as Kubernetes' own

SHAPES = {
    ("gateway.networking.k8s.io/v1", "Gateway"): {
        "gatewayClassName": TEXT,
        "listeners": [
            {
                "name": TEXT,
                "protocol": TEXT,
                "port": WHOLE,
                "tls": {"mode": TEXT, "certificateRefs": [{"name": TEXT}]},
            }
        ],
    },
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): {
        "parentRefs": [{"name": TEXT}],
        "hostnames": [TEXT],
        "rules": [{"backendRefs": [REF]}],
    },
    ("argoproj.io/v1alpha1", "Rollout"): {
        "revisionHistoryLimit": WHOLE,
        "progressDeadlineSeconds": WHOLE,
        "selector": {"matchLabels": {TEXT: TEXT}},
        "strategy": {
            "canary": {
                "maxSurge": TEXT,
                "maxUnavailable": WHOLE,
                "analysis": {
                    "templates": [{"templateName": TEXT}],
                    "startingStep": WHOLE,
                    "args": [{"name": TEXT, "valueFrom": {"podTemplateHashValue": TEXT}}],
                },
                "steps": [{"setWeight": WHOLE, "pause": {"duration": TEXT}}],
            }
        },
        "template": {"metadata": {"labels": {TEXT: TEXT}, "annotations": {TEXT: TEXT}}, "spec": POD},
    },
    ("argoproj.io/v1alpha1", "AnalysisTemplate"): {
        "args": [{"name": TEXT, "value": TEXT}],
        "metrics": [
            {
                "name": TEXT,
                "interval": TEXT,
                "initialDelay": TEXT,
                "failureLimit": WHOLE,
                "successCondition": TEXT,
                "provider": {"prometheus": {"address": TEXT, "query": TEXT}},
            }
        ],
    },
    ("serving.knative.dev/v1", "Service"): {
        "template": {
            "metadata": {"annotations": {TEXT: TEXT}},
            "spec": {
                "serviceAccountName": TEXT,
                "containerConcurrency": WHOLE,
                "timeoutSeconds": WHOLE,
                "containers": [
                    {
                        "image": TEXT,
                        "ports": [{"name": TEXT, "containerPort": WHOLE}],
                        "env": ANY,
                        "readinessProbe": ANY,
                        "livenessProbe": ANY,
                        "resources": {"limits": {TEXT: TEXT}},
                        "securityContext": ANY,
                    }
                ],
            },
        }
    },
    ("serving.kserve.io/v1beta1", "InferenceService"): {
        "predictor": {
            "minReplicas": WHOLE,
            "maxReplicas": WHOLE,
            "timeout": WHOLE,
            "canaryTrafficPercent": WHOLE,
            "serviceAccountName": TEXT,
            "automountServiceAccountToken": YES_NO,
            "securityContext": ANY,
            "containers": ANY,
            "volumes": ANY,
        }
    },
}


def knows(one):
    """Tell whether an object is of another project's kind."""
    return (one["apiVersion"], one["kind"]) in SHAPES


def wrong_in(one):
    """Return a sentence for the first field that is not known, or of another type; None when all are."""
    shape = {"apiVersion": TEXT, "kind": TEXT, "metadata": METADATA, "spec": SHAPES[one["apiVersion"], one["kind"]]}
    return _wrong(one, shape, one["kind"])


def _wrong(value, shape, where):
    if shape is ANY:
        return None
    if isinstance(shape, type):
        return None if type(value) is shape else f"{where} is {value!r}, no {shape.__name__}"
    if type(value) is not type(shape):
        return f"{where} is {value!r}, no {type(shape).__name__}"
    if isinstance(shape, list):
        found = (_wrong(each, shape[0], f"{where}[{place}]") for place, each in enumerate(value))
    elif TEXT in shape:
        found = (_wrong(each, shape[TEXT], f"{where}.{name}") for name, each in value.items())
    else:
        found = (
            _wrong(each, shape[name], f"{where}.{name}") if name in shape else f"{where}.{name} is not known"
            for name, each in value.items()
        )
    return next(filter(None, found), None)


def pods_of(one):
    """Return the pods' specifications within an object, in Kubernetes' own terms."""
    spec = one["spec"]
    if one["kind"] == "InferenceService":
        known = ("containers", "volumes", "securityContext", "serviceAccountName", "automountServiceAccountToken")
        return [{name: spec["predictor"][name] for name in known}]
    if one["kind"] == "Service":
        # the port of a probe is Knative's to say
        (container,) = spec["template"]["spec"]["containers"]
        probes = ("readinessProbe", "livenessProbe")
        asked = {name: container[name] | {"httpGet": {**container[name]["httpGet"], "port": 8000}} for name in probes}
        return [{"containers": [container | asked]}]
    return [spec["template"]["spec"]] if "template" in spec else []
