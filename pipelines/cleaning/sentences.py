"""One side of a block of sentence pairs, as columns: what the cleaning rules measure, for all sentences at once.

Thousands of sentences are joined into one string and looked up, character by character, in a table of
classes; the counts of a sentence are then differences of running sums. That costs some nanoseconds a
character, where a Python call for each sentence and rule would cost more than all the rest of cleaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from pipelines.cleaning.characters import TABLE_SIZE, table_of
from pipelines.cleaning.languages import Likeness, is_known, likeness
from pipelines.cleaning.letter_keys import COMPLEX, character_keys, letter_key
from recipes.languages import language_of
from workspace.scripts import IDEOGRAPHS, SYLLABICS

LETTER, DIGIT, TERMINAL, MARKUP, LOWER, IDEOGRAPH, SYLLABIC = 1, 2, 4, 8, 16, 32, 64
# Letters of scripts that put no spaces between words.
UNSPACED = IDEOGRAPH | SYLLABIC
_PATTERNS = {
    LETTER: r"\p{Alphabetic}",
    DIGIT: r"\p{Nd}",
    # And the ellipsis, and the Greek question mark.
    TERMINAL: r"[\p{Sentence_Terminal}\u2026\u037e]",
    # What may begin a link, a placeholder or a tag, or be in the middle of one.
    MARKUP: r"[@<{%$/]",
    LOWER: r"\p{Lowercase}",
    IDEOGRAPH: IDEOGRAPHS,
    SYLLABIC: SYLLABICS,
}
_FIRST_UNSPACED = 0x0E00
# A character's share of a word, in twelfths, by its class.
_TWELFTHS_OF_WORD = np.zeros(UNSPACED + 1, np.uint8)
_TWELFTHS_OF_WORD[[IDEOGRAPH, SYLLABIC]] = 8, 3
# The scripts of these that have no mark for the end of a sentence.
_UNMARKED = r"[\p{Thai}\p{Lao}\p{Tibetan}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Viet}]"
# Marks that also stand within words, numbers and addresses.
_WITHIN_WORDS = ".?!\u2026\uff0e"

Column = npt.NDArray[np.float64]


class Sentences:
    """Sentences of one side, in which white space is single spaces, none at either end."""

    def __init__(self, texts: Sequence[str], language: str = ""):
        self.texts = texts
        self.language = language
        self._counts: dict[int, npt.NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Characters of every sentence."""
        return np.fromiter(map(len, self.texts), np.int64, len(self.texts))

    @cached_property
    def spaces(self) -> npt.NDArray[np.int64]:
        """Spaces of every sentence, counted without the table of classes: often nothing but words is asked for."""
        return np.fromiter((text.count(" ") for text in self.texts), np.int64, len(self))

    @cached_property
    def words(self) -> npt.NDArray[np.int64]:
        """Words of every sentence: what single spaces separate.

        Letters of scripts without spaces are 1.5 a word in Chinese and Japanese, and 4 in the others: see
        docs/cleaning.md.
        """
        if not self._has(UNSPACED):
            return self.spaces + (self.lengths > 0)
        twelfths = _TWELFTHS_OF_WORD[self._classes & UNSPACED]
        words = np.maximum(np.add.reduceat(twelfths, self._word_starts, dtype=np.int64), 12)
        return np.where(self.lengths > 0, np.add.reduceat(words, self._first_words) // 12, 0)

    @cached_property
    def longest_word(self) -> npt.NDArray[np.int64]:
        """Characters of every sentence's longest word. Letters of scripts without spaces are a word each."""
        if not self._has(UNSPACED):
            lengths = np.diff(self._word_ends, prepend=-1) - 1
            return np.maximum.reduceat(lengths, self._first_words) if len(lengths) else lengths
        unspaced = self._classes & UNSPACED != 0
        breaks = np.flatnonzero(unspaced | (self._codes == ord(" ")) | (self._codes == _NEWLINE))
        lengths = np.diff(breaks, prepend=-1) - 1
        longest = np.maximum.reduceat(lengths, np.searchsorted(breaks, self._starts))
        return np.maximum(longest, self._sum(unspaced) > 0)

    @property
    def is_english(self) -> bool:
        return language_of(self.language).code == "en"

    @property
    def has_known_language(self) -> bool:
        """Whether ``likeness`` can be told."""
        return is_known(self.language)

    @cached_property
    def likeness(self) -> list[Likeness]:
        """Every sentence's likest language and likeness to its own: see ``pipelines.cleaning.languages``."""
        return likeness(self.texts, self.language)

    def count(self, kind: int) -> npt.NDArray[np.int64]:
        """How many characters of a class every sentence has."""
        if kind not in self._counts:
            self._counts[kind] = self._sum(self._classes & kind != 0)
        return self._counts[kind]

    def letters_of(self, script: str) -> npt.NDArray[np.int64]:
        """How many letters of a Unicode script every sentence has. Raises ValueError for an unknown script."""
        return self._sum(table_of(rf"[\p{{Script={script}}}&&\p{{Alphabetic}}]")[self._codes])

    @cached_property
    def sentence_ends(self) -> npt.NDArray[np.int64]:
        """How often punctuation ends a sentence.

        Several marks in a row are one. Full stops, question and exclamation marks with a letter or digit behind them
        end nothing, nor do full stops and ellipses before a lower-case word, and full stops behind initials.
        """
        codes, classes = self._codes, self._classes
        marks = np.flatnonzero(classes & TERMINAL != 0)
        semicolons = np.flatnonzero(codes == ord(";"))
        if len(semicolons):
            # Behind a Greek letter it is that mark, too.
            marks = np.union1d(marks, semicolons[table_of(r"\p{Greek}")[codes[semicolons - 1]]])
        # The last character of all is a line feed.
        behind = classes[marks + 1]
        within = np.isin(codes[marks], list(map(ord, _WITHIN_WORDS)))
        goes_on = (behind & TERMINAL != 0) | (within & (behind & (LETTER | DIGIT) != 0) & (behind & UNSPACED == 0))
        spaced = marks[codes[marks + 1] == ord(" ")]
        beyond = classes[spaced + 2]
        stops = np.isin(codes[spaced], (ord("."), ord("\u2026")))
        initials = (codes[spaced] == ord(".")) & self._is_initial(spaced - 1)
        goes_on[codes[marks + 1] == ord(" ")] |= (beyond & TERMINAL != 0) | (stops & (beyond & LOWER != 0)) | initials
        lines = np.searchsorted(self._starts, marks[~goes_on], side="right") - 1
        return np.bincount(lines, minlength=len(self)).astype(np.int64)

    @cached_property
    def marks_sentences(self) -> npt.NDArray[np.bool_]:
        """Whether the ends of sentences can be told by punctuation: Thai, Lao and some others have none for them."""
        if not self._has(SYLLABIC):
            return np.ones(len(self), bool)
        return self._sum(table_of(_UNMARKED)[self._codes]) == 0

    def repetitions(self, most_words: int = 8, most_characters: int = 16) -> npt.NDArray[np.int64]:
        """The most times in a row that a sequence of up to ``most_words`` words is followed by itself.

        In scripts without spaces, a sequence of 2 to ``most_characters`` characters with letters of theirs; but not one
        character drawn out.
        """
        found = np.zeros(len(self), np.int64)
        hashes, line = self._word_hashes, self._line_of_word
        for period in range(1, most_words + 1):
            same = (hashes[period:] == hashes[:-period]) & (line[period:] == line[:-period])
            ends, lengths = _runs(same)
            whole = lengths >= period
            np.maximum.at(found, line[ends[whole]], lengths[whole] // period)
        if self._has(UNSPACED):
            np.maximum(found, self._repetitions_of_characters(most_characters), out=found)
        return found

    def letter_keys(self) -> list[str]:
        """What sentences have in common that are the same: see ``pipelines.cleaning.letter_keys``."""
        characters = character_keys()[self._codes]
        of_sentence = self._sum(characters == COMPLEX)
        kept = (characters != 0) & (characters != COMPLEX)
        letters = characters[kept].astype("<u4").tobytes().decode("utf-32-le")
        counts = self._sum(kept)
        ends = np.cumsum(counts).tolist()
        return [
            letter_key(text) if is_complex else letters[end - count : end] if count else text
            for text, end, count, is_complex in zip(
                self.texts, ends, counts.tolist(), of_sentence.tolist(), strict=True
            )
        ]

    def _repetitions_of_characters(self, most: int) -> npt.NDArray[np.int64]:
        found = np.zeros(len(self), np.int64)
        characters = self._characters
        letters = _sums(self._classes & UNSPACED != 0)
        changes = _sums(np.diff(characters, prepend=_NEWLINE) != 0)
        for period in range(2, most + 1):
            same = (characters[period:] == characters[:-period]) & (characters[period:] != _NEWLINE)
            ends, lengths = _runs(same)
            ends, lengths = ends[lengths >= period] + 1, lengths[lengths >= period]
            # Of the last sequence that is followed by itself, which ends there.
            has_letters = letters[ends] > letters[ends - period]
            is_drawn_out = changes[ends] == changes[ends - period + 1]
            counts = has_letters & ~is_drawn_out
            lines = np.searchsorted(self._starts, ends[counts], side="right") - 1
            np.maximum.at(found, lines, lengths[counts] // period)
        return found

    def _has(self, kind: int) -> bool:
        """Whether there is any character of a class."""
        # Most text has no character that far on, and needs no look at the table.
        return self._last_character >= _FIRST_UNSPACED and bool(self._kinds & kind)

    @cached_property
    def _last_character(self) -> int:
        return int(self._characters.max(initial=0))

    @cached_property
    def _kinds(self) -> int:
        """All classes that any character is of."""
        return int(np.bitwise_or.reduce(self._classes, initial=0))

    def _is_initial(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Where there are single capital letters, with no other letter before them."""
        one, before = self._classes[places], self._classes[places - 1]
        return (one & LETTER != 0) & (one & (LOWER | UNSPACED) == 0) & (before & LETTER == 0)

    def _sum(self, per_character: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        if not len(self):
            return np.zeros(0, np.int64)
        return np.add.reduceat(per_character, self._starts, dtype=np.int64)

    @cached_property
    def _characters(self) -> npt.NDArray[np.uint32]:
        """The characters of all sentences, a line feed after each."""
        return np.frombuffer("\n".join((*self.texts, "")).encode("utf-32-le", "replace"), "<u4")

    @cached_property
    def _codes(self) -> npt.NDArray[np.uint32]:
        """The characters as places in the tables."""
        return np.minimum(self._characters, TABLE_SIZE - 1)

    @cached_property
    def _classes(self) -> npt.NDArray[np.uint8]:
        return _class_table()[self._codes]

    @cached_property
    def _word_ends(self) -> npt.NDArray[np.int64]:
        """The place behind every word among all characters."""
        return np.flatnonzero((self._codes == ord(" ")) | (self._codes == _NEWLINE))

    @cached_property
    def _word_starts(self) -> npt.NDArray[np.int64]:
        return np.concatenate(([0], self._word_ends[:-1] + 1)) if len(self._word_ends) else self._word_ends

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        return np.cumsum(self.lengths + 1) - self.lengths - 1

    @cached_property
    def _first_words(self) -> npt.NDArray[np.int64]:
        """The place of every sentence's first word among all words; an empty sentence has one empty word."""
        words = self.spaces + 1
        return np.cumsum(words) - words

    @cached_property
    def _line_of_word(self) -> npt.NDArray[np.int64]:
        return np.repeat(np.arange(len(self)), self.spaces + 1)

    @cached_property
    def _word_hashes(self) -> npt.NDArray[np.uint64]:
        """A hash of every word, the same wherever it stands: a polynomial in its characters, modulo 2**64."""
        starts, ends = self._word_starts, self._word_ends
        powers = _powers(len(self._codes) + 1)
        sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(self._characters * powers[:-1], dtype=np.uint64)))
        # Words further on have higher powers: all are brought to the same one.
        return (sums[ends] - sums[starts]) * powers[len(self._codes) - starts]


_NEWLINE = ord("\n")
_POLYNOMIAL = 0x9E3779B97F4A7C15


@cache
def _class_table() -> npt.NDArray[np.uint8]:
    table = np.zeros(TABLE_SIZE, np.uint8)
    for kind, pattern in _PATTERNS.items():
        table |= table_of(pattern) * np.uint8(kind)
    return table


_powers_cache = np.ones(1, np.uint64)


def _powers(count: int) -> npt.NDArray[np.uint64]:
    """The first ``count`` powers of the hash's base, modulo 2**64."""
    global _powers_cache  # noqa: PLW0603
    if len(_powers_cache) < count:
        base = np.full(count, _POLYNOMIAL, np.uint64)
        base[0] = 1
        _powers_cache = np.cumprod(base, dtype=np.uint64)
    return _powers_cache[:count]


def _sums(counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many of the first n are counted, for n from 0 on."""
    return np.concatenate(([0], np.cumsum(counted)))


def _runs(same: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the runs of true values end, and their lengths; there are few runs."""
    places = np.flatnonzero(same)
    breaks = np.diff(places) > 1
    ends = places[np.append(breaks, True)] if len(places) else places
    starts = places[np.insert(breaks, 0, True)] if len(places) else places
    return ends, ends - starts + 1
