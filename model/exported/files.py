"""The files of an engine, in the directory ``engine/`` of a version's ``assets.extra``, and what engine.json says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from workspace.layout import Precision, Side
from workspace.locations import Location
from workspace.storage import read_bytes, read_json, write_json

ANNOTATIONS = "annotations.tflite"
SEARCH = "search.tflite"
FORCED = "forced.tflite"
MARK = "engine.json"
DICTIONARY = "unknown-words.tsv"


def layer_inputs(number: int) -> str:
    """What makes the inputs of a layer of the encoder; the first is 1."""
    return f"layer-{number}.inputs.tflite"


def layer_step(number: int) -> str:
    """What makes its next states."""
    return f"layer-{number}.step.tflite"


def subword_model(side: Side) -> str:
    return f"{side}.model"


class EngineMark(NamedTuple):
    """What the engine must know besides the models; from ``beam_size`` on as ``recipes.schema.Search`` has them."""

    precision: Precision
    attends: bool
    layers: int
    beam_size: int
    length_normalization: float
    max_length_ratio: float
    max_length_extra: int
    max_source_length: int
    length_penalty: str = "power"
    coverage_penalty: float = 0.0
    min_length_ratio: float = 0.0
    beam_groups: int = 1
    unknown_words: str = "keep"  # so are those of versions that do not say

    def write(self, directory: Path) -> None:
        write_json(directory / MARK, self._asdict())


def read_models(directory: Path, mark: EngineMark) -> dict[str, bytes]:
    """The models of an engine, by the names of their files. Raises OSError where one is missing."""
    of_layers = (name(number) for number in range(1, mark.layers + 1) for name in (layer_inputs, layer_step))
    return {name: read_bytes(directory / name) for name in (*of_layers, ANNOTATIONS, SEARCH, FORCED)}


def read_engine_mark(directory: Location) -> EngineMark | None:
    """None where there is no engine."""
    try:
        return EngineMark(**read_json(directory / MARK))
    except TypeError:
        return None
