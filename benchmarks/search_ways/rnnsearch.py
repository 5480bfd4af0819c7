"""The project's own search, of a network with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.search_ways.turns import SEED, SIZES, VOCABULARY, WORDS, Translate, Way
from model.network.folded import fold
from model.network.network import Network
from model.search.beam import beam_search
from recipes import schema
from workspace.layout import END_ID

# So unlikely that every translation has all the words it may have.
BIAS_OF_END = -50.0


def way(kind: str) -> Way:
    """``folded`` as an exported model has it, or ``unfolded`` as it is trained."""
    network = random_network()

    def translator(beam: int) -> Translate:
        return in_graph(fold(network, beam) if kind == "folded" else network, beam)

    return Way(f"TensorFlow {tf.__version__}", network.count_params(), translator)


def random_network() -> Network:
    network = Network(schema.Model.model_validate(SIZES), VOCABULARY, VOCABULARY, SEED)
    bias = network.readout.vocabulary_bias
    bias.assign(tf.tensor_scatter_nd_update(bias.value, [[END_ID]], [BIAS_OF_END]))
    return network


def in_graph(model: Any, beam: int) -> Translate:
    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]
    )
    def search(source: tf.Tensor, longest: tf.Tensor) -> Any:
        return beam_search(model, source, longest, schema.Search(beam_size=beam))

    def translate(batch: Sequence[Sequence[int]]) -> None:
        source = np.pad(np.array(batch, np.int32), [(0, 0), (0, 1)], constant_values=END_ID)
        found = search(tf.constant(source), tf.fill([len(batch)], WORDS + 1))
        if found.words.shape[2] != WORDS + 1:
            raise AssertionError(f"translations have {found.words.shape[2] - 1} words in place of {WORDS}")
        found.scores.numpy()

    return translate
