"""Outputs as text: each number is written once a batch, and answers are pieced together from prebuilt templates."""

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
        self._begins, self._between, self._end = [b'{"value":'], [], b"}"
        if self.kind == "binary":
            self._begins = [b'{"label":' + label + b',"probability":' for label in self.labels]
        elif self.kind != "quantity":
            first, *others = [_encode(str(name)) + b":" for name in target["labels"]]
            self._begins = [b'{"label":' + label + b',"probabilities":{' + first for label in self.labels]
            self._between, self._end = [b"," + name for name in others], b"}}"
        self._next = [self._end + b"," + begin for begin in self._begins]

    def row(self, scored: Scored, place: int) -> bytes:
        """Write the prediction of one row."""
        if self._between:
            return self.rows(scored, place, 1)
        return self._begins[scored.choices[place]] + scored.texts(self._first)[place] + self._end

    def rows(self, scored: Scored, start: int, count: int) -> bytes:
        """Write the predictions of rows, comma-separated."""
        width = scored.width - self._first
        texts = scored.texts(self._first)[start * width : (start + count) * width]
        # Pieces at every so many places of one list, joined once: half of what a template a row costs
        pieces, step = [b""] * (2 * len(texts)), 2 * width
        pieces[::step] = [self._next[chosen] for chosen in scored.choices[start : start + count]]
        pieces[1::step] = texts[::width]
        for place, name in enumerate(self._between, 1):
            pieces[2 * place :: step] = [name] * count
            pieces[2 * place + 1 :: step] = texts[place::width]
        return b"".join(pieces)[len(self._end) + 1 :] + self._end
