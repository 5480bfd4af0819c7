"""Beam search for translations that begin as they are told to, and have or have not some phrases.

The beam is divided among banks, hypotheses with as many subwords of the required phrases (Post and Vilar 2018; Hu et
al. 2019, vectorised dynamic beam allocation): in turns the best hypothesis of every bank, that with most first, then
the second best. Besides the likeliest continuations, those are tried that go on with a phrase. There is a place for
every character of the phrases, and no hypothesis goes on that has no longer enough of them: so where the phrases can be
written, and do not contradict each other, a translation with them is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from model.search.beam import Beam, Hypotheses, continuations, first_beam, grown, until_all_end
from model.search.model import Read, TranslationModel
from model.search.phrases import (
    Matched,
    Phrases,
    Pieces,
    characters_left,
    is_last,
    matched_after,
    nothing_matched,
    proposed,
    subwords_matched,
)
from model.search.prefix import Prefix, only_what_fits, written_after
from model.search.scores import IMPOSSIBLE, LEAST, top_k
from recipes import schema
from workspace.layout import END_ID

# How many more continuations of each hypothesis are tried than there are hypotheses, for some may be forbidden.
MORE_CONTINUATIONS = 32
# What is required takes places in the beam from what is likely.
LEAST_BEAM = 12


class Constraints(NamedTuple):
    """What is asked of each translation of a batch."""

    prefix: Prefix
    required: Phrases
    forbidden: Phrases

    @property
    def are_possible(self) -> tf.Tensor:
        """Whether all that is required can be written, and all phrases are short: bool [batch]."""
        required = tf.reduce_all(self.required.is_known & self.required.is_short, axis=1)
        return required & tf.reduce_all(self.forbidden.is_short, axis=1)

    @property
    def most_subwords(self) -> tf.Tensor:
        """For how many subwords more there is to be place, int32 [batch]: a phrase's characters, and a space."""
        required = tf.where(self.required.is_there, self.required.characters + 1, 0)
        return self.prefix.most_subwords + tf.reduce_sum(required, axis=1)


class _Kept(NamedTuple):
    """What of the constraints the hypotheses have.

    of: int32 [sentences], whose they are; written: int32 [sentences, k], how much of the prefix's tail; required and
    forbidden: [sentences, k, phrases].
    """

    of: tf.Tensor
    written: tf.Tensor
    required: Matched
    forbidden: Matched


