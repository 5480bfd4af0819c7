"""The training criterion: cross entropy over the target words, padding left out."""

from __future__ import annotations

import tensorflow as tf

from recipes.layout import PADDING_ID


def summed_cross_entropy(logits: tf.Tensor, target: tf.Tensor, label_smoothing: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The sum over all target words of -log p, in nats, and how many words there are; two float32 scalars.

    logits: [target length, batch, vocabulary]; target: int32 [batch, target length]. With ``label_smoothing``
    e the wanted distribution is 1 - e on the word and e spread evenly over the vocabulary.
    """
    words = tf.transpose(target)
    mask = tf.cast(tf.not_equal(words, PADDING_ID), logits.dtype)
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
    if label_smoothing:
        uniform = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
        cross_entropy = (1 - label_smoothing) * cross_entropy + label_smoothing * uniform
    return tf.reduce_sum(cross_entropy * mask), tf.reduce_sum(mask)
