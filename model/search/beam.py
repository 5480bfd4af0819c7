"""Beam search, batched, as a TensorFlow graph.

It is the search of the paper's authors: of a beam of k hypotheses, those that end are set aside and the
beam narrows by as many, until k have ended. A hypothesis' score is log p / length^a, where the length counts
the end of sentence: a = 0 is the plain probability, a = 1 the mean over the words. At a
sentence's longest length only the end of sentence may follow, so every hypothesis is a whole sentence. Before that
none ends that has said nothing yet: a network that learnt from sentences finds the end likely after a lone word, and
its mean over a single position is hard to beat.

Settings change what may follow (the least length, repeated n-grams), how those that have ended are scored (the length
penalty, coverage), and which continuations are chosen (groups: Vijayakumar et al. 2018, arXiv 1610.02424, algorithm 1,
with Hamming diversity). A setting that is off has no operation in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model.search.model import Read, TranslationModel
from model.search.scores import IMPOSSIBLE, LEAST, coverage_penalty, length_power, likeliest, log_sum_exp, top_k
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

    longest: the most words, [sentences]; shortest: the fewest without the end, [sentences], or () with no least length;
    width: of k how many are kept, [sentences], or () for all;
    previous: the last word of each hypothesis that grows, [sentences, k]; words: all of them, [sentences, k, limit];
    has_spoken: whether any of them said something, [sentences, k]; log_probability: [sentences, k], minus infinity
    where none grows; state: [sentences, k, units of all layers]; attention: what every source position has had of it so
    far, and padding 1, [sentences, k, source length], or () with no coverage penalty; ended: the best that have ended,
    of words [sentences, k, limit] and scores [sentences, k].

    With groups, k are those of the first, then those of the second, and so on; best first in each.
    """

    longest: tf.Tensor
    shortest: tf.Tensor | tuple[()]
    width: tf.Tensor | tuple[()]
    previous: tf.Tensor
    words: tf.Tensor
    has_spoken: tf.Tensor
    log_probability: tf.Tensor
    state: tf.Tensor
    attention: tf.Tensor | tuple[()]
    ended: Hypotheses


def beam_search(
    model: TranslationModel,
    source: tf.Tensor,
    longest: tf.Tensor,
    settings: schema.Search,
    silent: Sequence[int] = (),
    width: tf.Tensor | tuple[()] = (),
) -> Hypotheses:
    """The ``beam_size`` best hypotheses; with one it is greedy search, the likeliest word at every step.

    source: int32 [batch, source length]; longest: int32 [batch], ≥ 1; settings: those of how hypotheses are chosen and
    scored; silent: words that say nothing by themselves, as the end of sentence does not. A hypothesis of nothing else
    is found only where ``longest`` is 1, which leaves no place for a word. width: int32 [batch], of a narrower beam for
    each, without groups; of one that is wider it has ``beam_size``, and with less than 1 nothing is found.
    """
    read, output_kernel = model.read(source), model.output_kernel()

    def one_word_more(step: tf.Tensor, read: Read, beam: Beam, _: tuple[()]) -> tuple[Beam, tuple[()]]:
        return advance(model, read, output_kernel, step, beam, settings, silent), ()

    found = until_all_end(one_word_more, read, first_beam(read, source, longest, settings, width), ())
    return found if settings.beam_groups == 1 else best_of(found, settings.beam_size)


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


