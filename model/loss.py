"""The training criterion: cross entropy over the target words, padding left out.

Loss and gradient come from one pass over exp(logits): a logarithm of the softmax, a label smoothing beside
it, and automatic differentiation of both would go over the largest tensor of the network three times as often.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from recipes.layout import PADDING_ID


def summed_cross_entropy(logits: tf.Tensor, target: tf.Tensor, label_smoothing: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The sum over all target words of -log p, in nats, and how many words there are; two float32 scalars.

    logits: [target length, batch, vocabulary]; target: int32 [batch, target length]. With ``label_smoothing``
    e the wanted distribution is 1 - e on the word and e spread evenly over the vocabulary.
    """
    words = tf.reshape(tf.transpose(target), [-1])
    mask = tf.cast(tf.not_equal(words, PADDING_ID), tf.float32)
    rows = tf.reshape(logits, [-1, logits.shape[-1]])
    return _summed(tf.cast(rows, tf.float32), words, mask, label_smoothing), tf.reduce_sum(mask)


def _summed(logits: tf.Tensor, words: tf.Tensor, mask: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """The sum of the cross entropies of logits [words, vocabulary], each times its mask [words]."""
    even = label_smoothing / logits.shape[1]

    @tf.custom_gradient
    def run(logits: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        largest = tf.reduce_max(logits, axis=1, keepdims=True)
        exponentials = tf.exp(logits - largest)
        sums = tf.reduce_sum(exponentials, axis=1, keepdims=True)
        cross_entropy = (largest + tf.math.log(sums))[:, 0]
        cross_entropy -= (1 - label_smoothing) * tf.gather(logits, words, batch_dims=1)
        if label_smoothing:
            cross_entropy -= label_smoothing * tf.reduce_mean(logits, axis=1)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            # Softmax less the wanted distribution.
            weights = mask * upstream
            d_logits = exponentials * (weights[:, None] / sums)
            if label_smoothing:
                d_logits -= even * weights[:, None]
            places = tf.stack([tf.range(tf.shape(words)[0]), words], axis=1)
            return tf.tensor_scatter_nd_sub(d_logits, places, (1 - label_smoothing) * weights)

        return tf.reduce_sum(cross_entropy * mask), gradient

    return run(logits)
