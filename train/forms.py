"""The form in which a fitted pipeline travels: one ONNX graph, or what skops writes of a pipeline that has none."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from sklearn.pipeline import Pipeline

from serve.runtime import FILES
from serve.words import ONNX, SKOPS
from train.stable import stable
from train.view import RUNTIME, RUNTIME_WHY
from validation.contract import Config
from validation.script import Refusal
from validation.words.columns import Number

LONGEST = 200  # characters of a converter's reason: some list all that they were given


class NoFormError(Exception):
    """A pipeline has no such form: the reason, a clause."""


@dataclass(frozen=True)
class Form:
    """The bytes that a runtime runs; `why` says in a clause why it is not the ONNX runtime, where it is another."""

    runtime: str
    content: bytes
    why: str = ""

    def write(self, folder: Path) -> None:
        """Write the model into its folder."""
        (folder / FILES[self.runtime]).write_bytes(self.content)

    def tags(self) -> dict[str, str]:
        """Return what a version says of its runtime."""
        return {RUNTIME: self.runtime} | ({RUNTIME_WHY: self.why} if self.why else {})


def form_of(pipeline: Pipeline, config: Config) -> Form:
    """Choose the form of a fitted pipeline: as MODEL asks, and skops where it has no ONNX form.

    Raises Refusal when it has none.
    """
    why, lacks = "MODEL in config.py asks for it", "the pipeline has no skops form: "
    if config.model.runtime == ONNX:
        try:
            return Form(ONNX, to_onnx(pipeline, config))
        except NoFormError as error:
            why = "the pipeline has no ONNX form"
            lacks = f"{why} ({error}), and no skops form either: "
            if config.show_values:  # a converter may quote what was fitted
                why += f" ({shorten(str(error), LONGEST, placeholder=' …')})"
    try:
        return Form(SKOPS, to_skops(pipeline), why)
    except NoFormError as error:
        raise Refusal(f"train/model.py: {lacks}{error}") from None


def to_onnx(pipeline: Pipeline, config: Config) -> bytes:
    """Convert a fitted pipeline to one ONNX graph with an input a column; the same pipeline gives the same bytes.

    Raises NoFormError when a step has no ONNX form.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [
        (column.name, (FloatTensorType if isinstance(column, Number) else StringTensorType)([None, 1]))
        for column in config.inputs
    ]
    options = {} if config.target.kind == "quantity" else {id(pipeline): {"zipmap": False}}
    try:
        graph = convert_sklearn(pipeline, config.model.name, types, options=options)
    except Exception as error:  # the converters raise whatever they meet
        raise NoFormError(_first_line(error)) from error
    # The converter lists the operator sets in the order of a Python set, another one in each process
    operators = sorted(graph.opset_import, key=lambda operator: str(operator.domain))
    del graph.opset_import[:]
    graph.opset_import.extend(operators)
    return bytes(graph.SerializeToString())


def to_skops(pipeline: Pipeline) -> bytes:
    """Write a fitted pipeline as a skops file; the same pipeline gives the same bytes.

    Raises NoFormError when a part of it cannot be written, or is of a type that the service would not build.
    """
    import skops.io

    from serve.skops.pipeline import made_by, untrusted

    try:
        content = stable(skops.io.dumps(pipeline), made_by())
    except Exception as error:  # a step of somebody's own may raise anything
        raise NoFormError(_first_line(error)) from error
    strange = untrusted(content)
    if strange:
        raise NoFormError(
            f"it holds {', '.join(strange)}; the service builds only what scikit-learn and serve/skops/trusted.py"
            " list: add a type there, with its reason, if it is harmless, or do without"
        )
    return content


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