def constrained_search(
    model: TranslationModel,
    source: tf.Tensor,
    longest: tf.Tensor,
    of: tf.Tensor,
    constraints: Constraints,
    pieces: Pieces,
    settings: schema.Search,
    silent: Sequence[int] = (),
) -> Hypotheses:
    """As ``model.search.beam.beam_search``, of ``longest`` words with those of the constraints, and with a beam that
    has place for the banks; none where no translation is found that keeps to them.

    of: int32 [batch], whose of the constraints each sentence is to keep to.
    """
    k = max(LEAST_BEAM, settings.beam_size)
    settings = settings.model_copy(update={"beam_size": k, "beam_groups": 1})
    read, output_kernel = model.read(source), model.output_kernel()

    def one_word_more(step: tf.Tensor, read: Read, beam: Beam, kept: _Kept) -> tuple[Beam, _Kept]:
        log_p, beam = continuations(model, read, output_kernel, step, beam, settings, silent)
        # A folded network has more words, which never follow.
        log_p = log_p[:, :, : pieces.vocabulary]
        log_p = only_what_fits(log_p, constraints.prefix, kept.of, step, kept.written)
        words, log_p = _candidates(log_p, constraints.required, kept)
        after = _after(words, step, kept, constraints, pieces)
        # Places, that of the end not among them.
        left = (beam.longest - step - 2)[:, None, None]
        in_time = characters_left(constraints.required, kept.of, after.required) <= left
        keeps_to_them = tf.where(words == END_ID, _has_all(constraints, after), in_time)
        log_p = tf.where(keeps_to_them & _has_none(constraints, after), log_p, IMPOSSIBLE)
        bank = subwords_matched(constraints.required, kept.of, after.required)
        best, chosen = _in_turns(_in_a_row(log_p), _in_a_row(bank), k)

        def of_chosen(values: tf.Tensor) -> tf.Tensor:
            return tf.gather(_in_a_row(values), chosen, batch_dims=1)

        beam = grown(beam, step, best, chosen // tf.shape(words)[2], of_chosen(words), settings, silent)
        _, *matched = after
        return beam, _Kept(kept.of, *tf.nest.map_structure(of_chosen, matched))

    longest += tf.gather(constraints.most_subwords, of)
    beam = first_beam(read, source, longest, settings)
    found = until_all_end(one_word_more, read, beam, _nothing_kept(constraints, of, k))
    return found._replace(scores=tf.where(tf.gather(constraints.are_possible, of)[:, None], found.scores, IMPOSSIBLE))


def keep_to(words: tf.Tensor, constraints: Constraints, pieces: Pieces) -> tf.Tensor:
    """Which of int32 [batch, length], with END_ID, then PADDING_ID, have what is required, and nothing forbidden: bool
    [batch]. The prefix is not looked at."""
    first = _nothing_kept(constraints, tf.range(tf.shape(words)[0]), 1)

    def one_word_more(step: tf.Tensor, kept: _Kept, has_none: tf.Tensor) -> tuple[tf.Tensor, _Kept, tf.Tensor]:
        after = _after(words[:, step, None, None], step, kept, constraints, pieces)
        has_none &= _has_none(constraints, after)[:, 0, 0]
        _, *matched = after
        kept = _Kept(kept.of, *tf.nest.map_structure(lambda values: values[:, :, 0], matched))
        return step + 1, kept, has_none

    _, kept, has_none = tf.while_loop(
        lambda step, *_: step < tf.shape(words)[1], one_word_more, (0, first, tf.fill(tf.shape(words)[:1], True))
    )
    has_all = tf.reduce_all(kept.required.stood[:, 0] | ~constraints.required.is_there, axis=1)
    return has_none & has_all & constraints.are_possible


def _nothing_kept(constraints: Constraints, of: tf.Tensor, k: int) -> _Kept:
    """Before the first word."""
    nothing = (nothing_matched(phrases, of, k) for phrases in (constraints.required, constraints.forbidden))
    return _Kept(of, tf.zeros([tf.size(of), k], tf.int32), *nothing)


def _has_all(constraints: Constraints, after: _Kept) -> tf.Tensor:
    """Whether all that is required stands: bool [sentences, k, n]."""
    is_there = tf.gather(constraints.required.is_there, after.of)[:, None, None, :]
    return tf.reduce_all(after.required.stood | ~is_there, axis=3)


def _has_none(constraints: Constraints, after: _Kept) -> tf.Tensor:
    """Whether nothing forbidden stands, or would if the text ended: bool [sentences, k, n]. Else letters that make no
    word would be put behind it."""
    stands = after.forbidden.stood | is_last(constraints.forbidden, after.of, after.forbidden)
    return ~tf.reduce_any(stands, axis=3)


def _candidates(log_p: tf.Tensor, required: Phrases, kept: _Kept) -> tuple[tf.Tensor, tf.Tensor]:
    """Words, [sentences, k, n], and log p with each: the likeliest, then those that go on with a phrase."""
    k, vocabulary = log_p.shape[1:]
    most = min(vocabulary, k + MORE_CONTINUATIONS)
    best, words = (tf.reshape(values, [-1, k, most]) for values in top_k(tf.reshape(log_p, [-1, vocabulary]), most))
    more = proposed(required, kept.of, kept.required)
    others = tf.concat([words, more], axis=2)
    place = tf.range(most, most + tf.shape(more)[2])[:, None]
    is_before = tf.range(tf.shape(others)[2]) < place
    is_again = tf.reduce_any((more[..., None] == others[:, :, None, :]) & is_before, axis=3)
    log_p = tf.gather(log_p, tf.maximum(0, more), batch_dims=2)
    log_p = tf.where((more < 0) | is_again, IMPOSSIBLE, log_p)
    return tf.concat([words, tf.maximum(0, more)], axis=2), tf.concat([best, log_p], axis=2)


def _after(words: tf.Tensor, step: tf.Tensor, kept: _Kept, constraints: Constraints, pieces: Pieces) -> _Kept:
    """With each of the words, [sentences, k, n]."""
    of = kept.of
    return _Kept(
        of,
        written_after(words, constraints.prefix, of, step, kept.written, pieces),
        matched_after(constraints.required, of, kept.required, words, pieces),
        matched_after(constraints.forbidden, of, kept.forbidden, words, pieces),
    )


def _in_turns(log_p: tf.Tensor, bank: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """k of [sentences, n], and which: the best of each bank, the highest bank first, then the second best of each."""
    best, order = tf.math.top_k(log_p, tf.shape(log_p)[1])
    banks = tf.reduce_max(bank, axis=None) + 1
    bank = tf.gather(bank, order, batch_dims=1)
    of_bank = tf.one_hot(bank, banks, dtype=tf.int32)
    rank = tf.gather(tf.cumsum(of_bank, axis=1, exclusive=True), bank, batch_dims=2)
    turn = rank * banks + (banks - 1 - bank)
    turn = tf.where(best > LEAST, turn, tf.int32.max)
    _, chosen = tf.math.top_k(-turn, k)
    return tf.gather(best, chosen, batch_dims=1), tf.gather(order, chosen, batch_dims=1)


def _in_a_row(values: tf.Tensor) -> tf.Tensor:
    """[sentences, k, n, ...] to [sentences, k * n, ...]."""
    shape = tf.shape(values)
    return tf.reshape(values, tf.concat([[shape[0], shape[1] * shape[2]], shape[3:]], axis=0))
