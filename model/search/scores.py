"""The scores of hypotheses: which are the best, and what their length does to them."""

from __future__ import annotations

import tensorflow as tf

from recipes import schema

IMPOSSIBLE = -float("inf")
# No log-probability is less; what is impossible is, also in LiteRT, whose constants are finite.
LEAST = -1e30
VALUES_OF_A_PART = 128
# So little attention counts as that much: the logarithm of none at all would make every hypothesis impossible.
LEAST_ATTENTION = 1e-9


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


def length_power(lengths: tf.Tensor, settings: schema.Search) -> tf.Tensor:
    """The divisor for the log-probability of int32 ``lengths`` words, the end among them: float32 of the same shape.

    The power of the length, or lp of Wu et al. 2016 (arXiv 1609.08144), equation 14.
    """
    lengths = tf.cast(lengths, tf.float32)
    if settings.length_penalty == "gnmt":
        lengths = (5 + lengths) / 6
    return lengths**settings.length_normalization


def coverage_penalty(attention: tf.Tensor, settings: schema.Search) -> tf.Tensor:
    """cp of the same equation, which is added to a score: float32 [...].

    attention: what every source position, the end among them, has had of it from all words of a hypothesis, float32
    [..., source length]; 1 or more for padding, so that it costs nothing.
    """
    covered = tf.math.log(tf.clip_by_value(attention, LEAST_ATTENTION, 1.0))
    return settings.coverage_penalty * tf.reduce_sum(covered, axis=-1)
