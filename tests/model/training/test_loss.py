"""The cross entropy and its gradients against NumPy float64, for few positions and for many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.network.readout import Softmax
from model.training.loss import POSITIONS_AT_A_TIME, summed_cross_entropy
from tests.model import reference
from tests.model.support import padded
from workspace.layout import END_ID

UNITS, VOCABULARY = 3, 11


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("batch", [2, 130])
@pytest.mark.parametrize("shapes", ["known", "unknown"])
def test_cross_entropy_and_its_gradients(smoothing: float, batch: int, shapes: str) -> None:
    random = np.random.default_rng(4)
    target = [[*random.integers(3, VOCABULARY, size=random.integers(0, 5)), END_ID] for _ in range(batch)]
    length = max(map(len, target))
    assert batch == 2 or batch * length > 2 * POSITIONS_AT_A_TIME
    readouts = random.normal(size=(length, batch, UNITS))
    kernel, bias = random.normal(size=(UNITS, VOCABULARY)), random.normal(size=VOCABULARY)

    def loss_and_gradients(readouts: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, words: tf.Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch([readouts, kernel, bias])
            total, count = summed_cross_entropy(Softmax(readouts, kernel, bias), words, smoothing)
            thrice = 3 * total
        return total, count, tape.gradient(thrice, [readouts, kernel, bias])

    function: Any = loss_and_gradients
    if shapes == "unknown":
        any_shape = [tf.TensorSpec([None, None, UNITS]), tf.TensorSpec(kernel.shape), tf.TensorSpec(bias.shape)]
        function = tf.function(loss_and_gradients, input_signature=[*any_shape, tf.TensorSpec([None, None], tf.int32)])
    total, count, gradients = function(
        *(tf.constant(value, tf.float32) for value in (readouts, kernel, bias)), padded(target)
    )

    expected = 0.0
    d_readouts, d_kernel, d_bias = np.zeros_like(readouts), np.zeros_like(kernel), np.zeros_like(bias)
    for sentence, words in enumerate(target):
        for position, word in enumerate(words):
            here = readouts[position, sentence]
            p = reference.softmax(here @ kernel + bias)
            wanted = np.full(VOCABULARY, smoothing / VOCABULARY)
            wanted[word] += 1 - smoothing
            expected -= wanted @ np.log(p)
            d_readouts[position, sentence] = kernel @ (p - wanted)
            d_kernel += np.outer(here, p - wanted)
            d_bias += p - wanted
    assert float(count) == sum(map(len, target))
    assert float(total) == pytest.approx(expected, rel=1e-5)
    for gradient, value in zip(gradients, (d_readouts, d_kernel, d_bias), strict=True):
        np.testing.assert_allclose(gradient, 3 * value, atol=2e-4)
