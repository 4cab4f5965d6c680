"""What can go wrong around a batch, by whose it is to mend."""


class InputError(Exception):
    """Something is used or set up wrongly, the file given above all: one sentence (exit 2)."""


class OutsideError(Exception):
    """The outside failed: network, disk or store (exit 3)."""
