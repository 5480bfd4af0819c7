"""Finding the translation: greedy and beam search, batched, as TensorFlow graphs; and following a given one.

Beam search is the paper's authors': a beam of k hypotheses; those that end are set aside and the beam
narrows by as many, until k have ended. A hypothesis' score is log p / length^a, its length counted with
the end of sentence, so that a = 0 is the plain probability and a = 1 the mean over the words. At a
sentence's longest length only the end of sentence may follow, so every hypothesis is a whole sentence.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from model.network import Network
from recipes.layout import END_ID, PADDING_ID

IMPOSSIBLE = -float("inf")
VALUES_OF_A_PART = 128


class Hypotheses(NamedTuple):
    """The k best translations of every sentence, best first.

    words: int32 [batch, k, length], END_ID at the end, then PADDING_ID; scores: float32 [batch, k],
    minus infinity where there are fewer than k.
    """

    words: tf.Tensor
    scores: tf.Tensor


class Forced(NamedTuple):
    """What the network makes of given translations.

    log_probability: float32 [batch]; alignment: float32 [batch, length, source length], a row for every word, zero in
    padding; [batch, length, 0] where the architecture has none.
    """

    log_probability: tf.Tensor
    alignment: tf.Tensor


def greedy_search(
    network: Network, source: tf.Tensor, longest: tf.Tensor, length_normalization: float = 1.0
) -> Hypotheses:
    """The likeliest word at every step. source: int32 [batch, source length]; longest: int32 [batch], ≥ 1."""
    read = network.read(source)
    batch = source.shape[0] or tf.shape(source)[0]
    limit = _at_least_one(longest)

    def unfinished(step, previous, state, log_probability, ended, lengths, words):  # type: ignore[no-untyped-def]
        return (step == 0) | (step < limit) & ~tf.reduce_all(ended)

    def advance(step, previous, state, log_probability, ended, lengths, words):  # type: ignore[no-untyped-def]
        following = network.step(read, state, previous)
        log_p = _allowed(tf.nn.log_softmax(following.logits), step, longest)
        word = tf.where(ended, PADDING_ID, tf.argmax(log_p, axis=1, output_type=tf.int32))
        gain = tf.gather(log_p, word, axis=1, batch_dims=1)
        live = ~ended
        return (
            step + 1,
            word,
            following.state,
            log_probability + tf.where(live, gain, 0.0),
            ended | (word == END_ID),
            lengths + tf.cast(live, tf.int32),
            words.write(step, word),
        )

    start = tf.fill([batch], PADDING_ID)
    _, _, _, log_probability, _, lengths, words = tf.while_loop(
        unfinished,
        advance,
        (
            0,
            start,
            read.initial_state,
            tf.zeros([batch]),
            tf.fill([batch], False),
            tf.zeros([batch], tf.int32),
            _history(limit, [None]),
        ),
    )
    written = words.gather(tf.range(_at_least_one(lengths)))
    scores = log_probability / length_power(lengths, length_normalization)
    return Hypotheses(tf.transpose(written)[:, None], scores[:, None])


def beam_search(
    network: Network, source: tf.Tensor, longest: tf.Tensor, beam_size: int, length_normalization: float = 1.0
) -> Hypotheses:
    """The ``beam_size`` best hypotheses. source: int32 [batch, source length]; longest: int32 [batch], ≥ 1."""
    k = beam_size
    batch = source.shape[0] or tf.shape(source)[0]
    limit = _at_least_one(longest)
    read = network.read(source)
    beam_longest = tf.repeat(longest, k)

    def unfinished(step, beam, ended, history):  # type: ignore[no-untyped-def]
        return (step == 0) | (step < limit) & tf.reduce_any(beam.log_probability > IMPOSSIBLE)

    def advance(step, beam, ended, history):  # type: ignore[no-untyped-def]
        following = network.step(read, beam.state, tf.reshape(beam.words, [-1]))
        log_p = _allowed(tf.nn.log_softmax(following.logits), step, beam_longest)
        vocabulary = log_p.shape[1]
        totals = beam.log_probability[:, :, None] + tf.reshape(log_p, [batch, k, vocabulary])
        best, index = top_k(tf.reshape(totals, [batch, k * vocabulary]), k)
        parents, words = index // vocabulary, index % vocabulary

        wanted = tf.range(k)[None, :] < k - ended.number()[:, None]
        best = tf.where(wanted, best, IMPOSSIBLE)
        ends = (words == END_ID) & (best > IMPOSSIBLE)
        ended = ended.with_new(tf.where(ends, best / length_power(step + 1, length_normalization), IMPOSSIBLE), step)

        flat_parents = tf.reshape(parents + k * tf.range(batch)[:, None], [-1])
        beam = Beam(words, tf.where(ends, IMPOSSIBLE, best), tf.gather(following.state, flat_parents))
        return step + 1, beam, ended, history.write(step, words, parents)

    nothing = tf.fill([batch, k], IMPOSSIBLE)
    first = tf.concat([tf.zeros([batch, 1]), nothing[:, 1:]], axis=1)
    _, _, ended, history = tf.while_loop(
        unfinished,
        advance,
        (
            0,
            Beam(tf.fill([batch, k], PADDING_ID), first, tf.repeat(read.initial_state, k, axis=0)),
            Ended(nothing, tf.zeros([batch, k], tf.int32), tf.zeros([batch, k], tf.int32)),
            History(_history(limit, [None, k]), _history(limit, [None, k])),
        ),
    )
    return _traced_back(ended, history)


class Beam(NamedTuple):
    """The hypotheses still growing.

    words: the last of each, [batch, k]; log_probability: [batch, k], minus infinity where there is none;
    state: [batch * k, units of all layers].
    """

    words: tf.Tensor
    log_probability: tf.Tensor
    state: tf.Tensor


class Ended(NamedTuple):
    """The k best hypotheses that have ended, [batch, k] each: score, and at which step and beam slot each ended."""

    scores: tf.Tensor
    steps: tf.Tensor
    slots: tf.Tensor

    def number(self) -> tf.Tensor:
        """How many have ended, [batch]."""
        return tf.reduce_sum(tf.cast(self.scores > IMPOSSIBLE, tf.int32), axis=1)

    def with_new(self, scores: tf.Tensor, step: tf.Tensor) -> Ended:
        """Joined by those of ``scores`` [batch, k] that are possible, which end at ``step``."""
        k = self.scores.shape[1]
        slots = tf.broadcast_to(tf.range(k), tf.shape(scores))
        best, index = tf.math.top_k(tf.concat([self.scores, scores], axis=1), k)
        steps = tf.concat([self.steps, tf.fill(tf.shape(slots), step)], axis=1)
        return Ended(
            best,
            tf.gather(steps, index, axis=1, batch_dims=1),
            tf.gather(tf.concat([self.slots, slots], axis=1), index, axis=1, batch_dims=1),
        )


class History(NamedTuple):
    """For every step and beam slot: the word, and the slot it continues."""

    words: tf.TensorArray
    parents: tf.TensorArray

    def write(self, step: tf.Tensor, words: tf.Tensor, parents: tf.Tensor) -> History:
        return History(self.words.write(step, words), self.parents.write(step, parents))


def _traced_back(ended: Ended, history: History) -> Hypotheses:
    """Follows every ended hypothesis from its last word to its first."""
    length = _at_least_one(tf.where(ended.scores > IMPOSSIBLE, ended.steps + 1, 0))

    def back(step, slots, words):  # type: ignore[no-untyped-def]
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


def forced_decoding(network: Network, source: tf.Tensor, target: tf.Tensor) -> Forced:
    """What the network makes of ``target``, int32 [batch, length], each ending in END_ID, then padding.

    A word at a time as in search, so that memory does not grow with the vocabulary times the length.
    """
    read, words = network.read(source), tf.transpose(target)
    length = tf.shape(words)[0]

    def advance(step, previous, state, log_probability, alignment):  # type: ignore[no-untyped-def]
        following, word = network.step(read, state, previous), words[step]
        live = tf.cast(word != PADDING_ID, tf.float32)
        log_p = tf.gather(tf.nn.log_softmax(following.logits), word, axis=1, batch_dims=1)
        alignment = alignment.write(step, following.alignment * live[:, None])
        return step + 1, word, following.state, log_probability + live * log_p, alignment

    rows = tf.TensorArray(tf.float32, length, element_shape=[None, None])
    start = tf.fill(tf.shape(words)[1:], PADDING_ID)
    _, _, _, log_probability, alignment = tf.while_loop(
        lambda step, *_: step < length,
        advance,
        (0, start, read.initial_state, tf.zeros(tf.shape(start)), rows),
    )
    return Forced(log_probability, tf.transpose(alignment.stack(), [1, 0, 2]))


def top_k(values: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The k largest of every row of float32 [batch, n], n known, and where they are; of equal ones the first.

    As tf.math.top_k, several times as fast: the k largest are in the k parts of the row with the largest maxima.
    """
    parts = -(-values.shape[1] // VALUES_OF_A_PART)
    if parts <= k:
        best, places = tf.math.top_k(values, k)
        return best, places
    filling = parts * VALUES_OF_A_PART - values.shape[1]
    by_part = tf.pad(values, [[0, 0], [0, filling]], constant_values=IMPOSSIBLE)
    by_part = tf.reshape(by_part, [-1, parts, VALUES_OF_A_PART])
    chosen = tf.sort(tf.math.top_k(tf.reduce_max(by_part, axis=2), k).indices)
    best, places = tf.math.top_k(tf.reshape(tf.gather(by_part, chosen, batch_dims=1), [-1, k * VALUES_OF_A_PART]), k)
    part = tf.gather(chosen, places // VALUES_OF_A_PART, batch_dims=1)
    return best, part * VALUES_OF_A_PART + places % VALUES_OF_A_PART


def _allowed(log_p: tf.Tensor, step: tf.Tensor, longest: tf.Tensor) -> tf.Tensor:
    """``log_p`` [batch, vocabulary] without padding, and at the longest length without all but the end."""
    vocabulary = tf.range(tf.shape(log_p)[1])
    last = (step + 1 >= longest)[:, None]
    return tf.where((vocabulary == PADDING_ID) | (last & (vocabulary != END_ID)), IMPOSSIBLE, log_p)


def length_power(lengths: tf.Tensor, exponent: float) -> tf.Tensor:
    """What the log-probability of int32 ``lengths`` words is divided by, float32 of their shape."""
    return tf.cast(lengths, tf.float32) ** exponent


def _at_least_one(lengths: tf.Tensor) -> tf.Tensor:
    """The longest, and 1 where there is none: a batch of no sentences takes a step like any other."""
    return tf.maximum(1, tf.reduce_max(lengths))


def _history(length: tf.Tensor, shape: list[int | None]) -> tf.TensorArray:
    return tf.TensorArray(tf.int32, length, element_shape=shape, clear_after_read=False)
