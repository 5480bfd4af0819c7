"""An exported version loaded into this process: by its engine on a CPU where it has one, else by TensorFlow."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

from model.exported.files import Precision, read_engine_mark
from workspace.errors import UserError
from workspace.foreign_lines import foreign_lines_left_out, has_gpu, warnings_left_out
from workspace.layout import TOO_MANY_TEXTS, engine_of
from workspace.locations import Location
from workspace.staging import staged

ENGINE_PACKAGE, TENSORFLOW = "ai_edge_litert", "tensorflow"

_TOO_MANY = re.compile(TOO_MANY_TEXTS.format(r"(\d+)"))

# Lists of texts or numbers, by the names of a signature's inputs -> lists of as many answers, by those of its outputs.
Signature: TypeAlias = Callable[..., dict[str, Sequence[Any]]]


def load_signatures(version: Location, precision: Precision | None = None) -> dict[str, Signature]:
    """The signatures in the directory of a version, by name; threads may share them.

    precision: "int8" for the engine, "float32" for the SavedModel; without it the engine on a CPU, if there is one.
    A call takes any number of texts; they come out in UTF-8. Raises UserError where the version has no such thing, or
    is not whole.
    """
    if package_for(version, precision) == ENGINE_PACKAGE:
        with staged(version, engine_of(version)) as here:
            return load_engine(here)
    return load_saved_model(version)


def package_for(version: Location, precision: Precision | None) -> str:
    """The package that ``load_signatures`` would load the version with. Raises UserError as it does."""
    check_precision(precision)
    has_engine = read_engine_mark(engine_of(version)) is not None
    if precision == "int8" and not has_engine:
        raise UserError(f"{version} has no engine in int8, as an ensemble and what loses by it have none; use float32")
    if precision is None and has_engine:
        # On a GPU, TensorFlow where it is there, and on a CPU where there is nothing else.
        here = [package for package in (ENGINE_PACKAGE, TENSORFLOW) if importlib.util.find_spec(package)]
        return (here[-1] if has_gpu() else here[0]) if here else ENGINE_PACKAGE
    return ENGINE_PACKAGE if precision == "int8" else TENSORFLOW


def check_precision(precision: Precision | None) -> None:
    """Raises UserError where there is no such one."""
    if precision is not None and precision not in get_args(Precision):
        raise UserError(f"there is no precision {precision!r}; choose int8 or float32")


def load_engine(directory: Path) -> dict[str, Signature]:
    """The signatures of the engine there, likewise."""
    with foreign_lines_left_out(ENGINE_PACKAGE):
        return dict(importlib.import_module("model.exported.lite_model").LiteModel(directory).signatures)


def load_saved_model(version: Location) -> dict[str, Signature]:
    """The signatures of the SavedModel, by TensorFlow: those that the engine has, and more. Raises UserError where it
    is not whole, and ModuleNotFoundError where TensorFlow is not installed."""
    with foreign_lines_left_out():
        tf = importlib.import_module(TENSORFLOW)
        importlib.import_module("tensorflow_text")  # what the operators of the graph are in
    try:
        # Of whoever trains a loaded model, who gets no gradients of it.
        with warnings_left_out(), staged(version) as here:
            model = tf.saved_model.load(str(here))
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"{version} is no whole SavedModel; remove it, and export again") from error

    # A signature alone would not keep the variables of its model alive.
    def answer(model: Any, name: str, **inputs: Sequence[Any]) -> dict[str, Sequence[Any]]:
        signature = model.signatures[name]
        specs = signature.structured_input_signature[1]
        given = {
            input_name: tf.constant([_as_bytes(value) for value in values], specs[input_name].dtype)
            for input_name, values in inputs.items()
        }
        return {output: values.numpy() for output, values in signature(**given).items()}

    def answer_in_parts(model: Any, name: str, **inputs: Sequence[Any]) -> dict[str, Sequence[Any]]:
        """As ``answer``, of as many texts at a time as the signature takes."""
        try:
            return answer(model, name, **inputs)
        except tf.errors.InvalidArgumentError as error:
            refused, count = _TOO_MANY.search(error.message), max(map(len, inputs.values()))
            if not refused or not 0 < (most := int(refused[1])) < count:
                raise
        parts = [
            answer(model, name, **{each: values[begin : begin + most] for each, values in inputs.items()})
            for begin in range(0, count, most)
        ]
        return {output: [row for part in parts for row in part[output]] for output in parts[0]}

    return {name: functools.partial(answer_in_parts, model, name) for name in model.signatures}


def _as_bytes(value: Any) -> Any:
    """A text in UTF-8; what that cannot have becomes a question mark, as in the client."""
    return value.encode("utf-8", errors="replace") if isinstance(value, str) else value
