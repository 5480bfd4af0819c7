"""Where phrases stand in a text that grows subword by subword, however it is cut into subwords.

Shift-And (Baeza-Yates and Gonnet 1992) over characters: bit i of a phrase's state says that the text ends in its first
i characters, and bit 0 that it may begin here. What a subword does to a state is worked out beforehand.

A phrase stands where it stands as whole words: where it begins or ends in a letter or digit, no other touches it there.
In scripts without spaces it stands anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import regex
import tensorflow as tf

from model.data.subwords import BYTES, SPACE, Subwords
from model.search.scores import top_k
from workspace.layout import END_ID, MOST_CHARACTERS, PADDING_ID
from workspace.scripts import LETTERS_AND_DIGITS

# How many subwords are proposed to go on with a phrase.
PROPOSALS = 6

_NO_BIT = np.int64(0)
NOTHING, _BOUNDARY, _UNKNOWN = range(3)  # past the end of a subword; where a text ends; a character no phrase has
_OF_WORD = regex.compile(LETTERS_AND_DIGITS, regex.V1)


Array: TypeAlias = np.ndarray | tf.Tensor


class Pieces(NamedTuple):
    """The subwords of a vocabulary as characters.

    codepoints: int32 [alphabet - 3], of the characters of an alphabet but its first three, which are none, in order;
    characters: int32 [vocabulary, longest subword], their numbers in it; lengths: int32 [vocabulary]; is_of_word: bool
    [alphabet], letters and digits of scripts with spaces; may_be_of_word: also what nobody knows, as single bytes;
    bytes: int32 [alphabet], in UTF-8, with a space for SPACE; space: its number.
    """

    codepoints: Array
    characters: Array
    lengths: Array
    is_of_word: Array
    may_be_of_word: Array
    bytes: Array
    space: int | tf.Tensor

    @staticmethod
    def of(subwords: Sequence[str | None]) -> Pieces:
        """Of these; "" is one that shows nothing, None one whose characters are not known."""
        alphabet = sorted({SPACE, *(character for subword in subwords for character in subword or "")})
        numbers = {character: number for number, character in enumerate(alphabet, start=_UNKNOWN + 1)}
        rows = [
            [_UNKNOWN] if subword is None else [numbers[character] for character in subword] or [_BOUNDARY]
            for subword in subwords
        ]
        characters = np.full([len(rows), max(map(len, rows))], NOTHING, np.int32)
        for row, known in zip(characters, rows, strict=True):
            row[: len(known)] = known
        is_of_word = np.array([False] * 3 + [_OF_WORD.match(character) is not None for character in alphabet])
        is_byte = np.array([False] * 3 + [character in BYTES for character in alphabet])
        may_be_of_word = is_of_word | is_byte | (np.arange(len(is_byte)) == _UNKNOWN)
        lengths = np.array([len(row) for row in rows], np.int32)
        single = {SPACE, *BYTES}
        sizes = [0] * 3 + [1 if character in single else len(character.encode()) for character in alphabet]
        return Pieces(
            np.array(list(map(ord, alphabet)), np.int32),
            characters,
            lengths,
            is_of_word,
            may_be_of_word,
            np.array(sizes, np.int32),
            numbers[SPACE],
        )

    @property
    def vocabulary(self) -> int:
        """How many subwords there are."""
        return int(self.lengths.shape[0])

    @property
    def alphabet(self) -> int:
        """How many characters there are."""
        return int(self.is_of_word.shape[0])

    @property
    def columns(self) -> tf.Tensor:
        """The first characters of all subwords, the second, and so on: int32 [longest subword, vocabulary]."""
        return tf.transpose(self.characters)

    @property
    def is_known(self) -> tf.Tensor:
        """Of which subwords the characters are known: bool [vocabulary]."""
        return tf.reduce_all(tf.not_equal(self.characters, _UNKNOWN), axis=1)

    def in_graph(self) -> Pieces:
        """With one constant of the graph that is being made for each array, however often it is used."""
        return Pieces(*map(tf.constant, self))

    def of_ids(self, ids: tf.Tensor) -> tf.RaggedTensor:
        """The characters of int32 [rows, length] with END_ID and padding, one after another: int32 [rows, ...]."""
        characters = tf.gather(self.characters, ids)
        is_there = (characters != NOTHING) & is_subword(ids)[:, :, None]
        shape = tf.stack([tf.shape(ids)[0], tf.shape(ids)[1] * self.characters.shape[1]])
        return tf.ragged.boolean_mask(tf.reshape(characters, shape), tf.reshape(is_there, shape))

    def of_texts(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The characters of string [rows]: int32 [rows, ...]."""
        spelled = tf.strings.unicode_decode(tf.strings.regex_replace(texts, r"\s+", SPACE), "UTF-8")

        def numbers(codepoints: tf.Tensor) -> tf.Tensor:
            place = tf.minimum(tf.searchsorted(self.codepoints, codepoints), tf.size(self.codepoints) - 1)
            is_known = tf.gather(self.codepoints, place) == codepoints
            return tf.where(is_known, place + _UNKNOWN + 1, _UNKNOWN)

        return tf.ragged.map_flat_values(numbers, spelled)


