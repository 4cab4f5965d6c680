"""After stage 2: claim the number of the version that `fit` made, by saving it to the branch before anybody judges it.

Reads   the registry.
Prints  model-version=N, the number that was granted: others may have registered versions meanwhile.
Writes  the branch that REGISTRY names.
Exits   0 granted; 1 others saved first each time; 2 used or set up wrongly; 3 the outside failed.
"""

from collections.abc import Sequence

from train import following, registry
from train.travel.merging import RaceLostError
from train.travel.saving import save
from validation import contract
from validation.script import NO, YES, OutsideError, door, log, parser, result, version_number


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    options = parser(__doc__)
    options.add_argument("--model-version", type=version_number, required=True, help="the number that fit printed")
    number = options.parse_args(argv).model_version
    config = contract.load()
    version = following.follow(config).version(number)
    try:
        log(f"saved: {save(config)}")
    except RaceLostError as lost:
        log(f"train.claim: {lost}")
        return NO
    granted = [one.number for one in registry.view(config).versions.values() if one.model_id == version.model_id]
    if len(granted) != 1:
        raise OutsideError(f"after saving, the registry holds {len(granted)} versions of {version.model_id}; verify it")
    result(f"model-version={granted[0]}")
    return YES


if __name__ == "__main__":
    raise SystemExit(main())
