"""Translations that begin as they are told to, also in the middle of a word.

The subwords of the beginning are forced, all but the last word's: whatever subwords write that word, or a longer one,
may follow, for "transl" is no subword of "translation".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.data.subwords import Subwords
from model.search.phrases import NOTHING, Pieces, bit, has, is_subword, places_of
from model.search.scores import IMPOSSIBLE
from workspace.layout import END_ID, MOST_CHARACTERS

# The most subwords whose characters are left free: of a text without spaces, the last of it.
MOST_FREE = 8


class Prefix(NamedTuple):
    """How the translation of each text of a batch begins.

    head: int32 [batch, length], the subwords that are forced, then END_ID; head_length: int32 [batch]; tail_length:
    int32 [batch], how many characters follow that any subwords may write; fits: int64 [batch, vocabulary], bit i where
    a subword may follow after i of them; tail_bytes: int32 [batch], how many they are in a translation.
    """

    head: tf.Tensor
    head_length: tf.Tensor
    tail_length: tf.Tensor
    fits: tf.Tensor
    tail_bytes: tf.Tensor

    @property
    def most_subwords(self) -> tf.Tensor:
        """How many it may be, int32 [batch]."""
        return self.head_length + self.tail_length


def prefix_of(texts: tf.Tensor, subwords: Subwords, pieces: Pieces, longest: int) -> tuple[Prefix, tf.Tensor]:
    """That of string [batch], and which have more than ``longest`` subwords, bool [batch]: those force nothing."""
    written = subwords.ids(texts, longest)
    ends_in_space = tf.strings.regex_full_match(texts, r"(?s).*\S.*\s") & ~written.too_long
    ids = tf.where(is_subword(written.ids), written.ids, END_ID)
    return prefix_of_ids(ids, written.lengths, ends_in_space, pieces), written.too_long


def prefix_of_ids(ids: tf.Tensor, lengths: tf.Tensor, ends_in_space: tf.Tensor, pieces: Pieces) -> Prefix:
    """That of int32 [batch, length], ``lengths`` subwords, then END_ID. The last word is a whole one where it
    ``ends_in_space``."""
    length = tf.shape(ids)[1]
    is_there, place = tf.sequence_mask(lengths, length), tf.range(length)
    characters = tf.where(is_there, tf.gather(pieces.lengths, ids), 0)
    # The last word, from the last subword that begins one; or less of it, where it is long.
    begins = tf.where(is_there & (tf.gather(pieces.characters[:, 0], ids) == pieces.space), place, 0)
    is_free = is_there & (place >= tf.reduce_max(begins, axis=1, keepdims=True))
    is_free &= place >= lengths[:, None] - MOST_FREE
    is_free &= tf.cumsum(characters, axis=1, reverse=True) <= MOST_CHARACTERS
    is_known = tf.reduce_all(tf.gather(pieces.is_known, ids) | ~is_free, axis=1)
    is_free &= (is_known & ~ends_in_space)[:, None]
    head_length = lengths - tf.math.count_nonzero(is_free, axis=1, dtype=tf.int32)

    tail = pieces.of_ids(tf.where(is_free, ids, END_ID)).to_tensor(NOTHING, shape=[None, MOST_CHARACTERS])
    tail_length = tf.reduce_sum(tf.where(is_free, characters, 0), axis=1)
    space = tf.where(tf.range(MOST_CHARACTERS) == 0, pieces.space, NOTHING)
    tail = tf.where(ends_in_space[:, None], space, tail)
    tail_length = tf.where(ends_in_space, 1, tail_length)
    size = tf.reduce_sum(tf.gather(pieces.bytes, tail), axis=1)
    # A text has no space where it begins.
    size -= tf.cast((head_length == 0) & (tail[:, 0] == pieces.space), tf.int32)
    return Prefix(ids, head_length, tail_length, _fits(tail, tail_length, ends_in_space, pieces), size)


def _fits(tail: tf.Tensor, tail_length: tf.Tensor, ends_in_space: tf.Tensor, pieces: Pieces) -> tf.Tensor:
    """[batch, vocabulary]: after all of it whatever; after the last word, a space need not follow at the end."""
    whole, places = bit(tail_length)[:, None], places_of(tail, pieces.alphabet)

    def one_before(bits: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        before = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, np.int64(1)), tf.gather(places, column, axis=1))
        return tf.where(column != NOTHING, tf.bitwise.bitwise_or(before, whole), bits)

    bits = tf.foldr(one_before, pieces.columns, tf.repeat(2 * whole - 1, pieces.vocabulary, axis=1))
    at_end = (np.arange(pieces.vocabulary) == END_ID) & ends_in_space[:, None]
    return tf.where(at_end, tf.bitwise.bitwise_or(bits, np.int64(1)), bits)


def only_what_fits(log_p: tf.Tensor, prefix: Prefix, of: tf.Tensor, step: tf.Tensor, written: tf.Tensor) -> tf.Tensor:
    """``log_p`` of all continuations, [sentences, k, vocabulary], minus infinity where they would not begin so.

    of: int32 [sentences], the rows of ``prefix``; step: the words there are; written: int32 [sentences, k], how many
    characters of the tail.
    """
    head_length, tail_length = tf.gather(prefix.head_length, of)[:, None], tf.gather(prefix.tail_length, of)[:, None]

    def masked() -> tf.Tensor:
        forced = tf.gather(prefix.head[:, tf.minimum(step, tf.shape(prefix.head)[1] - 1)], of)
        is_forced = tf.range(log_p.shape[2]) == forced[:, None, None]
        may_follow = has(tf.gather(prefix.fits, of)[:, None, :], bit(written)[..., None])
        return tf.where(tf.where((step < head_length)[..., None], is_forced, may_follow), log_p, IMPOSSIBLE)

    is_unwritten = (step < head_length) | (written < tail_length)
    return tf.cond(tf.reduce_any(is_unwritten), masked, lambda: log_p)


def written_after(
    words: tf.Tensor, prefix: Prefix, of: tf.Tensor, step: tf.Tensor, written: tf.Tensor, pieces: Pieces
) -> tf.Tensor:
    """How many characters of the tail there are with ``words``, [sentences, k, n], after what is ``written``."""
    head_length, tail_length = (
        tf.gather(values, of)[:, None, None] for values in (prefix.head_length, prefix.tail_length)
    )
    after = tf.minimum(tail_length, written[..., None] + tf.gather(pieces.lengths, words))
    return tf.where(step < head_length, 0, after)


def beginning_so(given: tf.Tensor, prefix: Prefix, heads: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
    """``texts``, string [batch], that begin with ``heads`` and the tail, with the beginning as it was ``given``; all
    string [batch]."""
    size = tf.strings.length(texts)
    begin = tf.minimum(size, tf.strings.length(heads) + prefix.tail_bytes)
    return tf.strings.join([given, tf.strings.substr(texts, begin, size - begin)])