def is_subword(ids: tf.Tensor) -> tf.Tensor:
    """Which of them are neither the end nor padding."""
    return (ids != END_ID) & (ids != PADDING_ID)


class Phrases(NamedTuple):
    """Some phrases for each text of a batch, of all texts as many, P; ``is_there`` says which there are.

    is_known: whether the vocabulary can write it; is_short: whether it has no more than MOST_CHARACTERS; one of which
    either is not true is not there. whole: the bit of all of it, int64; characters and subwords: of how many it is,
    int32; all of them [batch, P]. subwords_before: how many of these end within so many characters, int32 [batch, P,
    characters + 1].

    What a subword does to a state, [batch * P * vocabulary]: goes_on, int64, the bits after which its characters are
    the phrase's next; begins, int64, the bits that it makes by itself; completes, int64, those from which it shows
    that the phrase stands; holds, bool, whether the phrase stands within it.

    proposals: int32 [batch * P * (characters + 2), PROPOSALS], subwords to go on with: in a phrase's first row those
    with which it may begin anywhere, then for every bit that may be a state's highest; -1 where there are no more.
    """

    is_there: tf.Tensor
    is_known: tf.Tensor
    is_short: tf.Tensor
    whole: tf.Tensor
    characters: tf.Tensor
    subwords: tf.Tensor
    subwords_before: tf.Tensor
    goes_on: tf.Tensor
    begins: tf.Tensor
    completes: tf.Tensor
    holds: tf.Tensor
    proposals: tf.Tensor


class Matched(NamedTuple):
    """What of its phrases a text has: bits, int64, the states, and stood, bool, which stand in it; both [..., P]."""

    bits: tf.Tensor
    stood: tf.Tensor


def phrases_of(lines: tf.Tensor, subwords: Subwords, pieces: Pieces, as_letters: bool | tf.Tensor) -> Phrases:
    """Those of string [batch], one a line; blank lines are none. as_letters: whether what nobody knows is a letter."""
    by_text = tf.ragged.map_flat_values(tf.strings.strip, tf.strings.split(lines, "\n"))
    texts = tf.ragged.boolean_mask(by_text, by_text != "").to_tensor("")
    flat = tf.reshape(texts, [-1])
    written = subwords.ids(flat, MOST_CHARACTERS)
    spelled = pieces.of_texts(flat)
    return phrases_of_ids(written.ids, tf.shape(texts), pieces, written.too_long, as_letters, spelled)


