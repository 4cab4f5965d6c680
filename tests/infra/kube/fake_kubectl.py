# ruff: noqa: S606, T201
"""A stand-in for kubectl and the cluster behind it: its objects lie in one JSON file, its pods start when looked at.

The file names, beside the objects, what the cluster lacks or does wrongly (`faults`), and which bundle is in an image.
Of others the bundle is looked for in FAKE_BUNDLES, by the digest that the pod bears, and kept beside the file. A way to
a pod is the fake service itself, started with that bundle, or the module that FAKE_SERVICE names.
"""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import socket
import sys

STATE = pathlib.Path(os.environ["FAKE_CLUSTER"])
FAKE_SERVICE = pathlib.Path(__file__).parents[1] / "fake_service.py"
USERS = {"gatehouse.serves": "users"}
SERVED = ("apps/v1", "autoscaling/v2", "networking.k8s.io/v1", "policy/v1", "rbac.authorization.k8s.io/v1", "v1")
GATEWAY = "gateway.networking.k8s.io"


def fail(reason, message):
    sys.exit(f"Error from server ({reason}): {message}")


def labelled(one, selector):
    wanted = dict(pair.split("=") for pair in selector.split(",")) if selector else {}
    return wanted.items() <= one["metadata"].get("labels", {}).items()


def bundle_of(state, pod):
    image = pod["spec"]["containers"][0]["image"]
    if image not in state["images"]:
        wanted = pod["metadata"]["annotations"]["gatehouse.bundle"]
        for folder in map(pathlib.Path, os.environ["FAKE_BUNDLES"].split(":")):
            manifest = folder / "manifest.json"
            if manifest.is_file() and hashlib.sha256(manifest.read_bytes()).hexdigest() == wanted:
                shutil.copytree(folder, STATE.with_name(wanted), dirs_exist_ok=True)
        state["images"][image] = str(STATE.with_name(wanted))
    return pathlib.Path(state["images"][image])


def settings_of(state, pod):
    return json.loads((bundle_of(state, pod) / "service.json").read_text())


def status_of(state, pod):
    """Say how a pod fares: by the faults of the cluster, then by what its bundle does."""
    image, faults = pod["spec"]["containers"][0]["image"], state["faults"]
    container = {"name": "service", "imageID": f"docker-pullable://{faults.get('runs', image)}", "restartCount": 0}
    conditions = [{"type": "Ready", "status": "False"}]
    if "unscheduled" in faults:
        scheduled = {"type": "PodScheduled", "status": "False", "message": faults["unscheduled"]}
        return {"conditions": [scheduled, *conditions]}
    if "waiting" in faults:
        return {"conditions": conditions, "containerStatuses": [container | {"state": {"waiting": faults["waiting"]}}]}
    told = settings_of(state, pod) | broken(state, pod)
    if told.get("dies"):
        container |= {"restartCount": 1, "lastState": {"terminated": {"exitCode": 1, "reason": told["dies"]}}}
        return {"conditions": conditions, "containerStatuses": [container | {"state": {"waiting": {}}}]}
    conditions[0]["status"] = (
        "False" if told.get("never_ready") or told.get("never_rolls") in labels_of(pod) else "True"
    )
    return {"conditions": conditions, "containerStatuses": [container | {"state": {"running": {}}}]}


def broken(state, pod):
    """Say what a pod dies of by what its template says."""
    if state["faults"].get("takes anything"):
        return {}
    container = pod["spec"]["containers"][0]
    if {"name": "BUNDLE", "value": "/nowhere"} in container.get("env", ()):
        return {"dies": "Error"}
    return {"dies": "OOMKilled"} if container["resources"]["limits"]["memory"] == "32Mi" else {}


def labels_of(pod):
    return pod["metadata"]["labels"].values()


def is_ready(pod):
    return pod["status"]["conditions"][-1]["status"] == "True"


def roll(state):
    """Let every Deployment go one step: a pod of the newest template more, or one of an older one less."""
    objects = state["objects"]
    for deployment in [one for one in objects.values() if one["kind"] == "Deployment"]:
        spec, name = deployment["spec"], deployment["metadata"]["name"]
        scaler = objects.get(f"HorizontalPodAutoscaler/{name}", {"spec": {"minReplicas": 1}})
        wanted = spec.setdefault("replicas", 1) if name.endswith("-canary") else scaler["spec"]["minReplicas"]
        spec["replicas"] = wanted
        newest = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()[:8]
        pods = [one for one in objects.values() if one["kind"] == "Pod" and one["of"] == name]
        new = [one for one in pods if one["template"] == newest]
        for pod in pods:
            pod["status"] = status_of(state, pod)
        ready = [one for one in new if is_ready(one)]
        old = [one for one in pods if one["template"] != newest]
        if len(new) < wanted and not state["faults"].get("no pods"):
            state["count"] += 1
            pod = {"kind": "Pod", "of": name, "template": newest, "spec": spec["template"]["spec"]}
            named = {"name": f"{name}-{newest}-{state['count']}", "uid": str(state["count"])}
            pod["metadata"] = json.loads(json.dumps(spec["template"]["metadata"])) | named
            pod["status"] = status_of(state, pod)
            objects[f"Pod/{named['name']}"] = pod
        elif (old and len(ready) == wanted) or len(new) > wanted:
            del objects[f"Pod/{(old or new)[0]['metadata']['name']}"]
        conditions = [{"type": "Progressing", "status": "True"}]
        if message := state["faults"].get("no pods"):
            conditions = [{"type": "ReplicaFailure", "status": "True", "message": message}]
        elif new and len(new) == wanted and not ready:
            conditions = [{"type": "Progressing", "status": "False", "message": "exceeded its progress deadline"}]
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(pods), "updatedReplicas": len(new), "availableReplicas": len(ready + old),
            "conditions": conditions,
        }  # fmt: skip
    for name, one in list(objects.items()):
        if one["kind"] == "Pod" and f"Deployment/{one['of']}" not in objects:
            del objects[name]


