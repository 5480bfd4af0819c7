"""What the network makes of a given translation: its probability, and what its words attend to."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from model.search.model import TranslationModel
from workspace.layout import PADDING_ID


class Forced(NamedTuple):
    """What the network makes of given translations.

    of_words: the log-probability of each word after those before it, float32 [batch, length], 0 in padding; alignment:
    float32 [batch, length, source length], a row for every word, zero in padding; [batch, length, 0] where the
    architecture has none.
    """

    of_words: tf.Tensor
    alignment: tf.Tensor

    @property
    def log_probability(self) -> tf.Tensor:
        """Of whole translations: float32 [batch]."""
        return tf.reduce_sum(self.of_words, axis=1)


def forced_decoding(model: TranslationModel, source: tf.Tensor, target: tf.Tensor) -> Forced:
    """What the network makes of ``target``, int32 [batch, length], each ending in END_ID, then padding.

    A word at a time as in search, so that memory does not grow with the vocabulary times the length.
    """
    read, words = model.read(source), tf.transpose(target)
    length, output_kernel = tf.shape(words)[0], model.output_kernel()

    def advance(
        step: tf.Tensor, previous: tf.Tensor, state: tf.Tensor, of_words: tf.TensorArray, alignment: tf.TensorArray
    ) -> tuple[Any, ...]:
        following, word = model.step(read, state, previous, output_kernel), words[step]
        live = tf.cast(word != PADDING_ID, tf.float32)
        log_p = tf.gather(tf.nn.log_softmax(following.logits), word, axis=1, batch_dims=1)
        alignment = alignment.write(step, following.alignment * live[:, None])
        return step + 1, word, following.state, of_words.write(step, live * log_p), alignment

    of_words = tf.TensorArray(tf.float32, length, element_shape=[None])
    rows = tf.TensorArray(tf.float32, length, element_shape=[None, None])
    start = tf.fill(tf.shape(words)[1:], PADDING_ID)
    _, _, _, of_words, alignment = tf.while_loop(
        lambda step, *_: step < length, advance, (0, start, read.initial_state, of_words, rows)
    )
    return Forced(tf.transpose(of_words.stack()), tf.transpose(alignment.stack(), [1, 0, 2]))
