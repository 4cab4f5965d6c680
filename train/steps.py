"""The steps of an ONNX graph before its trees, followed back to the columns."""

from dataclasses import dataclass, field
from typing import Any

import onnx

PASSING = ("Reshape", "Identity", "Flatten")  # steps that leave the order of the features as it is


class NoTreesError(Exception):
    """A graph is no ensemble of small trees: the reason, a clause."""


@dataclass(frozen=True)
class Feature:
    """What a tree is given: the number of a column, or whether a category is its value at `value`."""

    column: int
    value: int | None = None


@dataclass
class Steps:
    """The steps of a graph that takes inputs in the places of `columns`; `values` holds what each encoder knows."""

    makers: dict[str, onnx.NodeProto]
    columns: dict[str, int]
    values: dict[int, list[str]] = field(default_factory=dict)

    def features(self, name: str) -> list[Feature]:
        """Follow a tensor back to the inputs, feature by feature.

        Raises NoTreesError where a step is none that this knows.
        """
        if name in self.columns:
            return [Feature(self.columns[name])]
        node = self.makers.get(name)
        if node is not None and node.op_type == "Concat":
            return [feature for one in node.input for feature in self.features(one)]
        if node is not None and node.op_type in PASSING:
            return self.features(node.input[0])
        if node is not None and node.op_type == "OneHotEncoder" and node.input[0] in self.columns:
            known = attributes(node).get("cats_strings")
            if known:
                column = self.columns[node.input[0]]
                self.values[column] = [value.decode() for value in known]
                return [Feature(column, value) for value in range(len(known))]
        raise NoTreesError(f"a step before the trees is {node.op_type if node is not None else 'a constant'}")


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Read the attributes of a node by name."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
