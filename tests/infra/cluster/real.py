"""A real cluster as the tests use it: what an administrator lays down, images that it can pull, and users."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import docker
import yaml

from infra import host, image
from infra.cluster import Cluster
from infra.kube import kubectl
from serve.guard import keys
from validation.script import ROOT

HERE = pathlib.Path(__file__).parent
SPACE = "gatehouse-staging"
KEY = keys.make()
OLD = 30  # minor versions before this one take the component old-api


class Real:
    """The cluster of KUBECONFIG, and a registry that it pulls from."""

    def __init__(self, folder):
        self.folder = folder
        self.admin = os.environ["KUBECONFIG"]
        self.registry = os.environ["CLUSTER_REGISTRY"]
        self.published = {}
        version = json.loads(self.ask("version", "--output=json"))["serverVersion"]
        self.is_old = int(version["minor"].rstrip("+")) < OLD

    def ask(self, *arguments, given=None):
        """Call kubectl as the administrator."""
        command = [kubectl.program(), "--kubeconfig", self.admin, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def overlay(self, name, **more):
        """Return an overlay as this cluster understands it; `more` is said besides."""
        made = self.folder / "-".join(("overlay", *name.split("/"), *more.values()))
        made.mkdir(exist_ok=True)
        parts = {"resources": [ROOT / "infra/overlays" / name], "components": [HERE / "old-api"] if self.is_old else []}
        listed = {what: [os.path.relpath(path, made.resolve()) for path in paths] for what, paths in parts.items()}
        (made / "kustomization.yaml").write_text(yaml.safe_dump(listed | more))
        return made

    def lay_down(self):
        """Do what an administrator does once; return the KUBECONFIG of whoever deploys."""
        self.ask("apply", "--kustomize", str(ROOT / "infra/namespace/staging"))
        file = self.folder / "keys"
        file.write_text(keys.line_of(KEY, "tests", "predict,admin") + "\n")
        secret = ("create", "secret", "generic", "gatehouse-keys", f"--from-file=keys={file}", "--dry-run=client")
        made = self.ask(*secret, f"--namespace={SPACE}", "--output=json")
        self.ask("apply", "--filename=-", given=made)
        token = self.ask("create", "token", "gatehouse-deployer", f"--namespace={SPACE}", "--duration=6h").strip()
        config = json.loads(self.ask("config", "view", "--raw", "--minify", "--output=json"))
        config["users"][0]["user"] = {"token": token}
        path = self.folder / "deployer.json"
        path.write_text(json.dumps(config))
        return path

    def publish(self, sealed, *changes):
        """Build the image of a bundle, with further lines of a Dockerfile, push it, and return it by its digest."""
        if (sealed.digest, changes) not in self.published:
            engine, node = host.engine(), docker.DockerClient(base_url=os.environ["CLUSTER_ENGINE"])
            built = image.build(engine, sealed)
            if changes:
                recipe = "\n".join([f"FROM {built}", *changes])
                context = self.folder / "context"
                context.mkdir(exist_ok=True)
                shutil.copy(HERE.parent / "faulty_service.py", context)
                (context / "Dockerfile").write_text(recipe)
                built = f"{built}-{len(self.published)}"
                engine.images.build(path=str(context), tag=built, rm=True)
            node.images.load(b"".join(engine.images.get(built).save(named=built)))
            name, tag = f"{self.registry}/{built.partition(':')[0]}", built.partition(":")[2]
            node.images.get(built).tag(name, tag)
            told = [json.loads(line) for line in node.images.push(name, tag).splitlines() if line.strip()]
            (digest,) = [one["aux"]["Digest"] for one in told if "Digest" in one.get("aux", {})]
            for reference in (built, f"{name}:{tag}"):
                node.images.remove(reference, force=True)  # so that the node pulls it
            self.published[sealed.digest, changes] = f"{name}@{digest}"
        return self.published[sealed.digest, changes]

    def place(self, reference="", ready_seconds=30.0, **more):
        """Return the namespace as a place to deploy to; `more` is what the overlay says besides."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return Cluster(self.overlay("staging", **more), home, ready_seconds, "income", reference)

    def pods(self):
        """Return what runs, as (track, version), sorted."""
        found = json.loads(self.ask("get", "pods", f"--namespace={SPACE}", "--output=json"))["items"]
        stay = [one["metadata"] for one in found if "deletionTimestamp" not in one["metadata"]]
        return sorted((one["labels"]["gatehouse.track"], one["annotations"]["gatehouse.version"]) for one in stay)

    def users(self):
        """Let users ask the Service from now on."""
        service = json.loads(self.ask("get", "service", "gatehouse", f"--namespace={SPACE}", "--output=json"))
        return Users(f"http://{service['spec']['clusterIP']}")


class Users:
    """They ask until `leave`, which returns how many answers there were of each version, and what failed."""

    def __init__(self, url):
        self.began = time.monotonic()
        environment = os.environ | {"SERVICE_KEY": KEY}
        command = [sys.executable, str(HERE / "load.py"), url]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **pipes)
        assert self.process.stdout.readline() == "asks\n"

    def leave(self):
        """Let them go."""
        told = json.loads(self.process.communicate("\n", timeout=60)[0])
        return {int(version): count for version, count in told["answers"].items()}, told["failures"]
