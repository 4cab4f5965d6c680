"""Outputs as text: each number is written once a batch, and answers are pieced together from prebuilt templates."""

from collections.abc import Sequence
from typing import Any

import msgspec

from serve.model import Model, Outputs

_encode = msgspec.json.Encoder().encode


class Scored:
    """The scored rows of one batch: the label's place of each, and its outputs as JSON text."""

    __slots__ = ("_outputs", "_texts", "choices", "width")

    def __init__(self, model: Model, outputs: Outputs) -> None:
        self.width = outputs.shape[1]
        self.choices: list[int] = model.choices(outputs).tolist()
        self._outputs = outputs
        self._texts: dict[int, list[bytes]] = {}

    def texts(self, first: int = 0) -> list[bytes]:
        """Write every row's outputs from the one at `first`, row after row; once a batch, whoever asks."""
        found = self._texts.get(first)
        if found is None:
            # A float32 written as the float64 that it is equal to: read by anybody, it is the same number again
            found = _encode(self._outputs[:, first:].ravel().tolist())[1:-1].split(b",")
            self._texts[first] = found
        return found


class Templates:
    """How one row's prediction is written, by the label that was chosen."""

    def __init__(self, target: dict[str, Any]) -> None:
        self.kind: str = target["kind"]
        self.labels = [_encode(label) for label in target["labels"]]
        self._first = 1 if self.kind == "binary" else 0  # of two probabilities, the positive label's says both
        self._one = [_template(self.kind, target["labels"], label) for label in target["labels"]] or [b'{"value":%b}']

    def row(self, scored: Scored, place: int) -> bytes:
        """Write the prediction of one row."""
        texts, width = scored.texts(self._first), scored.width - self._first
        return self._one[scored.choices[place]] % tuple(texts[place * width : (place + 1) * width])

    def rows(self, scored: Scored, start: int, count: int) -> bytes:
        """Write the predictions of rows, comma-separated."""
        if self.kind != "binary":
            return b",".join([self.row(scored, place) for place in range(start, start + count)])
        choices, numbers = scored.choices[start : start + count], scored.texts(self._first)[start : start + count]
        one = self._one
        return b",".join([one[chosen] % number for chosen, number in zip(choices, numbers, strict=True)])


def _template(kind: str, labels: Sequence[str | int], label: str | int) -> bytes:
    head = b'{"label":' + _escaped(_encode(label))
    if kind == "binary":
        return head + b',"probability":%b}'
    each = b",".join(_escaped(_encode(str(name))) + b":%b" for name in labels)
    return head + b',"probabilities":{' + each + b"}}"


def _escaped(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")
