"""What ``model.search.translator`` answers: translations as text, and what comes with them."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from model.search.scores import IMPOSSIBLE


class Translated(NamedTuple):
    """The best translation of every text: text, string [batch], and score, float32 [batch] (model.search.beam).

    A blank text has an empty translation, with score 0; one of more than ``search.max_source_length`` subwords has one
    with minus infinity: an error would be one for all texts that a server put in the same batch. No other text has an
    empty translation.
    """

    text: tf.Tensor
    score: tf.Tensor


class Alternatives(NamedTuple):
    """Words that may follow the beginning of a translation, likeliest first: word, string, and probability, float32,
    both [batch, ALTERNATIVES]; of fewer, "" and 0."""

    word: tf.Tensor
    probability: tf.Tensor


class Aligned(NamedTuple):
    """The best translations, and what each of their subwords attended to.

    translated: as ``TextTranslator.translate`` gives it; source_subwords: string [batch, source length];
    target_subwords: string [batch, target length]; both with the end of sentence, then empty; alignment: float32
    [batch, target length, source length], rows that sum to 1, or 0 where there is no word. Unknown subwords are
    shown as the translation and the text have them, unless ``search.unknown_words`` keeps them.
    """

    translated: Translated
    source_subwords: tf.Tensor
    target_subwords: tf.Tensor
    alignment: tf.Tensor


class Scored(NamedTuple):
    """Given translations, as the network finds them subword by subword.

    score: float32 [batch]; target_subwords: string [batch, target length]; log_probability: float32 [batch, target
    length], whose sum makes the score (model.search.scores); source_subwords, alignment: as in ``Aligned``, but unknown
    subwords are shown as that, ``<unk>``, for so they are scored. Where the score is minus infinity there are no target
    subwords.
    """

    score: tf.Tensor
    target_subwords: tf.Tensor
    log_probability: tf.Tensor
    source_subwords: tf.Tensor
    alignment: tf.Tensor


def without_copies(translated: Translated) -> Translated:
    """The best of those of one text, at their places among the others; [batch, k]."""
    text, score = translated
    is_copy = tf.linalg.band_part(text[:, :, None] == text[:, None], -1, 0)
    is_copy = tf.reduce_sum(tf.cast(is_copy, tf.int32), axis=2) > 1  # each is one of itself
    _, order = tf.math.top_k(tf.cast(~is_copy, tf.int32), text.shape[1])
    text, score = tf.where(is_copy, "", text), tf.where(is_copy, IMPOSSIBLE, score)
    return Translated(tf.gather(text, order, batch_dims=1), tf.gather(score, order, batch_dims=1))


def together(found: Alternatives) -> Alternatives:
    """With all ways to write a word at the likeliest of them; [batch, k]."""
    word, probability = found
    is_same = word[:, :, None] == word[:, None]
    is_copy = tf.reduce_sum(tf.cast(tf.linalg.band_part(is_same, -1, 0), tf.int32), axis=2) > 1
    of_all = tf.reduce_sum(tf.where(is_same, probability[:, None], 0.0), axis=2)
    probability, order = tf.math.top_k(tf.where(is_copy, 0.0, of_all), word.shape[1])
    return Alternatives(tf.where(probability > 0, tf.gather(word, order, batch_dims=1), ""), probability)
