"""The project's engine for CPUs, of the same network with random weights."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.search_ways.rnnsearch import random_network
from benchmarks.search_ways.turns import WORDS, Translate, Way
from model.exported.engine import Engine
from model.exported.files import Precision, read_engine_mark, read_models
from model.exported.litert_model import write_functions
from recipes import schema


def way(precision: Precision) -> Way:
    network = random_network()

    def translator(beam: int) -> Translate:
        with tempfile.TemporaryDirectory() as directory:
            write_functions(network, schema.Search(beam_size=beam), [], Path(directory), precision)
            mark = read_engine_mark(Path(directory))
            assert mark is not None
            engine = Engine(read_models(Path(directory), mark), mark)

        def translate(batch: Sequence[Sequence[int]]) -> None:
            found = engine.search(batch, [WORDS + 1] * len(batch))
            if found.words.shape[2] != WORDS + 1:
                raise AssertionError(f"translations have {found.words.shape[2] - 1} words in place of {WORDS}")

        return translate

    return Way(f"LiteRT {importlib.metadata.version('ai-edge-litert')}", network.count_params(), translator)
