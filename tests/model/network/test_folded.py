"""The network as search steps through it, against the network itself."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model.network.folded import Folded, Kernel, Table, fold
from model.network.network import Network
from model.search.beam import beam_search
from model.search.scores import VALUES_OF_A_PART
from recipes.schema import Search
from tests.model.support import padded, random_pairs, small_network


@pytest.mark.parametrize("table", ["float32", "int8", None])
@pytest.mark.parametrize("folds_context", [True, False])
def test_logits_states_and_alignments_are_those_of_the_network(
    network: Network, folds_context: bool, table: Table | None
) -> None:
    """Of three hypotheses of every sentence, padding and the beginning among the words before."""
    if not network.attends:
        assert fold(network, 6) is network
        return
    made = Folded(network, folds_context, table)
    vocabulary = network.readout.vocabulary_bias.shape[0]
    source = padded([source for source, _ in random_pairs(5, seed=1)])
    random = np.random.default_rng(1)
    previous = tf.constant(random.integers(0, vocabulary, 15), tf.int32)
    read = network.read(source)
    state = tf.repeat(read.initial_state, 3, axis=0)
    state += tf.constant(random.normal(0, 0.3, state.shape), tf.float32)
    expected = network.step(read, state, previous, network.output_kernel())
    given = made.step(made.read(source), state, previous, made.output_kernel())
    # A word's products are rounded to some hundredths, being up to 2 or 3.
    tolerance = 0.05 if table == "int8" else 1e-5
    np.testing.assert_allclose(given.logits[:, :vocabulary], expected.logits, atol=tolerance)
    assert np.all(given.logits[:, vocabulary:] == -np.inf)
    assert given.logits.shape[1] % VALUES_OF_A_PART == 0  # so that the search copies none of them
    np.testing.assert_allclose(given.state, expected.state, atol=tolerance)
    np.testing.assert_allclose(given.alignment, expected.alignment, atol=1e-5)


@pytest.mark.parametrize("beam_size", [1, 3, 30])
def test_a_search_finds_the_same_words(network: Network, beam_size: int) -> None:
    """Also where a beam is wider than the vocabulary, of which there are words then that never follow."""
    sources = [source for source, _ in random_pairs(12, seed=2)]
    longest = tf.constant([len(source) + 3 for source in sources])
    expected = beam_search(network, padded(sources), longest, Search(beam_size=beam_size))
    made = Folded(network, beam_size > 1, table="float32") if network.attends else network
    given = beam_search(made, padded(sources), longest, Search(beam_size=beam_size))
    np.testing.assert_array_equal(given.words, expected.words)
    np.testing.assert_allclose(given.scores, expected.scores, atol=1e-5)


@pytest.mark.parametrize("columns", [3, 1024, 2048])
def test_a_matrix_laid_out_otherwise_multiplies_alike(columns: int) -> None:
    random = np.random.default_rng(columns)
    left, right = random.normal(size=(2, 4, 5)).astype(np.float32), random.normal(size=(5, columns)).astype(np.float32)
    np.testing.assert_allclose(Kernel(tf.constant(right)).times(tf.constant(left)), left @ right, atol=1e-5)


@pytest.mark.parametrize(("units", "beam_size", "folds"), [(256, 6, True), (256, 1, False), (255, 6, False)])
def test_contexts_are_folded_where_that_is_quicker(units: int, beam_size: int, folds: bool) -> None:
    network = small_network(encoder_units=units)
    made = fold(network, beam_size)
    assert isinstance(made, Folded)
    products = 3 * network.settings.decoder_units + 2 * network.settings.readout_units
    assert made.read(padded([[3, 2, 1]])).annotations.shape[2] == (products if folds else 2 * units)
