"""A version's number is the branch's to grant: until then a save may give it another one."""

from train.embedded import embedded
from train.travel import book, content
from train.travel.history import Unit
from train.travel.ledger import REGISTRATION
from validation.script import Refusal


def must_be_granted(unit: Unit) -> None:
    """Raise Refusal for a version whose number is this machine's alone; a server's numbers are granted at once."""
    claims = [
        line.number
        for line in book.lines()
        if line.event == REGISTRATION and line.facts["version"] == unit.version and embedded()
    ]
    if claims and min(claims) > content.base()["lines"]:
        raise Refusal(
            f"version {unit.version} has its number from this machine alone: `python -m train.claim --model-version"
            f" {unit.version}` asks the branch for one, or leave out --record"
        )