def phrases_of_ids(
    ids: tf.Tensor,
    shape: tf.Tensor,
    pieces: Pieces,
    too_long: tf.Tensor,
    as_letters: bool | tf.Tensor,
    spelled: tf.RaggedTensor | None = None,
) -> Phrases:
    """Those of int32 [batch * P, length], each as a text of its own, with END_ID, then PADDING_ID.

    shape: [batch, P]; too_long: bool [batch * P], which phrases have so many subwords that ``ids`` has none;
    as_letters: as in ``phrases_of``; spelled: int32 [batch * P, ...], the characters of phrases that no subwords write,
    as a vocabulary of words has none for a part of one.
    """
    pieces = pieces._replace(is_of_word=tf.where(as_letters, pieces.may_be_of_word, pieces.is_of_word))
    written = pieces.of_ids(ids)
    lengths = tf.cast(written.row_lengths(), tf.int32)
    characters = written.to_tensor(NOTHING, shape=[None, MOST_CHARACTERS + 2])
    if spelled is not None:
        is_unknown = tf.reduce_any(characters == _UNKNOWN, axis=1)
        characters = tf.where(is_unknown[:, None], spelled.to_tensor(NOTHING, shape=tf.shape(characters)), characters)
        lengths = tf.where(is_unknown, tf.cast(spelled.row_lengths(), tf.int32), lengths)
    # A text of its own begins with a space.
    with_space = characters[:, 0] == pieces.space
    characters = tf.where(with_space[:, None], characters[:, 1:], characters[:, :-1])
    lengths -= tf.cast(with_space, tf.int32)
    is_short = ~too_long & (lengths <= MOST_CHARACTERS)
    is_known = tf.reduce_all(characters != _UNKNOWN, axis=1)
    lengths = tf.where(is_short & is_known, lengths, 0)
    width = tf.reduce_max(tf.concat([[1], lengths], axis=0))
    characters = tf.where(tf.sequence_mask(lengths, width), characters[:, :width], NOTHING)

    last = tf.gather(characters, tf.maximum(0, lengths - 1), batch_dims=1)
    begins_in_word, ends_in_word = (tf.gather(pieces.is_of_word, place) for place in (characters[:, 0], last))
    whole = bit(lengths)
    places = places_of(characters, pieces.alphabet)
    goes_on = _goes_on(places, whole, pieces)
    completes = _completes(places, whole, ends_in_word, pieces)
    begins, holds = _begins(places, whole, begins_in_word, ends_in_word, pieces)

    ends = tf.cumsum(tf.gather(pieces.lengths, ids), axis=1) - tf.cast(with_space, tf.int32)[:, None]
    ends = tf.where(is_subword(ids) & (ends > 0), ends, MOST_CHARACTERS + 1)
    within = tf.cast(ends[:, None, :] <= tf.range(width + 1)[None, :, None], tf.int32)
    subwords_before = tf.reduce_sum(within, axis=2)

    def by_text(values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(values, tf.concat([shape, tf.shape(values)[1:]], axis=0))

    return Phrases(
        is_there=by_text(lengths > 0),
        is_known=by_text(is_known),
        is_short=by_text(is_short),
        whole=by_text(whole),
        characters=by_text(lengths),
        subwords=by_text(tf.gather(subwords_before, lengths, batch_dims=1)),
        subwords_before=by_text(subwords_before),
        goes_on=tf.reshape(goes_on, [-1]),
        begins=tf.reshape(begins, [-1]),
        completes=tf.reshape(completes, [-1]),
        holds=tf.reshape(holds, [-1]),
        proposals=_proposals(goes_on, begins, width, pieces),
    )


def nothing_matched(phrases: Phrases, of: tf.Tensor, k: int) -> Matched:
    """Of k empty texts for each of these: [texts, k, P]."""
    shape = tf.stack([tf.size(of), k, tf.shape(phrases.whole)[1]])
    return Matched(tf.ones(shape, tf.int64), tf.fill(shape, False))


def matched_after(phrases: Phrases, of: tf.Tensor, matched: Matched, words: tf.Tensor, pieces: Pieces) -> Matched:
    """With one of ``words``, [texts, k, n], after each text: [texts, k, n, P].

    of: int32 [texts], whose phrases they are; matched: what is there, [texts, k, P].
    """
    place = _numbers(phrases, of)[:, None, None, :] * pieces.vocabulary + words[..., None]
    bits, stood = (values[:, :, None, :] for values in matched)
    goes_on = tf.bitwise.bitwise_and(bits, tf.gather(phrases.goes_on, place))
    length = tf.cast(tf.gather(pieces.lengths, words), tf.int64)[..., None]
    after = tf.bitwise.bitwise_or(tf.bitwise.left_shift(goes_on, length), tf.gather(phrases.begins, place))
    completes = has(bits, tf.gather(phrases.completes, place)) | tf.gather(phrases.holds, place)
    return Matched(after, stood | (completes & _of_texts(phrases.is_there, of, 2)))


def is_last(phrases: Phrases, of: tf.Tensor, matched: Matched) -> tf.Tensor:
    """Which phrases a text ends in, whatever follows: bool [texts, k, n, P]; arguments as in ``subwords_matched``."""
    whole, is_there = (_of_texts(values, of, 2) for values in (phrases.whole, phrases.is_there))
    return has(matched.bits, whole) & is_there


def subwords_matched(phrases: Phrases, of: tf.Tensor, matched: Matched) -> tf.Tensor:
    """How many subwords of all phrases there are, of those that stand and of what the texts end in: int32 [texts, k,
    n], arguments as in ``matched_after``, which gave ``matched``, [texts, k, n, P]."""
    characters = tf.maximum(0, _highest(matched.bits, phrases))
    place = _numbers(phrases, of)[:, None, None, :] * tf.shape(phrases.subwords_before)[2] + characters
    there = tf.gather(tf.reshape(phrases.subwords_before, [-1]), place)
    there = tf.where(matched.stood, _of_texts(phrases.subwords, of, 2), there)
    return tf.reduce_sum(there, axis=3)


def characters_left(phrases: Phrases, of: tf.Tensor, matched: Matched) -> tf.Tensor:
    """How many characters the phrases want that do not stand, the space before them among them: int32 [texts, k, n],
    arguments as in ``subwords_matched``. ``proposed`` has a subword with which they are fewer."""
    left = _of_texts(phrases.characters, of, 2) - _highest(matched.bits, phrases)
    return tf.reduce_sum(tf.where(_of_texts(phrases.is_there, of, 2) & ~matched.stood, left, 0), axis=3)


def proposed(phrases: Phrases, of: tf.Tensor, matched: Matched) -> tf.Tensor:
    """Subwords to go on with towards phrases that do not stand yet: int32 [texts, k, P * PROPOSALS], -1 where there are
    no more; arguments as in ``matched_after``."""
    count, rows = tf.shape(phrases.whole)[1], tf.shape(phrases.subwords_before)[2] + 1
    place = _numbers(phrases, of)[:, None, :] * rows + 1 + _highest(matched.bits, phrases)
    words = tf.gather(phrases.proposals, place)
    wanted = _of_texts(phrases.is_there, of, 1) & ~matched.stood
    words = tf.where(wanted[..., None], words, -1)
    return tf.reshape(words, tf.stack([tf.shape(of)[0], tf.shape(matched.bits)[1], count * words.shape[-1]]))


def _numbers(phrases: Phrases, of: tf.Tensor) -> tf.Tensor:
    """Of the phrases of these texts among those of all: int32 [texts, P]."""
    count = tf.shape(phrases.whole)[1]
    return of[:, None] * count + tf.range(count)


def _of_texts(values: tf.Tensor, of: tf.Tensor, more: int) -> tf.Tensor:
    """[batch, ...] to [texts, 1, ..., ...], with so ``many`` dimensions more."""
    values = tf.gather(values, of)
    for _ in range(more):
        values = tf.expand_dims(values, 1)
    return values


def bit(places: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.left_shift(tf.ones_like(places, tf.int64), tf.cast(places, tf.int64))


def has(bits: tf.Tensor, those: tf.Tensor) -> tf.Tensor:
    """Whether ``bits`` have one of ``those``."""
    return tf.bitwise.bitwise_and(bits, those) != 0


def _highest(bits: tf.Tensor, phrases: Phrases) -> tf.Tensor:
    """The highest bit, -1 where there is none: int32 of the same shape."""
    place = tf.range(tf.shape(phrases.subwords_before)[2])
    return tf.reduce_max(tf.where(has(bits[..., None], bit(place)), place, -1), axis=-1)


def places_of(characters: tf.Tensor, alphabet: int) -> tf.Tensor:
    """Where in its phrase, [phrases, characters], each character of the alphabet is: int64 [phrases, alphabet]."""
    phrases, width = tf.shape(characters)[0], tf.shape(characters)[1]
    where = tf.stack([tf.repeat(tf.range(phrases), width), tf.reshape(characters, [-1])], axis=1)
    bits = tf.tile(bit(tf.range(width)), [phrases])
    return tf.where(tf.range(alphabet) > _UNKNOWN, tf.scatter_nd(where, bits, tf.stack([phrases, alphabet])), _NO_BIT)


def _goes_on(places: tf.Tensor, whole: tf.Tensor, pieces: Pieces) -> tf.Tensor:
    """[phrases, vocabulary]: from a subword's last character to its first."""

    def one_before(bits: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        before = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, np.int64(1)), tf.gather(places, column, axis=1))
        return tf.where(column != NOTHING, before, bits)

    return tf.foldr(one_before, pieces.columns, tf.repeat((2 * whole - 1)[:, None], pieces.vocabulary, axis=1))


def _completes(places: tf.Tensor, whole: tf.Tensor, ends_in_word: tf.Tensor, pieces: Pieces) -> tf.Tensor:
    """[phrases, vocabulary]: where a phrase ends in a letter, once another character than that is seen."""
    at_once = tf.where(ends_in_word, _NO_BIT, whole)[:, None]

    def one_before(bits: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        before = tf.bitwise.right_shift(tf.bitwise.bitwise_or(bits, at_once), np.int64(1))
        before = tf.bitwise.bitwise_and(before, tf.gather(places, column, axis=1))
        is_shown = ends_in_word[:, None] & ~tf.gather(pieces.is_of_word, column)
        before = tf.bitwise.bitwise_or(before, tf.where(is_shown, whole[:, None], _NO_BIT))
        return tf.where(column != NOTHING, before, bits)

    return tf.foldr(one_before, pieces.columns, tf.zeros([tf.shape(places)[0], pieces.vocabulary], tf.int64))


def _begins(
    places: tf.Tensor, whole: tf.Tensor, begins_in_word: tf.Tensor, ends_in_word: tf.Tensor, pieces: Pieces
) -> tuple[tf.Tensor, tf.Tensor]:
    """The bits, and whether it holds the phrase, both [phrases, vocabulary]: of phrases that begin after its first
    character or later."""

    def one_after(before: tuple[tf.Tensor, tf.Tensor], column: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        bits, holds = before
        is_there, is_of_word = column != NOTHING, tf.gather(pieces.is_of_word, column)
        shown = has(bits, whole[:, None]) & ends_in_word[:, None] & ~is_of_word
        after = tf.bitwise.left_shift(tf.bitwise.bitwise_and(bits, tf.bitwise.invert(whole)[:, None]), np.int64(1))
        after = tf.bitwise.bitwise_and(after, tf.bitwise.left_shift(tf.gather(places, column, axis=1), np.int64(1)))
        shown |= has(after, whole[:, None]) & ~ends_in_word[:, None]
        may_begin = ~begins_in_word[:, None] | ~is_of_word
        after = tf.bitwise.bitwise_or(after, tf.cast(may_begin, tf.int64))
        return tf.where(is_there, after, bits), holds | (is_there & shown)

    shape = tf.stack([tf.shape(places)[0], pieces.vocabulary])
    return tf.foldl(one_after, pieces.columns, (tf.zeros(shape, tf.int64), tf.fill(shape, False)))


def _proposals(goes_on: tf.Tensor, begins: tf.Tensor, width: tf.Tensor, pieces: Pieces) -> tf.Tensor:
    """As in Phrases: of the subwords that go on the longest, then the longest in which the phrase begins, or a space
    where there is none."""
    longest = pieces.characters.shape[1]
    begins_inside = has(begins, bit(pieces.lengths - 1)) & (pieces.lengths > 1)
    is_space = (pieces.characters[:, 0] == pieces.space) & (pieces.lengths == 1)
    wants_space = ~tf.reduce_any(begins_inside, axis=1, keepdims=True)
    anywhere = tf.where(begins_inside | (wants_space & is_space), pieces.lengths, 0)[:, None, :]
    from_bits = has(goes_on[:, None, :], bit(tf.range(width + 1))[None, :, None])
    from_bits = tf.where(from_bits, pieces.lengths + longest, 0)
    rows = tf.concat([anywhere, tf.maximum(anywhere, from_bits[:, :1]), from_bits[:, 1:]], axis=1)
    rows = tf.cast(tf.reshape(rows, [-1, pieces.vocabulary]), tf.float32)
    best, words = top_k(rows, min(PROPOSALS, pieces.vocabulary))
    return tf.where(best > 0, words, -1)