def first_beam(
    read: Read, source: tf.Tensor, longest: tf.Tensor, settings: schema.Search, width: tf.Tensor | tuple[()] = ()
) -> Beam:
    """Of the sentences ``source``, which are ``read``, before the first word, with room for as many words as the
    longest may have."""
    sentences, k = tf.size(longest), settings.beam_size
    words = tf.zeros([sentences, k, tf.maximum(1, tf.reduce_max(longest))], tf.int32)
    nothing = tf.fill([sentences, k], IMPOSSIBLE)
    is_first = np.arange(k) % (k // settings.beam_groups) == 0
    return Beam(
        longest=longest,
        shortest=_shortest(source, settings.min_length_ratio) if settings.min_length_ratio else (),
        width=() if isinstance(width, tuple) else tf.minimum(width, k),
        previous=tf.fill([sentences, k], PADDING_ID),
        words=words,
        has_spoken=tf.fill([sentences, k], False),
        log_probability=tf.where(is_first, 0.0, nothing),
        state=tf.repeat(read.initial_state[:, None], k, axis=1),
        attention=tf.repeat(_is_padding(source)[:, None], k, axis=1) if settings.coverage_penalty else (),
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
    if settings.beam_groups > 1 or settings.no_repeat_ngram:
        log_p, beam = continuations(model, read, output_kernel, step, beam, settings, silent)
        if settings.beam_groups > 1:
            return grown(beam, step, *_diverse(log_p, beam, settings), settings, silent)
        k, vocabulary = log_p.shape[1:]
        best, index = top_k(tf.reshape(log_p, [-1, k * vocabulary]), k)
        return grown(beam, step, best, index // vocabulary, index % vocabulary, settings, silent)
    kinds = _which_of_these(step, beam)
    logits, beam = _next(model, read, output_kernel, beam, settings)
    chosen = likeliest(logits, beam.log_probability, _can_follow(logits.shape[1], silent), kinds)
    return grown(beam, step, *chosen, settings, silent)


def continuations(
    model: TranslationModel,
    read: Read,
    output_kernel: tf.Tensor,
    step: tf.Tensor,
    beam: Beam,
    settings: schema.Search,
    silent: Sequence[int],
) -> tuple[tf.Tensor, Beam]:
    """log p of every hypothesis with every word after it, [sentences, k, vocabulary], minus infinity where it cannot
    follow; and the beam with the state, and the attention, after the hypothesis."""
    logits, beam = _next(model, read, output_kernel, beam, settings)
    vocabulary = logits.shape[1]
    can_follow = tf.gather(_can_follow(vocabulary, silent), _side_by_side(_which_of_these(step, beam)))
    if settings.no_repeat_ngram:
        words = tf.reshape(beam.words, [-1, tf.shape(beam.words)[2]])
        can_follow &= ~_repeats(words, step, settings.no_repeat_ngram, vocabulary)
        if settings.min_length_ratio:
            # One that has no other word to go on with ends before its time.
            is_stuck = ~tf.reduce_any(can_follow, axis=1, keepdims=True)
            can_follow |= is_stuck & (np.arange(vocabulary) == END_ID)
    before = tf.reshape(beam.log_probability, [-1]) - log_sum_exp(logits)
    log_p = tf.where(can_follow, logits + before[:, None], IMPOSSIBLE)
    return _by_sentence(log_p, beam), beam


def _next(
    model: TranslationModel, read: Read, output_kernel: tf.Tensor, beam: Beam, settings: schema.Search
) -> tuple[tf.Tensor, Beam]:
    """The logits of the word after each hypothesis, [sentences * k, vocabulary]; and the beam with the state, and the
    attention, after the hypothesis."""
    following = model.step(read, _side_by_side(beam.state), _side_by_side(beam.previous), output_kernel)
    beam = beam._replace(state=_by_sentence(following.state, beam))
    if settings.coverage_penalty:
        attention = beam.attention + tf.reshape(following.alignment, tf.shape(beam.attention))
        beam = beam._replace(attention=attention)
    return following.logits, beam


def grown(
    beam: Beam,
    step: tf.Tensor,
    log_probability: tf.Tensor,
    parents: tf.Tensor,
    words: tf.Tensor,
    settings: schema.Search,
    silent: Sequence[int],
) -> Beam:
    """The beam of the chosen continuations, best first: log_probability, the hypotheses (``parents``) that they
    continue, and ``words``, all [sentences, k]. Those that end are set aside, and the beam narrows by as many.

    beam: as ``continuations`` gives it.
    """

    def of_parents(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, parents, batch_dims=1)

    words_before, has_spoken, state, attention = tf.nest.map_structure(
        of_parents, (beam.words, beam.has_spoken, beam.state, beam.attention)
    )
    beam = beam._replace(words=words_before, has_spoken=has_spoken, state=state, attention=attention)
    log_probability = tf.where(_has_place(beam, settings.beam_groups), log_probability, IMPOSSIBLE)
    ends = (words == END_ID) & (log_probability > LEAST)
    scores = ended_scores(beam, step, log_probability, settings)
    beam = lengthened(beam, step, tf.where(ends, IMPOSSIBLE, log_probability), words, silent)
    ended = Hypotheses(beam.words, tf.where(ends, scores, IMPOSSIBLE))
    # Of equal ones those that ended first.
    both = (
        tf.concat([_by_group(values, settings.beam_groups) for values in pair], axis=1)
        for pair in zip(beam.ended, ended, strict=True)
    )
    best = best_of(Hypotheses(*both), settings.beam_size // settings.beam_groups)
    if settings.beam_groups > 1:
        best = Hypotheses(*(tf.reshape(new, tf.shape(old)) for new, old in zip(best, beam.ended, strict=True)))
    return beam._replace(ended=best)


def lengthened(
    beam: Beam, step: tf.Tensor, log_probability: tf.Tensor, words: tf.Tensor, silent: Sequence[int]
) -> Beam:
    """Each hypothesis with its next word of ``words``, [sentences, k], and what it then has; none is set aside."""
    is_last = tf.range(tf.shape(beam.words)[2]) == step
    return beam._replace(
        previous=words,
        words=tf.where(is_last, tf.expand_dims(words, 2), beam.words),
        has_spoken=beam.has_spoken | ~tf.reduce_any(words[:, :, None] == _silent(silent), axis=2),
        log_probability=log_probability,
    )


def ended_scores(beam: Beam, step: tf.Tensor, log_probability: tf.Tensor, settings: schema.Search) -> tf.Tensor:
    """Of hypotheses with ``log_probability``, [sentences, k], that end after ``step`` words."""
    scores = log_probability / length_power(step + 1, settings)
    return scores + coverage_penalty(beam.attention, settings) if settings.coverage_penalty else scores


def _diverse(log_p: tf.Tensor, beam: Beam, settings: schema.Search) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What every group continues with, each knowing what those before it have chosen: log p, hypotheses and words."""
    k, vocabulary = log_p.shape[1:]
    size = k // settings.beam_groups
    has_place = _has_place(beam, settings.beam_groups)
    taken = tf.zeros_like(log_p[:, 0])
    chosen = []
    for first in range(0, k, size):
        own = tf.reshape(log_p[:, first : first + size], [-1, size * vocabulary])
        less = tf.tile(settings.group_diversity * taken, [1, size])
        _, index = top_k(own - less, size)
        best, words = tf.gather(own, index, batch_dims=1), index % vocabulary
        chosen.append((best, index // vocabulary + first, words))
        is_taken = has_place[:, first : first + size] & (best > LEAST)
        taken += _counts(tf.where(is_taken, words, PADDING_ID), vocabulary)
    log_probability, parents, words = (tf.concat(groups, axis=1) for groups in zip(*chosen, strict=True))
    return log_probability, parents, words


def _has_place(beam: Beam, groups: int) -> tf.Tensor:
    """For which of k continuations there is place beside the hypotheses that have ended: bool [sentences, k]."""
    scores = _by_group(beam.ended.scores, groups)
    are_ended = tf.math.count_nonzero(scores > LEAST, axis=1, keepdims=True, dtype=tf.int32)
    width = scores.shape[1] if isinstance(beam.width, tuple) else beam.width[:, None]
    has_place = tf.range(scores.shape[1]) < width - are_ended
    return has_place if groups == 1 else tf.reshape(has_place, tf.shape(beam.ended.scores))


def _by_group(values: tf.Tensor, groups: int) -> tf.Tensor:
    """[sentences, k, ...] to [sentences * groups, k / groups, ...]."""
    if groups == 1:
        return values
    return tf.reshape(values, tf.concat([[-1, values.shape[1] // groups], tf.shape(values)[2:]], axis=0))


def best_of(hypotheses: Hypotheses, k: int) -> Hypotheses:
    """The k best; of equal ones the first."""
    scores, index = tf.math.top_k(hypotheses.scores, k)
    return Hypotheses(tf.gather(hypotheses.words, index, batch_dims=1), scores)


def _shortest(source: tf.Tensor, ratio: float) -> tf.Tensor:
    """The fewest words that a translation of each may have without its end: int32 [batch]."""
    lengths = tf.reduce_sum(1 - _is_padding(source), axis=1) - 1  # without the end
    return tf.cast(tf.math.ceil(lengths * ratio), tf.int32)


def _is_padding(source: tf.Tensor) -> tf.Tensor:
    return tf.cast(source == PADDING_ID, tf.float32)


def _repeats(words: tf.Tensor, step: tf.Tensor, n: int, vocabulary: int) -> tf.Tensor:
    """Which words would end a sequence of n that has been there, after ``step`` of ``words``, int32 [rows, limit]: bool
    [rows, vocabulary]."""
    limit, padded = tf.shape(words)[1], tf.pad(words, [[0, 0], [n - 1, 0]])
    for place in range(n - 1):
        # Of the n - 1 words before every word, and of the last n - 1.
        same = padded[:, place : place + limit] == tf.gather(padded, [step + place], axis=1)
        words = tf.where(same, words, PADDING_ID)
    return _counts(words, vocabulary) > 0


def _counts(words: tf.Tensor, vocabulary: int) -> tf.Tensor:
    """How often each row of int32 [rows, length] has every word: float32 [rows, vocabulary]; padding never."""
    rows = tf.broadcast_to(tf.range(tf.shape(words)[0])[:, None], tf.shape(words))
    is_word = tf.cast(words != PADDING_ID, tf.float32)
    return tf.scatter_nd(tf.stack([rows, words], axis=2), is_word, [tf.shape(words)[0], vocabulary])


def _side_by_side(values: tf.Tensor) -> tf.Tensor:
    """[sentences, k, ...] to [sentences * k, ...]."""
    return tf.reshape(values, [-1, *values.shape[2:]])


def _by_sentence(values: tf.Tensor, beam: Beam) -> tf.Tensor:
    """[sentences * k, ...] to [sentences, k, ...]."""
    return tf.reshape(values, [-1, beam.log_probability.shape[1], *values.shape[1:]])


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
    spoken = _ANY_WORD
    if not isinstance(beam.shortest, tuple):
        spoken = tf.where(step < tf.expand_dims(beam.shortest, 1), _NO_END, _ANY_WORD)
    return tf.where(left <= 1, _THE_END, tf.where(beam.has_spoken, spoken, unspoken))
