"""Rehearse a deployment for real, on a cluster that may be thrown away, and prove that a bad one is undone.

The cluster is the one of KUBECONFIG, else one that kind makes and that is deleted at the end. There the administrator's
part is done (infra/rehearsal/laid.py), `infra.deploy` brings the bundle by the overlay of staging, with the rights of
whoever deploys; then releases that are broken on purpose come, while users ask the one that serves without a pause:
each has to be undone, and no request may fail.

Reads   the bundle (build/model), infra/overlays, infra/namespace, and what infra.deploy reads
        KUBECONFIG, a cluster for rehearsals, and KUBE_CONTEXT; else kind and a container engine
        CLUSTER_REGISTRY, where an image is built and pushed to when no --image is given, else it is put into the node
        that kind made; CLUSTER_ENGINE, the engine that pushes there, if it is not the one that builds
        REGISTRY_USER and REGISTRY_TOKEN, a login by which the cluster pulls the image
Prints  the deployment's table, the drill's table, and how to deploy for real, as Markdown
Writes  what infra.deploy writes, for the environment `rehearsal`; build/rehearsal
Exits   0 deployed, and each broken release undone with no request failed; 1 not so; 2 used or set up wrongly; 3 the
        outside failed
"""

import contextlib
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from infra import bundle as bundles
from infra import deploy, hub, target
from infra.bundle import Bundle
from infra.environ import holding
from infra.kube.kubectl import Kubectl
from infra.kube.manifests import Overlay
from infra.rehearsal import kind, laid, own
from infra.rehearsal.drill import DRILLS, Drilled, drills, table
from infra.verified import NONE
from serve.bundle import BundleError
from validation import script
from validation.script import BUILD, INTERRUPTED, NO, ROOT, YES, Refusal, log, result

ENVIRONMENT = "rehearsal"
FOLDER = BUILD / "rehearsal"
EDGE = "No Ingress controller is part of it: the pods were asked past the edge, and the address above leads nowhere."
FOR_REAL = "To deploy for real, set the repository variable `DEPLOY_TARGET`: see docs/deploy.md."


def rehearse(sealed: Bundle, image: str, record: bool) -> int:
    """Deploy a bundle to the cluster of KUBECONFIG and drill with it; return the exit code."""
    order = ["--environment", ENVIRONMENT, "--bundle", str(sealed.folder), "--model-version", str(sealed.version)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = deploy.main([*order, "--image", image, *(["--record"] if record else [])])
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if printed.getvalue():
        result(printed.getvalue().rstrip())
    if code != YES:
        return code
    drilled = drills(DRILLS, sealed, image, FOLDER)
    result(f"\n### Rollback drill\n\n{table(drilled)}\n\n{EDGE}\n{FOR_REAL}")
    return NO if problems(drilled) else YES


def must_know(overlays: Iterable[Path]) -> None:
    """Raise Refusal when the cluster lacks kinds of objects that an overlay brings: before an image is built."""
    known = Kubectl(laid.SPACE).versions()
    for folder in overlays:
        objects = Overlay(folder).objects
        lacks = sorted({f"{one['kind']} of {one['apiVersion']}" for one in objects if one["apiVersion"] not in known})
        if lacks:
            raise Refusal(
                f"the cluster knows no {' and no '.join(lacks)}, which {os.path.relpath(folder, ROOT)} asks for:"
                " leave that out of the overlay, or take a newer cluster"
            )


def problems(drilled: Sequence[Drilled]) -> list[str]:
    """Say what must not have been."""
    found = [f"{one.fault}: {one.problem}" for one in drilled if one.problem]
    for sentence in found:
        log(f"infra.rehearse: {sentence}")
    return found


@script.door
def main(argv: Sequence[str] | None = None) -> int:
    """Rehearse."""
    arguments = script.parser(__doc__)
    arguments.add_argument("--bundle", type=Path, default=BUILD / "model", help="the sealed bundle")
    arguments.add_argument("--model-version", type=script.version_number, required=True, help="the version it holds")
    arguments.add_argument(
        "--image", default="", help="the published image by its digest; else one is built and pushed"
    )
    arguments.add_argument("--record", action="store_true", help="save the ledger's lines to the registry's branch")
    arguments.add_argument("--keep", action="store_true", help="leave cluster and deployment for a look at them")
    given = arguments.parse_args(argv)
    try:
        sealed = bundles.read(given.bundle)
    except BundleError as error:
        log(f"infra.rehearse: {error}; export the bundle again")
        return NO
    if sealed.version != given.model_version:
        raise Refusal(f"{given.bundle} holds version {sealed.version}, not {given.model_version}; export it again")
    if given.image:
        hub.parts(given.image)  # refuses what is not named by its digest
    elif given.record:
        raise Refusal("--record goes with --image: what others read of is a published image")
    else:
        own.must_be_possible()
    with contextlib.ExitStack() as stack:
        stack.enter_context(kind.cluster(FOLDER, given.keep))
        must_know([target.overlay(ENVIRONMENT), *DRILLS.values()])
        image = given.image or stack.enter_context(own.image_of(sealed, FOLDER))
        stack.enter_context(laid.down(FOLDER, image.partition("/")[0], given.keep))
        # what we built ourselves nobody attests
        stack.enter_context(holding(ATTESTATION=os.environ.get("ATTESTATION") or (None if given.image else NONE)))
        return rehearse(sealed, image, given.record)


if __name__ == "__main__":
    raise SystemExit(main())
