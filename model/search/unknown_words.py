"""Words of the source in place of unknown words of a translation, in the graph (``workspace.unknown_words``).

Nothing of this runs for a sentence whose translations have no unknown word.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_text

from model.data.subwords import Subwords
from workspace.layout import UNKNOWN_ID
from workspace.locations import Location
from workspace.unknown_words import AFTER, BEFORE, BEGINS_WHITE, CORE, HAS_UNSPACED, IS_WHITE, WHITE
from workspace.word_pairs import read_word_pairs


class Words(NamedTuple):
    """The words of a batch of texts. numbers: int32 [batch, length], which word each subword is of, counted from 0, and
    -1 in padding; texts: string [batch, most], in NFC, "" for one of white space and in padding; subwords: string
    [batch, length], likewise, each as it is written in the text."""

    numbers: tf.Tensor
    texts: tf.Tensor
    subwords: tf.Tensor


def load_dictionary(path: Location) -> tf.lookup.StaticHashTable:
    """Raises UserError as ``read_word_pairs`` does."""
    words = read_word_pairs(path, "set search.unknown_dictionary to a file")
    keys, values = (tf.constant(list(side), tf.string, [len(words)]) for side in (words.keys(), words.values()))
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), "")


def words_of(subwords: Subwords, texts: tf.Tensor) -> Words:
    """Of string [batch]."""
    ids, starts, ends = subwords.with_places(texts)
    row, start, end = ids.value_rowids(), starts.values, ends.values
    written = tf.strings.substr(tf.gather(texts, row), start, end - start)
    stands_alone = (ids.values == UNKNOWN_ID) | tf.strings.regex_full_match(written, HAS_UNSPACED)
    is_white = tf.strings.regex_full_match(written, IS_WHITE)
    begins = (
        (row != _before(row, -1))
        | tf.strings.regex_full_match(written, BEGINS_WHITE)
        | ((stands_alone | _before(stands_alone, False)) & ~_before(is_white, False))
    )
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    rows, starts = tf.boolean_mask(row, begins), tf.boolean_mask(start, begins)
    whole = tf.strings.substr(tf.gather(texts, rows), starts, tf.math.segment_max(end, number) - starts)
    by_text = tf.RaggedTensor.from_value_rowids(_clean(whole), rows, nrows=tf.size(texts, tf.int64))
    number -= tf.gather(tf.cast(by_text.row_starts(), tf.int32), row)
    subwords = ids.with_values(_clean(written)).to_tensor("")
    return Words(ids.with_values(number).to_tensor(-1), by_text.to_tensor(""), subwords)


def attended(words: Words, alignment: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The word of the source that each unknown word of int32 [batch, length] attends to most: string [batch, length].

    alignment: float32 [batch, length, source length]. Weights of a word's subwords are added up; of equal ones it is
    the first.
    """
    places = tf.where(target == UNKNOWN_ID)
    numbers = tf.gather(words.numbers, places[:, 0])
    # Of a text without any words, too, there is one.
    texts = tf.gather(tf.pad(words.texts, [[0, 0], [0, 1]], constant_values=""), places[:, 0])
    weights = tf.gather_nd(alignment, places)[:, : tf.shape(numbers)[1]]
    count, most = tf.shape(texts)[0], tf.shape(texts)[1]
    segments = tf.where(numbers < 0, -1, numbers + most * tf.range(count)[:, None])
    of_words = tf.reshape(tf.math.unsorted_segment_sum(weights, segments, count * most), [count, most])
    best = tf.math.top_k(tf.where(texts == "", -1.0, of_words), 1).indices
    return tf.tensor_scatter_nd_update(
        tf.fill(tf.shape(target), ""), places, tf.gather(texts, best, batch_dims=1)[:, 0]
    )


def looked_up(dictionary: tf.lookup.StaticHashTable, words: tf.Tensor) -> tf.Tensor:
    """What the dictionary says of string [...], punctuation around a word kept where it knows only the word."""
    before, core, after = (tf.strings.regex_replace(words, pattern, r"\1") for pattern in (BEFORE, CORE, AFTER))
    whole, inner = dictionary.lookup(words), dictionary.lookup(core)
    inner = tf.where(inner == "", words, tf.strings.join([before, inner, after]))
    return tf.where(whole == "", inner, whole)


def _clean(texts: tf.Tensor) -> tf.Tensor:
    texts = tf.strings.strip(tf.strings.regex_replace(texts, f"{WHITE}+", " "))
    return tensorflow_text.normalize_utf8(texts, "NFC")


def _before(values: tf.Tensor, first: int | bool) -> tf.Tensor:
    """[n]: each value's predecessor."""
    return tf.concat([tf.fill([1], tf.cast(first, values.dtype)), values], axis=0)[:-1]
