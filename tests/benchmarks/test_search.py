"""What the benchmark of search measures, and what it takes for the least that a search needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import tensorflow as tf

from benchmarks.search_ways import floors
from benchmarks.search_ways.turns import SIZES, VOCABULARY, WORDS, Turn, measured
from model.network.folded import fold
from model.network.network import Network
from recipes import schema


def test_a_turn_translates_whole_batches_until_its_time_is_over() -> None:
    seen: list[Sequence[Sequence[int]]] = []
    rates = measured(seen.append, Turn(beam=1, sentences=3, seconds=0.05))
    assert {len(batch) for batch in seen} == {3}
    assert {len(sentence) for batch in seen for sentence in batch} == {WORDS}
    assert {word for batch in seen for sentence in batch for word in sentence} <= set(range(VOCABULARY))
    assert 0 < rates.by_wall <= 3 * (len(seen) - 1) / 0.05


@pytest.mark.parametrize("beam", [1, 5])
def test_a_step_multiplies_with_the_weights_that_are_reckoned_for_it(beam: int) -> None:
    """All products of its graph; matrices are filled up with a few columns, at most one in fifty."""
    model: Any = fold(Network(schema.Model.model_validate(SIZES), VOCABULARY, VOCABULARY, seed=1), beam)
    read = model.read(tf.ones([1, floors.POSITIONS], tf.int32))

    @tf.function(autograph=False)
    def step(state: tf.Tensor, previous: tf.Tensor) -> tf.Tensor:
        return model.step(read, state, previous, model.output_kernel()).logits

    state = tf.repeat(read.initial_state, beam, axis=0)
    graph = step.get_concrete_function(state, tf.zeros([beam], tf.int32)).graph
    kernels = [operation.inputs[1] for operation in graph.get_operations() if operation.type == "MatMul"]
    weights = sum(math.prod(kernel.shape) for kernel in kernels)
    assert floors.weights_of_step(beam) <= weights <= 1.02 * floors.weights_of_step(beam)


def test_a_core_that_multiplies_twice_as_fast_does_twice_as_many_sentences_until_reading_takes_longer() -> None:
    slow = {**dict.fromkeys(floors.PRODUCTS, 10.0), floors.READING: 100.0}
    fast = {**dict.fromkeys(floors.PRODUCTS, 20.0), floors.READING: 100.0}
    assert floors.most_sentences(5, 64, fast) == pytest.approx(2 * floors.most_sentences(5, 64, slow))
    reading = {**dict.fromkeys(floors.PRODUCTS, 1e9), floors.READING: 100.0}
    # Every position's weights once, in float32.
    bound = 100e9 / (4 * floors.POSITIONS * floors.weights_of_step(1))
    assert 0.5 * bound < floors.most_sentences(1, 1, reading) < bound
    assert floors.most_sentences(1, 64, reading) == pytest.approx(64 * floors.most_sentences(1, 1, reading))
