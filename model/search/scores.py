"""The scores of hypotheses: which are the best, and what their length does to them."""

from __future__ import annotations

import tensorflow as tf

IMPOSSIBLE = -float("inf")
# No log-probability is less; what is impossible is, also in LiteRT, whose constants are finite.
LEAST = -1e30
VALUES_OF_A_PART = 128


def top_k(values: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The k largest of every row of float32 [batch, n], n known, and where they are; of equal ones the first.

    As tf.math.top_k does, several times as fast: the k largest are in the k parts of the row with the largest maxima.
    """
    parts = -(-values.shape[1] // VALUES_OF_A_PART)
    if parts <= k:
        best, places = tf.math.top_k(values, k)
        return best, places
    if filling := parts * VALUES_OF_A_PART - values.shape[1]:
        values = tf.pad(values, [[0, 0], [0, filling]], constant_values=IMPOSSIBLE)
    by_part = tf.reshape(values, [-1, parts, VALUES_OF_A_PART])
    chosen = tf.sort(tf.math.top_k(tf.reduce_max(by_part, axis=2), k).indices)
    best, places = tf.math.top_k(tf.reshape(tf.gather(by_part, chosen, batch_dims=1), [-1, k * VALUES_OF_A_PART]), k)
    part = tf.gather(chosen, places // VALUES_OF_A_PART, batch_dims=1)
    return best, part * VALUES_OF_A_PART + places % VALUES_OF_A_PART


def length_power(lengths: tf.Tensor, exponent: float) -> tf.Tensor:
    """The divisor for the log-probability of int32 ``lengths`` words: float32 of the same shape."""
    return tf.cast(lengths, tf.float32) ** exponent