def put(state, one, new=None):
    """Take an object; `new` says whether it must not, or must, be there, its version then being the one that is."""
    name = f"{one['kind']}/{one['metadata']['name']}"
    before, state["count"] = state["objects"].get(name), state["count"] + 1
    if new is True and before:
        fail("AlreadyExists", f"{name} already exists")
    if new is False and before["metadata"]["resourceVersion"] != one["metadata"]["resourceVersion"]:
        fail("Conflict", f"{name}: the object has been modified")
    if f"refuses {one['kind']}" in state["faults"]:
        fail(*state["faults"][f"refuses {one['kind']}"])
    one["metadata"] |= {"resourceVersion": str(state["count"]), "generation": state["count"]}
    state["objects"][name] = one
    return one


def get(state, kinds, name="", *, selector=""):
    wanted = [kind.partition(".")[0] for kind in kinds.split(",")]
    found = [one for one in state["objects"].values() if one["kind"] in wanted and labelled(one, selector)]
    if name:
        found = [one for one in found if one["metadata"]["name"] == name]
        return json.dumps(found[0]) if found else ""
    return json.dumps({"items": found + state["faults"].get("events", []) if kinds == "Event" else found})


def label(state, selector, text):
    name, _, value = text.rstrip("-").partition("=")
    for one in state["objects"].values():
        if one["kind"] == "Pod" and labelled(one, selector):
            one["metadata"]["labels"].pop(name, None)
            one["metadata"]["labels"].update({name: value} if value else {})


def answer(state, verb, plain, flags):
    """Do what is asked; return what is printed."""
    faults = state["faults"]
    if faults.get("down"):
        sys.exit(faults["down"].pop())
    if f"denies {verb}" in faults:
        fail("Forbidden", faults[f"denies {verb}"])
    state["calls"].append([verb, *plain])
    if (verb, *plain) == ("create", "token", "gatehouse-deployer"):
        return "token-of-the-deployer"
    if (verb, *plain) == ("config", "view"):
        return json.dumps({"users": [{"user": {"token": "token-of-the-administrator"}}]})
    if verb == "api-versions":
        served = (*SERVED, *(() if faults.get("no gateways") else (f"{GATEWAY}/v1",)))
        return "\n".join(one for one in served if one != faults.get("lacks"))
    if verb == "get":
        roll(state)
        if faults.get("no gateways") and GATEWAY in plain[0]:
            sys.exit(f'error: the server doesn\'t have a resource type "HTTPRoute" in group "{GATEWAY}"')
        return get(state, *plain, selector=flags.get("selector", ""))
    if verb in ("apply", "create", "replace"):
        given = json.load(sys.stdin)
        for one in given.get("items", [given]):
            taken = put(state, one, {"create": True, "replace": False}.get(verb))
        return json.dumps(taken)
    if verb == "delete":
        state["objects"].pop(f"{plain[0].partition('.')[0]}/{plain[1]}", None)
        if plain[0] == "Namespace":
            state["objects"].clear()
        return roll(state) or ""
    if verb == "label":
        return label(state, flags["selector"], plain[1]) or ""
    if verb == "logs":
        pod = state["objects"][f"Pod/{plain[0]}"]
        dies = (settings_of(state, pod) | broken(state, pod)).get("dies")
        return "fake service: the model is broken" if dies else "fake service: starts"
    raise AssertionError(f"the fake kubectl knows no {verb}")


def main():
    flags = {text[2:].partition("=")[0]: text.partition("=")[2] for text in sys.argv[1:] if text.startswith("--")}
    plain = [text for text in sys.argv[1:] if not text.startswith("--")]
    if plain[0] == "kustomize":
        os.execv(os.environ["REAL_KUBECTL"], ["kubectl", *sys.argv[1:]])
    verb = plain.pop(0)
    with STATE.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state = json.load(file)
        if verb == "port-forward":
            pod, (local, _) = state["objects"].get(plain[0].capitalize()), plain[1].split(":")
            folder = bundle_of(state, pod) if pod else sys.exit(f"Error from server (NotFound): {plain[0]}")
            listener = socket.create_server(("127.0.0.1", int(local)))
            listener.set_inheritable(True)
            print(f"Forwarding from 127.0.0.1:{local} -> 8000", flush=True)
            environment = os.environ | {"BUNDLE": str(folder), "LISTEN_FD": str(listener.fileno())}
            environment.pop("PREDICTION_LOG", None)  # what a pod is told, the overlay says
            module = os.environ.get("FAKE_SERVICE")
            command = [sys.executable, *(["-m", module] if module else [str(FAKE_SERVICE)])]
            os.execve(sys.executable, command, environment)
        try:
            print(answer(state, verb, plain, flags))
        finally:
            if "dry-run" not in flags:
                file.seek(0)
                file.truncate()
                json.dump(state, file)


if __name__ == "__main__":
    main()
