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
import regex

from pipelines.cleaning.languages import is_known, likeness

LETTER, DIGIT, TERMINAL, MARKUP = 1, 2, 4, 8
# What may begin a link, a placeholder or a tag, or be in the middle of one.
_MARKUP_CHARACTERS = "@<{%$/"
# Full stop, question mark, exclamation mark and ellipsis; those of Chinese and Japanese, Arabic, Devanagari.
_TERMINAL_CHARACTERS = ".?!\u2026\u3002\uff1f\uff01\uff61\u061f\u0964"

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
        """Words of every sentence: what single spaces separate."""
        return self.spaces + (self.lengths > 0)

    @cached_property
    def longest_word(self) -> npt.NDArray[np.int64]:
        """Characters of every sentence's longest word."""
        lengths = np.diff(self._word_ends, prepend=-1) - 1
        return np.maximum.reduceat(lengths, self._first_words) if len(lengths) else lengths

    @property
    def has_known_language(self) -> bool:
        """Whether ``likeness`` can be told."""
        return is_known(self.language)

    @cached_property
    def likeness(self) -> list[tuple[str, float]]:
        """Every sentence's likest language and likeness to its own: see ``pipelines.cleaning.languages``."""
        return likeness(self.texts, self.language)

    def count(self, kind: int) -> npt.NDArray[np.int64]:
        """How many characters of a class every sentence has."""
        if kind not in self._counts:
            self._counts[kind] = self._sum(self._classes & kind != 0)
        return self._counts[kind]

    def letters_of(self, script: str) -> npt.NDArray[np.int64]:
        """How many letters of a Unicode script every sentence has. Raises ValueError for an unknown script."""
        return self._sum(_table_of(rf"[\p{{Script={script}}}&&\p{{Alphabetic}}]", version1=True)[self._codes])

    def sentence_ends(self) -> npt.NDArray[np.int64]:
        """How often punctuation ends a sentence: a full stop and its like, with no letter or digit behind it."""
        terminal = self._classes & TERMINAL != 0
        goes_on = self._classes & (TERMINAL | LETTER | DIGIT) != 0
        return self._sum(terminal & ~np.append(goes_on[1:], False))

    def repetitions(self, most_words: int = 8) -> npt.NDArray[np.int64]:
        """The most times in a row that a sequence of up to ``most_words`` words is followed by itself."""
        found = np.zeros(len(self), np.int64)
        hashes, line = self._word_hashes, self._line_of_word
        for period in range(1, most_words + 1):
            same = (hashes[period:] == hashes[:-period]) & (line[period:] == line[:-period])
            ends, lengths = _runs(same)
            whole = lengths >= period
            np.maximum.at(found, line[ends[whole]], lengths[whole] // period)
        return found

    def letter_keys(self) -> list[str]:
        """Every sentence's letters and digits in lower case, or all of it where it has none."""
        kept = self._classes & (LETTER | DIGIT) != 0
        letters = _lower_table()[self._codes[kept]].astype("<u4").tobytes().decode("utf-32-le")
        counts = self._sum(kept)
        ends = np.cumsum(counts).tolist()
        return [
            letters[end - count : end] if count else text
            for text, end, count in zip(self.texts, ends, counts.tolist(), strict=True)
        ]

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
        return np.minimum(self._characters, _TABLE_SIZE - 1)

    @cached_property
    def _classes(self) -> npt.NDArray[np.uint8]:
        return _class_table()[self._codes]

    @cached_property
    def _word_ends(self) -> npt.NDArray[np.int64]:
        """The place behind every word among all characters."""
        return np.flatnonzero((self._codes == ord(" ")) | (self._codes == _NEWLINE))

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
        ends = self._word_ends
        starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
        powers = _powers(len(self._codes) + 1)
        sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(self._characters * powers[:-1], dtype=np.uint64)))
        # Words further on have higher powers: all are brought to the same one.
        return (sums[ends] - sums[starts]) * powers[len(self._codes) - starts]


_NEWLINE = ord("\n")
# Beyond the first four planes there are no letters; the last entry stands for all that lies there.
_TABLE_SIZE = 0x40001
_POLYNOMIAL = 0x9E3779B97F4A7C15


@cache
def _class_table() -> npt.NDArray[np.uint8]:
    table = _table_of(r"\p{Alphabetic}") * np.uint8(LETTER) | _table_of(r"\p{Nd}") * np.uint8(DIGIT)
    for kind, characters in ((TERMINAL, _TERMINAL_CHARACTERS), (MARKUP, _MARKUP_CHARACTERS)):
        table[[ord(character) for character in characters]] |= kind
    return table


@cache
def _table_of(pattern: str, version1: bool = False) -> npt.NDArray[np.bool_]:
    """For every character whether the pattern matches it."""
    try:
        matches = regex.findall(pattern, _every_character(), flags=regex.V1 if version1 else 0)
    except regex.error as error:
        raise ValueError(str(error)) from error
    table = np.zeros(_TABLE_SIZE, bool)
    table[np.frombuffer("".join(matches).encode("utf-32-le"), "<u4")] = True
    return table


@cache
def _lower_table() -> npt.NDArray[np.uint32]:
    """Every character's lower case, where that is one character."""
    table = np.arange(_TABLE_SIZE, dtype=np.uint32)
    for character in regex.findall(r"\p{Changes_When_Lowercased}", _every_character()):
        lower = character.lower()
        if len(lower) == 1:
            table[ord(character)] = ord(lower)
    return table


def _every_character() -> str:
    """All that the tables are about; halves of surrogate pairs are no characters."""
    codes = np.concatenate((np.arange(0xD800), np.arange(0xE000, _TABLE_SIZE - 1))).astype("<u4")
    return codes.tobytes().decode("utf-32-le")


_powers_cache = np.ones(1, np.uint64)


def _powers(count: int) -> npt.NDArray[np.uint64]:
    """The first ``count`` powers of the hash's base, modulo 2**64."""
    global _powers_cache  # noqa: PLW0603
    if len(_powers_cache) < count:
        base = np.full(count, _POLYNOMIAL, np.uint64)
        base[0] = 1
        _powers_cache = np.cumprod(base, dtype=np.uint64)
    return _powers_cache[:count]


def _runs(same: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the runs of true values end, and their lengths; there are few runs."""
    places = np.flatnonzero(same)
    breaks = np.diff(places) > 1
    ends = places[np.append(breaks, True)] if len(places) else places
    starts = places[np.insert(breaks, 0, True)] if len(places) else places
    return ends, ends - starts + 1
