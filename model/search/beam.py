"""Beam search, batched, as a TensorFlow graph.

It is the search of the paper's authors: of a beam of k hypotheses, those that end are set aside and the
beam narrows by as many, until k have ended. A hypothesis' score is log p / length^a, where the length counts
the end of sentence: a = 0 is the plain probability, a = 1 the mean over the words. At a
sentence's longest length only the end of sentence may follow, so every hypothesis is a whole sentence. Before that
none ends that has said nothing yet: a network that learnt from sentences finds the end likely after a lone word, and
its mean over a single position is hard to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model.search.model import Read, TranslationModel
from model.search.scores import IMPOSSIBLE, length_power, top_k
from workspace.layout import END_ID, PADDING_ID


class Hypotheses(NamedTuple):
    """The k best translations of every sentence, best first.

    words: int32 [batch, k, length], END_ID at the end, then PADDING_ID; scores: float32 [batch, k],
    minus infinity where there are fewer than k.
    """

    words: tf.Tensor
    scores: tf.Tensor


def beam_search(
    model: TranslationModel,
    source: tf.Tensor,
    longest: tf.Tensor,
    beam_size: int,
    length_normalization: float = 1.0,
    silent: Sequence[int] = (),
) -> Hypotheses:
    """The ``beam_size`` best hypotheses; with one it is greedy search, the likeliest word at every step.

    source: int32 [batch, source length]; longest: int32 [batch], ≥ 1; silent: words that say nothing by themselves, as
    the end of sentence does not. A hypothesis of nothing else is found only where ``longest`` is 1, which leaves no
    place for a word.
    """
    k = beam_size
    batch = tf.shape(source)[0]
    limit = _at_least_one(longest)
    read, output_kernel = model.read(source), model.output_kernel()

    def unfinished(step: tf.Tensor, read: Read, beam: Beam, ended: Ended, history: History) -> tf.Tensor:
        return (step == 0) | (step < limit) & (tf.size(beam.sentences) > 0)

    def advance(step: tf.Tensor, read: Read, beam: Beam, ended: Ended, history: History) -> tuple[Any, ...]:
        following = model.step(read, _side_by_side(beam.state), _side_by_side(beam.words), output_kernel)
        vocabulary = following.logits.shape[1]
        is_silent = np.isin(np.arange(vocabulary), [PADDING_ID, END_ID, *silent])
        bars = _bars(vocabulary, is_silent)
        log_p = tf.nn.log_softmax(following.logits) + tf.gather(bars, _side_by_side(_which_bar(step, beam)))
        totals = beam.log_probability[:, :, None] + tf.reshape(log_p, [-1, k, vocabulary])
        best, index = top_k(tf.reshape(totals, [-1, k * vocabulary]), k)
        parents, words = index // vocabulary, index % vocabulary

        wanted = tf.range(k)[None, :] < k - ended.number(beam.sentences)[:, None]
        best = tf.where(wanted, best, IMPOSSIBLE)
        ends = (words == END_ID) & (best > IMPOSSIBLE)
        scores = tf.where(ends, best / length_power(step + 1, length_normalization), IMPOSSIBLE)
        state = tf.gather(tf.reshape(following.state, tf.shape(beam.state)), parents, batch_dims=1)
        grown = beam._replace(
            words=words,
            has_spoken=tf.gather(beam.has_spoken, parents, batch_dims=1) | tf.gather(~is_silent, words),
            log_probability=tf.where(ends, IMPOSSIBLE, best),
            state=state,
        )
        return (
            step + 1,
            *_of_unfinished_sentences(read, grown),
            ended.with_new(beam.sentences, scores, step),
            history.write(step, batch, beam.sentences, words, parents),
        )

    nothing = tf.fill([batch, k], IMPOSSIBLE)
    first = tf.concat([tf.zeros([batch, 1]), nothing[:, 1:]], axis=1)
    state = tf.repeat(read.initial_state[:, None], k, axis=1)
    _, _, _, ended, history = tf.while_loop(
        unfinished,
        advance,
        (
            0,
            read,
            Beam(tf.range(batch), longest, tf.fill([batch, k], PADDING_ID), tf.fill([batch, k], False), first, state),
            Ended(nothing, tf.zeros([batch, k], tf.int32), tf.zeros([batch, k], tf.int32)),
            History(_history(limit, [None, k]), _history(limit, [None, k])),
        ),
    )
    return _traced_back(ended, history)


class Beam(NamedTuple):
    """The hypotheses still growing, of the sentences that have any.

    sentences: which of the batch they are, [sentences]; longest: of each, [sentences]; words: the last of each
    hypothesis, [sentences, k]; has_spoken: whether any of its words said something, [sentences, k]; log_probability:
    [sentences, k], minus infinity where there is none; state: [sentences, k, units of all layers].
    """

    sentences: tf.Tensor
    longest: tf.Tensor
    words: tf.Tensor
    has_spoken: tf.Tensor
    log_probability: tf.Tensor
    state: tf.Tensor


class Ended(NamedTuple):
    """The k best hypotheses that have ended, [batch, k] each: score, and at which step and beam slot each ended."""

    scores: tf.Tensor
    steps: tf.Tensor
    slots: tf.Tensor

    def number(self, sentences: tf.Tensor) -> tf.Tensor:
        """How many of each of ``sentences`` have ended."""
        return tf.reduce_sum(tf.cast(tf.gather(self.scores, sentences) > IMPOSSIBLE, tf.int32), axis=1)

    def with_new(self, sentences: tf.Tensor, scores: tf.Tensor, step: tf.Tensor) -> Ended:
        """These and the possible ones of ``scores`` [sentences, k], which end at ``step``: the k best of a sentence."""
        slots = tf.broadcast_to(tf.range(self.scores.shape[1]), tf.shape(scores))
        new = Ended(scores, tf.fill(tf.shape(slots), step), slots)
        both = Ended(
            *(tf.concat([tf.gather(old, sentences), added], axis=1) for old, added in zip(self, new, strict=True))
        )
        _, index = tf.math.top_k(both.scores, self.scores.shape[1])
        return Ended(
            *(
                tf.tensor_scatter_nd_update(old, sentences[:, None], tf.gather(joined, index, axis=1, batch_dims=1))
                for old, joined in zip(self, both, strict=True)
            )
        )


class History(NamedTuple):
    """For every step and beam slot of all sentences: the word, and the slot it continues."""

    words: tf.TensorArray
    parents: tf.TensorArray

    def write(
        self, step: tf.Tensor, batch: tf.Tensor, sentences: tf.Tensor, words: tf.Tensor, parents: tf.Tensor
    ) -> History:
        """With a step of ``sentences`` added, [sentences, k] each; the rest of the ``batch`` is never read."""
        return History(
            *(
                array.write(step, tf.scatter_nd(sentences[:, None], values, [batch, values.shape[1]]))
                for array, values in ((self.words, words), (self.parents, parents))
            )
        )


def _of_unfinished_sentences(read: Read, beam: Beam) -> tuple[Read, Beam]:
    """Leaves out the sentences in which no hypothesis grows any more, a third to a half of all the work."""
    growing = tf.where(tf.reduce_any(beam.log_probability > IMPOSSIBLE, axis=1))[:, 0]
    return tf.cond(
        tf.size(growing) == tf.size(beam.sentences),
        lambda: (read, beam),
        lambda: tf.nest.map_structure(lambda tensor: tf.gather(tensor, growing), (read, beam)),
    )


def _side_by_side(values: tf.Tensor) -> tf.Tensor:
    """[sentences, k, ...] to [sentences * k, ...]."""
    return tf.reshape(values, [-1, *values.shape[2:]])


def _traced_back(ended: Ended, history: History) -> Hypotheses:
    """Follows every ended hypothesis from its last word to its first."""
    length = _at_least_one(tf.where(ended.scores > IMPOSSIBLE, ended.steps + 1, 0))

    def back(step: tf.Tensor, slots: tf.Tensor, words: tf.TensorArray) -> tuple[Any, ...]:
        slots = tf.where(step == ended.steps, ended.slots, slots)
        within = (step <= ended.steps) & (ended.scores > IMPOSSIBLE)
        word = tf.gather(history.words.read(step), slots, axis=1, batch_dims=1)
        words = words.write(step, tf.where(within, word, PADDING_ID))
        return step - 1, tf.gather(history.parents.read(step), slots, axis=1, batch_dims=1), words

    k = ended.scores.shape[1]
    _, _, words = tf.while_loop(
        lambda step, *_: step >= 0,
        back,
        (length - 1, tf.zeros_like(ended.slots), _history(length, [None, k])),
    )
    return Hypotheses(tf.transpose(words.stack(), [1, 2, 0]), ended.scores)


_ANY_WORD, _THE_END, _NO_END, _A_WORD_THAT_SPEAKS = range(4)


def _bars(vocabulary: int, silent: np.ndarray) -> np.ndarray:
    """What is added to the log-probabilities of the next word so that only some can follow: float32 [4, vocabulary]."""
    word = np.arange(vocabulary)
    barred = np.stack([word == PADDING_ID] * 4)
    barred[_THE_END] = word != END_ID
    barred[_NO_END] |= word == END_ID
    barred[_A_WORD_THAT_SPEAKS] |= silent
    return np.where(barred, np.float32(IMPOSSIBLE), np.float32(0))


def _which_bar(step: tf.Tensor, beam: Beam) -> tf.Tensor:
    """Of ``_bars``, for the next word of each hypothesis: [sentences, k]."""
    left = (beam.longest - step)[:, None]  # places, that of the end among them
    unspoken = tf.where(left == 2, _A_WORD_THAT_SPEAKS, _NO_END)
    return tf.where(left <= 1, _THE_END, tf.where(beam.has_spoken, _ANY_WORD, unspoken))


def _at_least_one(lengths: tf.Tensor) -> tf.Tensor:
    """The longest, and 1 where there is none: a batch of no sentences takes a step like any other."""
    return tf.maximum(1, tf.reduce_max(lengths))


def _history(length: tf.Tensor, shape: list[int | None]) -> tf.TensorArray:
    return tf.TensorArray(tf.int32, length, element_shape=shape, clear_after_read=False)
