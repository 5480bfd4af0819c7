"""The training criterion: cross entropy over the target words, padding left out.

The logits, one for every word of the vocabulary at every position, are the largest tensor of the network. They are
made here, some positions at a time, and gone with their gradient before the next: all of them at once would leave
the processor's cache, and twice a gigabyte for the paper's vocabulary of 30,000 words. Loss and gradient come
from one pass over exp(logits).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from model.network.operations import by_step, growing, product, summed_outer_product
from model.network.readout import Softmax
from workspace.layout import PADDING_ID

# Enough for the matrix products to be as fast as they get.
POSITIONS_AT_A_TIME = 256


def summed_cross_entropy(softmax: Softmax, target: tf.Tensor, label_smoothing: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The sum over all target words of -log p, in nats, and how many words there are; two float32 scalars.

    softmax: at [target length, batch]; target: int32 [batch, target length]. With ``label_smoothing`` e the wanted
    distribution is 1 - e on the word and e spread evenly over the vocabulary.

    The gradient is computed with the loss, not asked for: this is for training.
    """
    words = tf.reshape(tf.transpose(target), [-1])
    rows = tf.reshape(softmax.readouts, [-1, softmax.kernel.shape[0]])
    if words.shape[0] is None:  # What XLA compiles has shapes that do not depend on values.
        kept = tf.where(tf.not_equal(words, PADDING_ID))[:, 0]
        words, rows = tf.gather(words, kept), tf.gather(rows, kept)
    count = tf.reduce_sum(tf.cast(tf.not_equal(words, PADDING_ID), tf.float32))
    return _summed(softmax._replace(readouts=rows), words, label_smoothing), count


def _summed(softmax: Softmax, words: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """The sum of the cross entropies of a softmax at [positions]; words: int32 [positions]."""

    @tf.custom_gradient
    def run(
        readouts: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        positions, units = tf.shape(readouts)[0], readouts.shape[1]
        # At least one, though a replica may have nothing but padding.
        parts = tf.maximum(1, (positions + POSITIONS_AT_A_TIME - 1) // POSITIONS_AT_A_TIME)
        size = (positions + parts - 1) // parts
        filling = parts * size - positions
        readouts_of = by_step(tf.reshape(tf.pad(readouts, [[0, filling], [0, 0]]), [parts, size, units]))
        words_of = by_step(tf.reshape(tf.pad(words, [[0, filling]], constant_values=PADDING_ID), [parts, size]))
        transposed = tf.transpose(kernel)

        def part(
            number: tf.Tensor, total: tf.Tensor, d_kernel: tf.Tensor, d_bias: tf.Tensor, d_readouts: tf.TensorArray
        ) -> tuple[Any, ...]:
            here = readouts_of.read(number)
            logits = product(here, kernel) + bias
            loss, d_logits = _with_gradient(logits, words_of.read(number), label_smoothing)
            return (
                number + 1,
                total + loss,
                d_kernel + summed_outer_product(here, d_logits, kernel.dtype),
                d_bias + tf.reduce_sum(d_logits, axis=0),
                d_readouts.write(number, product(d_logits, transposed)),
            )

        start: Any = (0, 0.0, tf.zeros_like(kernel, tf.float32), tf.zeros_like(bias), growing(parts, units))
        _, total, d_kernel, d_bias, d_readouts = tf.while_loop(
            lambda number, *_: number < parts, part, start, parallel_iterations=1
        )
        d_rows = tf.reshape(d_readouts.stack(), [-1, units])[:positions]
        return total, lambda upstream: (upstream * d_rows, upstream * d_kernel, upstream * d_bias)

    return run(*softmax)


def _with_gradient(logits: tf.Tensor, words: tf.Tensor, label_smoothing: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The summed cross entropy of logits [positions, vocabulary], and its gradient by them."""
    mask = tf.cast(tf.not_equal(words, PADDING_ID), tf.float32)
    largest = tf.reduce_max(logits, axis=1, keepdims=True)
    exponentials = tf.exp(logits - largest)
    sums = tf.reduce_sum(exponentials, axis=1, keepdims=True)
    cross_entropy = (largest + tf.math.log(sums))[:, 0]
    cross_entropy -= (1 - label_smoothing) * tf.gather(logits, words, batch_dims=1)
    # Softmax less the wanted distribution.
    gradient = exponentials * (mask[:, None] / sums)
    if label_smoothing:
        cross_entropy -= label_smoothing * tf.reduce_mean(logits, axis=1)
        gradient -= mask[:, None] * (label_smoothing / logits.shape[1])
    places = tf.stack([tf.range(tf.shape(words)[0]), words], axis=1)
    return tf.reduce_sum(cross_entropy * mask), tf.tensor_scatter_nd_sub(gradient, places, (1 - label_smoothing) * mask)
