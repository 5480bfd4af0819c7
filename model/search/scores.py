"""The scores of hypotheses: which are the best, and what their length does to them."""

from __future__ import annotations

import numpy as np
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


def likeliest(
    logits: tf.Tensor, log_probability: tf.Tensor, can_follow: np.ndarray, kinds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Of all words after all k hypotheses of a sentence the k likeliest, best first: log p of the hypothesis with the
    word, the hypothesis, and the word, all [sentences, k]; of equally likely ones the first. Where fewer than k can
    follow, log p is minus infinity.

    logits: of the next word, [sentences * k, vocabulary]; log_probability: of the hypotheses before it, [sentences, k];
    can_follow: the words that can follow hypotheses of each kind, bool [kinds, vocabulary]; kinds: that of each
    hypothesis, int32 [sentences, k].

    What can follow is only looked up in a few parts of the vocabulary: those where some words can and some cannot, and
    the k likeliest of the others.
    """
    k, vocabulary = log_probability.shape[1], logits.shape[1]
    before = log_probability - tf.reshape(log_sum_exp(logits), [-1, k])
    parts = -(-vocabulary // VALUES_OF_A_PART)
    if filling := parts * VALUES_OF_A_PART - vocabulary:
        logits = tf.pad(logits, [[0, 0], [0, filling]], constant_values=IMPOSSIBLE)
        can_follow = np.pad(can_follow, [(0, 0), (0, filling)], mode="edge")
    by_part = tf.reshape(logits, [-1, k * parts, VALUES_OF_A_PART])
    can_follow = can_follow.reshape(-1, VALUES_OF_A_PART)
    chosen = _likeliest_parts(by_part, before, can_follow.reshape(-1, parts, VALUES_OF_A_PART), kinds)
    hypothesis, part = chosen // parts, chosen % parts
    log_p = tf.gather(by_part, chosen, batch_dims=1) + tf.gather(before, hypothesis, batch_dims=1)[:, :, None]
    of_kind = tf.gather(kinds, hypothesis, batch_dims=1) * parts + part
    log_p = tf.where(tf.gather(can_follow, of_kind), log_p, IMPOSSIBLE)
    best, places = tf.math.top_k(tf.reshape(log_p, [-1, log_p.shape[1] * VALUES_OF_A_PART]), k)
    place = tf.gather(chosen, places // VALUES_OF_A_PART, batch_dims=1)
    words = place % parts * VALUES_OF_A_PART + places % VALUES_OF_A_PART
    # Where more are wanted than can follow, those that fill up the last part are no words.
    return best, place // parts, tf.minimum(words, vocabulary - 1) if filling else words


def _likeliest_parts(by_part: tf.Tensor, before: tf.Tensor, can_follow: np.ndarray, kinds: tf.Tensor) -> tf.Tensor:
    """Where the k likeliest are, for ``likeliest``: in these of the parts [sentences, k * parts, VALUES_OF_A_PART], in
    order; can_follow: [kinds, parts, VALUES_OF_A_PART]."""
    k, parts = before.shape[1], can_follow.shape[1]
    all_can_follow = can_follow.all(axis=2)
    is_mixed = (can_follow.any(axis=2) != all_can_follow).any(axis=0)
    mixed, others = (np.flatnonzero(np.tile(of_these, k)).astype(np.int32) for of_these in (is_mixed, ~is_mixed))
    some = tf.zeros_like(kinds[:, :1])
    if len(others) <= k:
        return some + np.arange(k * parts, dtype=np.int32)
    largest = tf.reshape(tf.reduce_max(by_part, axis=2), [-1, k, parts]) + before[:, :, None]
    largest = tf.where(tf.gather(all_can_follow, kinds), largest, IMPOSSIBLE)
    among_others = tf.math.top_k(tf.gather(tf.reshape(largest, [-1, k * parts]), others, axis=1), k).indices
    return tf.sort(tf.concat([some + mixed, tf.gather(others, among_others)], axis=1), axis=1)


def log_sum_exp(values: tf.Tensor) -> tf.Tensor:
    """log sum exp of each row of float32 [batch, n].

    Of the largest share: softmax is several times as fast as log_softmax, in TensorFlow and more so in LiteRT.
    """
    return tf.reduce_max(values, axis=1) - tf.math.log(tf.reduce_max(tf.nn.softmax(values), axis=1))


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
