"""The network against the paper's equations in NumPy float64: values, gradients, padding, one word at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.network.attention import attend
from model.network.decoder import AttentionDecoder
from model.network.encoder import BidirectionalEncoder
from model.network.gru import GRU
from model.network.initialization import Initializers
from model.network.network import Network
from model.training.loss import summed_cross_entropy
from recipes import schema
from tests.model import reference
from tests.model.support import NETWORKS, padded, random_pairs, small_network
from workspace.layout import PADDING_ID


def test_gru_step_is_the_papers() -> None:
    network = small_network()
    weights = reference.weights_of(network)
    random = np.random.default_rng(0)
    state, word = random.normal(size=(2, 4)), random.normal(size=(2, 5))
    encoder = network.encoder
    assert isinstance(encoder, BidirectionalEncoder)
    gru = encoder.forward
    result = gru.step(tf.constant(state, tf.float32), gru.gate_inputs(tf.constant(word, tf.float32)))
    expected = [reference.gru(weights, "forward", *both) for both in zip(state, word, strict=True)]
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_attention_is_the_papers() -> None:
    network = small_network()
    weights = reference.weights_of(network)
    random = np.random.default_rng(1)
    state, annotations = random.normal(size=6), random.normal(size=(5, 8))
    decoder = network.decoder
    assert isinstance(decoder, AttentionDecoder)
    layer = decoder.attention
    batch = tf.constant(annotations[None], tf.float32)
    query = tf.matmul(tf.constant(state[None], tf.float32), tf.convert_to_tensor(layer.state_kernel))
    attended = attend(query, batch, layer.project(batch), tf.zeros([1, 5]), tf.convert_to_tensor(layer.vector))
    context, alignment = reference.attention(weights, state, annotations)
    np.testing.assert_allclose(attended.context[0], context, atol=1e-5)
    np.testing.assert_allclose(attended.alignment[0], alignment, atol=1e-5)


def test_logits_of_padded_batch_are_those_of_each_sentence(network: Network) -> None:
    pairs = random_pairs(12)
    weights = reference.weights_of(network)
    sources, targets = zip(*pairs, strict=True)
    logits = network(padded(list(sources)), padded(list(targets))).logits
    for index, (source, target) in enumerate(pairs):
        expected, _ = reference.logits(weights, source, target, network.settings)
        np.testing.assert_allclose(logits[: len(target), index], expected, atol=1e-5)


def test_word_by_word_is_the_whole_sentence(network: Network) -> None:
    pairs = random_pairs(6)
    weights = reference.weights_of(network)
    for source, target in pairs:
        logits, alignments = reference.logits(weights, source, target, network.settings)
        read = network.read(padded([source]))
        state, previous = read.initial_state, PADDING_ID
        for word, row, alignment in zip(target, logits, alignments, strict=True):
            following = network.step(read, state, tf.constant([previous]), network.output_kernel())
            np.testing.assert_allclose(following.logits[0], row, atol=1e-5)
            attends = network.attends
            np.testing.assert_allclose(following.alignment[0], alignment if attends else [], atol=1e-5)
            state, previous = following.state, word


def test_gradients_are_those_of_the_equations(network: Network) -> None:
    pairs = random_pairs(3, seed=8)
    check_gradients(network, pairs, masks=None)


@pytest.mark.parametrize("options", ["rnnsearch-options", "rnnencdec-options"])
def test_gradients_with_recurrent_dropout_are_those_of_the_equations(options: str) -> None:
    """With one mask for all steps of a sentence, another for every GRU."""
    network = small_network(**NETWORKS[options], recurrent_dropout=0.4)
    pairs = random_pairs(3, seed=8)
    check_gradients(network, pairs, masks_of_next_call(network, len(pairs)))


def masks_of_next_call(network: Network, batch: int) -> list[reference.Masks]:
    """For every sentence the masks of recurrent dropout that the network will draw next: it draws no others."""
    state = network.dropouts.random.state
    before = state.numpy()
    weights = reference.weights_of(network)
    masks: reference.Masks = {}
    for name, _, kind in (name.rpartition(".") for name in weights):
        if kind == "recurrent_candidate":
            units = weights[f"{name}.recurrent_candidate"].shape[0]
            masks[name] = np.asarray(network.dropouts.state_mask(batch, units, training=True))
    state.assign(before)
    for mask in masks.values():
        assert len(np.unique(mask)) == 2, "nothing or everything is dropped"
    return [{name: mask[index] for name, mask in masks.items()} for index in range(batch)]


def check_gradients(network: Network, pairs: list[reference.Pair], masks: list[reference.Masks] | None) -> None:
    """Along a random direction of every weight, against central differences of the float64 equations."""
    sources, targets = (padded(list(side)) for side in zip(*pairs, strict=True))
    variables, weights = reference.variables_of(network), reference.weights_of(network)
    assert len(variables) == len(network.trainable_variables)
    assert len({variable.path for variable in network.trainable_variables}) == len(variables)
    with tf.GradientTape() as tape:
        loss, words = summed_cross_entropy(network(sources, targets, training=True), targets, 0.0)
    gradients = tape.gradient(loss, [variable.value for variable in variables.values()])
    random = np.random.default_rng(2)
    assert float(words) == sum(len(target) for _, target in pairs)
    expected = reference.negative_log_likelihood(weights, pairs, network.settings, masks)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for (name, value), gradient in zip(weights.items(), gradients, strict=True):
        direction = random.normal(size=value.shape)
        step = 1e-5
        ahead, behind = (
            reference.negative_log_likelihood(
                {**weights, name: value + sign * step * direction}, pairs, network.settings, masks
            )
            for sign in (1, -1)
        )
        slope = np.sum(np.asarray(tf.convert_to_tensor(gradient), np.float64) * direction)
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("more", NETWORKS.values(), ids=list(NETWORKS))
def test_gradient_flows_to_every_weight(more: dict[str, Any]) -> None:
    """With the initial weights, not those of these tests: nothing may begin so that it can never be learnt."""
    settings = schema.Model.model_validate({**more, "embedding_units": 8, "readout_units": 8, "dropout": 0.1})
    network = Network(settings, 13, 13, seed=1)
    sources, targets = (padded(list(side)) for side in zip(*random_pairs(8), strict=True))
    with tf.GradientTape() as tape:
        loss, _ = summed_cross_entropy(network(sources, targets, training=True), targets, 0.1)
    gradients = tape.gradient(loss, [variable.value for variable in network.trainable_variables])
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.02)])
@pytest.mark.parametrize("more", NETWORKS.values(), ids=list(NETWORKS))
def test_products_of_fewer_bits_give_nearly_the_same_gradients(
    more: dict[str, Any], precision: str, tolerance: float
) -> None:
    """Nearly: a maxout unit may choose its other piece. Loss and gradients are float32, and search is all float32."""
    exact, mixed = (small_network(precision=bits, **more) for bits in ("float32", precision))
    sources, targets = (padded(list(side)) for side in zip(*random_pairs(8), strict=True))
    found = []
    for network in (exact, mixed):
        with tf.GradientTape() as tape:
            loss, _ = summed_cross_entropy(network(sources, targets, training=True), targets, 0.1)
        weights = [variable.value for variable in network.trainable_variables]
        found.append([loss, *map(tf.convert_to_tensor, tape.gradient(loss, weights))])
    for values in zip(*found, strict=True):
        assert {value.dtype for value in values} == {tf.float32}
    differences = [theirs - ours for ours, theirs in zip(*found, strict=True)]
    assert 0 < float(tf.linalg.global_norm(differences)) < tolerance * float(tf.linalg.global_norm(found[0]))
    states = tf.zeros([8, 6 * exact.settings.decoder_layers])
    logits = [
        network.step(network.read(sources), states, targets[:, 0], network.output_kernel()).logits
        for network in (exact, mixed)
    ]
    np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize(
    "share", ["dropout", "embedding_dropout", "layer_dropout", "readout_dropout", "recurrent_dropout"]
)
def test_dropout_is_only_in_training(share: str) -> None:
    network = small_network(**NETWORKS["rnnsearch-options"], **{share: 0.5})
    source, target = padded([[3, 4, 1]]), padded([[5, 6, 1]])
    np.testing.assert_array_equal(network(source, target).logits, network(source, target).logits)
    first, second = (network(source, target, training=True).logits for _ in range(2))
    assert np.abs(first - second).max() > 0.01


def test_each_dropout_is_set_on_its_own() -> None:
    """What ``dropout`` says of embeddings, layers and read-out, their own settings say otherwise."""
    ones = tf.ones([20, 50])
    for more, dropped in (
        ({"dropout": 0.5}, (True, True, True, False)),
        ({"dropout": 0.5, "embedding_dropout": 0.0}, (False, True, True, False)),
        ({"dropout": 0.5, "layer_dropout": 0.0}, (True, False, True, False)),
        ({"dropout": 0.5, "readout_dropout": 0.0}, (True, True, False, False)),
        ({"recurrent_dropout": 0.5}, (False, False, False, True)),
    ):
        dropouts = small_network(**more).dropouts
        results = (
            dropouts.embeddings(ones, training=True),
            dropouts.between_layers(ones, training=True),
            dropouts.readout(ones, training=True),
            dropouts.state_mask(20, 50, training=True),
        )
        for result, expected in zip(results, dropped, strict=True):
            share = 0.0 if result is None else float(tf.reduce_mean(tf.cast(result == 0, tf.float32)))
            assert share == pytest.approx(0.5 if expected else 0.0, abs=0.1), more


def test_paper_initialization() -> None:
    """B.1: orthogonal recurrent matrices, W_a and U_a within 0.001, v_a and biases 0, the rest within 0.01."""
    settings = schema.Model.model_validate({"initialization": "paper", "encoder_units": 40, "decoder_units": 60})
    network = Network(settings, 200, 300, seed=1)
    weights = reference.weights_of(network)
    for gru, units in (("forward", 40), ("backward", 40), ("decoder", 60)):
        gates = weights[f"{gru}.recurrent_gates"]
        for matrix in (gates[:, :units], gates[:, units:], weights[f"{gru}.recurrent_candidate"]):
            np.testing.assert_allclose(matrix @ matrix.T, np.eye(units), atol=1e-5)
    for name in ("attention.vector", *(name for name in weights if name.endswith("bias"))):
        assert not weights[name].any(), name
    for name in ("attention.state_kernel", "attention.annotation_kernel"):
        assert weights[name].std() == pytest.approx(0.001, rel=0.1)
    for name in ("source_embeddings", "context", "initial.kernel", "forward.kernel", "readout.vocabulary_kernel"):
        assert weights[name].std() == pytest.approx(0.01, rel=0.1), name


@pytest.mark.parametrize("units", [30, 400])
def test_tied_logits_begin_as_large_as_what_the_softmax_reads(units: int) -> None:
    sizes = {"tied_embeddings": "target", "embedding_units": units, "readout_units": units}
    network = Network(schema.Model.model_validate(sizes), 2, 500, seed=1)
    readouts = tf.constant(np.random.default_rng(6).normal(size=(40, units)), tf.float32)
    logits = network.readout.softmax(readouts, network.output_kernel()).logits
    assert np.std(logits) == pytest.approx(1, rel=0.05)


def test_every_weight_has_random_numbers_of_its_own() -> None:
    first, second = (GRU(6, 6, initializers, "gru") for initializers in [Initializers("glorot", seed=1)] * 2)
    assert np.abs(first.kernel.numpy() - second.kernel.numpy()).max() > 0.01
    blocks = np.split(first.kernel.numpy(), 3, axis=1)
    assert np.abs(blocks[0] - blocks[1]).max() > 0.01
    again = GRU(6, 6, Initializers("glorot", seed=1), "gru")
    np.testing.assert_array_equal(first.kernel.numpy(), again.kernel.numpy())
