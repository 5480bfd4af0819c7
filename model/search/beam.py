"""Beam search, batched, as a TensorFlow graph.

It is the search of the paper's authors: of a beam of k hypotheses, those that end are set aside and the
beam narrows by as many, until k have ended. A hypothesis' score is log p / length^a, where the length counts
the end of sentence: a = 0 is the plain probability, a = 1 the mean over the words. At a
sentence's longest length only the end of sentence may follow, so every hypothesis is a whole sentence. Before that
none ends that has said nothing yet: a network that learnt from sentences finds the end likely after a lone word, and
its mean over a single position is hard to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model.search.model import Read, TranslationModel
from model.search.scores import IMPOSSIBLE, LEAST, length_power, top_k
from recipes import schema
from workspace.layout import END_ID, PADDING_ID

# Sentences that have ended are left out when they are this share of those that are searched for.
SHARE_TO_LEAVE_OUT = 1 / 8


class Hypotheses(NamedTuple):
    """The k best translations of every sentence, best first.

    words: int32 [batch, k, length], END_ID at the end, then PADDING_ID; scores: float32 [batch, k],
    minus infinity where there are fewer than k.
    """

    words: tf.Tensor
    scores: tf.Tensor


class Beam(NamedTuple):
    """The hypotheses of the sentences that are searched for, k of each; what has one row for each sentence.

    longest: the most words, [sentences]; previous: the last word of each hypothesis that grows, [sentences, k]; words:
    all of them, [sentences, k, limit]; has_spoken: whether any of them said something, [sentences, k];
    log_probability: [sentences, k], minus infinity where none grows; state: [sentences, k, units of all layers]; ended:
    the best that have ended, of words [sentences, k, limit] and scores [sentences, k].
    """

    longest: tf.Tensor
    previous: tf.Tensor
    words: tf.Tensor
    has_spoken: tf.Tensor
    log_probability: tf.Tensor
    state: tf.Tensor
    ended: Hypotheses


def beam_search(
    model: TranslationModel,
    source: tf.Tensor,
    longest: tf.Tensor,
    settings: schema.Search,
    silent: Sequence[int] = (),
) -> Hypotheses:
    """The ``beam_size`` best hypotheses; with one it is greedy search, the likeliest word at every step.

    source: int32 [batch, source length]; longest: int32 [batch], ≥ 1; settings: those of how hypotheses are chosen and
    scored; silent: words that say nothing by themselves, as the end of sentence does not. A hypothesis of nothing else
    is found only where ``longest`` is 1, which leaves no place for a word.
    """
    read, output_kernel = model.read(source), model.output_kernel()

    def one_word_more(step: tf.Tensor, read: Read, beam: Beam, _: tuple[()]) -> tuple[Beam, tuple[()]]:
        return advance(model, read, output_kernel, step, beam, settings, silent), ()

    return until_all_end(one_word_more, read, first_beam(read, longest, settings.beam_size), ())


def until_all_end(advance: Callable[..., tuple[Beam, Any]], read: Read, beam: Beam, more: Any) -> Hypotheses:
    """What ends, of ``beam`` before its first word; ``more``: what else ``advance`` has a row of for each sentence.

    advance: the words there are, read, beam, more -> beam, more, with one word more.
    """

    def search_on(
        step: tf.Tensor, sentences: tf.Tensor, read: Read, beam: Beam, more: Any, found: Hypotheses
    ) -> tuple[tf.Tensor, tf.Tensor, Read, Beam, Any, Hypotheses]:
        """Until so many sentences have ended that it pays to leave them out."""
        enough = tf.cast(tf.cast(tf.size(sentences), tf.float32) * (1 - SHARE_TO_LEAVE_OUT), tf.int32)
        step, beam, more = tf.while_loop(
            lambda _, beam, more: tf.math.count_nonzero(is_growing(beam), dtype=tf.int32) > enough,
            lambda step, beam, more: (step + 1, *advance(step, read, beam, more)),
            (step, beam, more),
        )
        found = Hypotheses(
            *(
                tf.tensor_scatter_nd_update(all_found, sentences[:, None], ended)
                for all_found, ended in zip(found, beam.ended, strict=True)
            )
        )
        left = tf.where(is_growing(beam))[:, 0]
        rows = tf.nest.map_structure(lambda values: tf.gather(values, left), (sentences, read, beam, more))
        return step, *rows, found

    sentences = tf.range(tf.size(beam.longest))
    *_, found = tf.while_loop(
        lambda _step, sentences, *_: tf.size(sentences) > 0, search_on, (0, sentences, read, beam, more, beam.ended)
    )
    length = tf.reduce_max(tf.reduce_sum(tf.cast(found.words != PADDING_ID, tf.int32), axis=2))
    return found._replace(words=found.words[:, :, : tf.maximum(1, length)])


def first_beam(read: Read, longest: tf.Tensor, k: int) -> Beam:
    """Of the sentences ``read``, before the first word, with room for as many words as the longest may have."""
    sentences = tf.size(longest)
    words = tf.zeros([sentences, k, tf.maximum(1, tf.reduce_max(longest))], tf.int32)
    nothing = tf.fill([sentences, k], IMPOSSIBLE)
    return Beam(
        longest=longest,
        previous=tf.fill([sentences, k], PADDING_ID),
        words=words,
        has_spoken=tf.fill([sentences, k], False),
        log_probability=tf.concat([tf.zeros([sentences, 1]), nothing[:, 1:]], axis=1),
        state=tf.repeat(read.initial_state[:, None], k, axis=1),
        ended=Hypotheses(words, nothing),
    )


def is_growing(beam: Beam) -> tf.Tensor:
    """Of which sentences a hypothesis grows: bool [sentences]."""
    return tf.reduce_max(beam.log_probability, axis=1) > LEAST


def advance(
    model: TranslationModel,
    read: Read,
    output_kernel: tf.Tensor,
    step: tf.Tensor,
    beam: Beam,
    settings: schema.Search,
    silent: Sequence[int],
) -> Beam:
    """Every hypothesis with one word more, of which ``step`` are there; arguments as in ``beam_search``."""
    log_p, state = continuations(model, read, output_kernel, step, beam, silent)
    k, vocabulary = log_p.shape[1:]
    best, index = top_k(tf.reshape(log_p, [-1, k * vocabulary]), k)
    return grown(beam, step, best, index // vocabulary, index % vocabulary, state, settings, silent)


def continuations(
    model: TranslationModel, read: Read, output_kernel: tf.Tensor, step: tf.Tensor, beam: Beam, silent: Sequence[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """log p of every hypothesis with every word after it, [sentences, k, vocabulary], minus infinity where it cannot
    follow; and the state after the hypothesis, [sentences, k, units]."""
    following = model.step(read, _side_by_side(beam.state), _side_by_side(beam.previous), output_kernel)
    vocabulary = following.logits.shape[1]
    can_follow = tf.gather(_can_follow(vocabulary, silent), _side_by_side(_which_of_these(step, beam)))
    log_p = tf.nn.log_softmax(following.logits) + tf.reshape(beam.log_probability, [-1, 1])
    log_p = tf.where(can_follow, log_p, IMPOSSIBLE)
    k = beam.log_probability.shape[1]
    return tf.reshape(log_p, [-1, k, vocabulary]), tf.reshape(following.state, tf.shape(beam.state))


def grown(
    beam: Beam,
    step: tf.Tensor,
    log_probability: tf.Tensor,
    parents: tf.Tensor,
    words: tf.Tensor,
    state: tf.Tensor,
    settings: schema.Search,
    silent: Sequence[int],
) -> Beam:
    """The beam of the chosen continuations, best first: log_probability, the hypotheses (``parents``) that they
    continue, and ``words``, all [sentences, k]. Those that end are set aside, and the beam narrows by as many."""
    k = log_probability.shape[1]

    def of_parents(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, parents, batch_dims=1)

    are_ended = tf.math.count_nonzero(beam.ended.scores > LEAST, axis=1, keepdims=True, dtype=tf.int32)
    log_probability = tf.where(tf.range(k) < k - are_ended, log_probability, IMPOSSIBLE)
    ends = (words == END_ID) & (log_probability > LEAST)
    scores = tf.where(ends, log_probability / length_power(step + 1, settings.length_normalization), IMPOSSIBLE)
    log_probability = tf.where(ends, IMPOSSIBLE, log_probability)
    beam = beam._replace(words=of_parents(beam.words), has_spoken=of_parents(beam.has_spoken))
    beam = lengthened(beam, step, log_probability, words, of_parents(state), silent)
    return beam._replace(ended=_best_of(beam.ended, Hypotheses(beam.words, scores)))


def lengthened(
    beam: Beam, step: tf.Tensor, log_probability: tf.Tensor, words: tf.Tensor, state: tf.Tensor, silent: Sequence[int]
) -> Beam:
    """Each hypothesis with its next word of ``words``, [sentences, k], and what it then has; none is set aside."""
    is_last = tf.range(tf.shape(beam.words)[2]) == step
    return beam._replace(
        previous=words,
        words=tf.where(is_last, tf.expand_dims(words, 2), beam.words),
        has_spoken=beam.has_spoken | ~tf.reduce_any(words[:, :, None] == _silent(silent), axis=2),
        log_probability=log_probability,
        state=state,
    )


def _best_of(ended: Hypotheses, new: Hypotheses) -> Hypotheses:
    """The k best of both; of equal ones those that ended first."""
    scores, index = tf.math.top_k(tf.concat([ended.scores, new.scores], axis=1), ended.scores.shape[1])
    return Hypotheses(tf.gather(tf.concat([ended.words, new.words], axis=1), index, batch_dims=1), scores)


def _side_by_side(values: tf.Tensor) -> tf.Tensor:
    """[sentences, k, ...] to [sentences * k, ...]."""
    return tf.reshape(values, [-1, *values.shape[2:]])


_ANY_WORD, _THE_END, _NO_END, _A_WORD_THAT_SPEAKS = range(4)


def _silent(silent: Sequence[int]) -> np.ndarray:
    """All words that say nothing."""
    return np.array([PADDING_ID, END_ID, *silent], np.int32)


def _can_follow(vocabulary: int, silent: Sequence[int]) -> np.ndarray:
    """Which words are among them: bool [4, vocabulary]."""
    word = np.arange(vocabulary)
    can_follow = np.stack([word != PADDING_ID] * 4)
    can_follow[_THE_END] = word == END_ID
    can_follow[_NO_END] &= word != END_ID
    can_follow[_A_WORD_THAT_SPEAKS] &= ~np.isin(word, _silent(silent))
    return can_follow


def _which_of_these(step: tf.Tensor, beam: Beam) -> tf.Tensor:
    """What can follow each hypothesis: [sentences, k]."""
    left = tf.expand_dims(beam.longest - step, 1)  # places, that of the end among them
    unspoken = tf.where(left == 2, _A_WORD_THAT_SPEAKS, _NO_END)
    return tf.where(left <= 1, _THE_END, tf.where(beam.has_spoken, _ANY_WORD, unspoken))
