"""The steps of an ONNX graph before its trees, followed back to the columns."""

from dataclasses import dataclass
from typing import Any

import onnx
import onnx.numpy_helper

CHOOSING = ("Gather", "ArrayFeatureExtractor")  # steps that take some of the features, by their places
PASSING = ("Reshape", "Identity", "Flatten")  # steps that leave the order of the features as it is


class NoTreesError(Exception):
    """A graph is no ensemble of small trees: the reason, a clause."""


@dataclass(frozen=True)
class Feature:
    """What a tree is given: the number of a column, or whether a category is its value at `value`."""

    column: int
    value: int | None = None


class Steps:
    """The steps of a graph; `values` holds what each encoder knows, by the number of its column."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.makers = {output: node for node in graph.node for output in node.output}
        self.values: dict[int, list[str]] = {}
        self._columns = {node.name: place for place, node in enumerate(graph.input)}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def features(self, name: str) -> list[Feature]:
        """Follow a tensor back to the inputs, feature by feature.

        Raises NoTreesError where a step is none that this knows.
        """
        if name in self._columns:
            return [Feature(self._columns[name])]
        node = self.makers.get(name)
        kind = node.op_type if node is not None else "a constant"
        if node is None or kind not in ("Concat", "OneHotEncoder", *PASSING, *CHOOSING):
            raise NoTreesError(f"a step before the trees is {kind}")
        if kind == "Concat":
            return [feature for one in node.input for feature in self.features(one)]
        found = self.features(node.input[0])
        if kind in CHOOSING:
            return [found[place] for place in self._places(node)]
        return self._encoded(node, found) if kind == "OneHotEncoder" else found

    def _places(self, node: onnx.NodeProto) -> list[int]:
        tensor = self._constants.get(node.input[1])
        if tensor is None or attributes(node).get("axis", 1) != 1:
            raise NoTreesError(f"a step before the trees is {node.op_type} of no fixed columns")
        return [int(place) for place in onnx.numpy_helper.to_array(tensor).ravel()]

    def _encoded(self, node: onnx.NodeProto, found: list[Feature]) -> list[Feature]:
        known = attributes(node).get("cats_strings")
        if not known or len(found) != 1 or found[0].value is not None:
            raise NoTreesError("a step before the trees encodes other things than one column of texts")
        column = found[0].column
        self.values[column] = [value.decode() for value in known]
        return [Feature(column, value) for value in range(len(known))]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Read the attributes of a node by name."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
