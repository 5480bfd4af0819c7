"""What the cleaning rules measure of sentence pairs, a block of them at a time.

Measures of one side take its ``Sentences``; those of a pair take both, and the settings, which some need.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import regex
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from pipelines.cleaning.sentences import DIGIT, LETTER, MARKUP, TERMINAL, Column, Sentences
from recipes.data_schema import Cleaning


def words(side: Sentences) -> Column:
    """Words, as single spaces separate them."""
    return side.words.astype(float)


def characters(side: Sentences) -> Column:
    """Characters."""
    return side.lengths.astype(float)


def longest_word(side: Sentences) -> Column:
    """Characters of the longest word."""
    return side.longest_word.astype(float)


def length_ratio(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """Characters of the longer side divided by those of the shorter; infinite where a side is empty."""
    shorter, longer = np.minimum(source.lengths, target.lengths), np.maximum(source.lengths, target.lengths)
    return np.divide(longer, shorter, out=np.full(len(source), np.inf), where=shorter > 0)


def letters(side: Sentences) -> Column:
    """Share of letters in what is not white space; 1 for an empty side."""
    return _share(side.count(LETTER), side.lengths - side.spaces)


def script(source: Sentences, target: Sentences, settings: Cleaning) -> Column:
    """Share of letters that are in their side's script, the smaller of both sides; 1 where there are no letters."""
    shares = [
        _share(side.letters_of(name), side.count(LETTER))
        for side, name in ((source, settings.source_script), (target, settings.target_script))
        if name
    ]
    return np.minimum.reduce(shares)


def identical(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """Characters of a pair whose sides are equal, letter case aside; 0 where they are not."""
    equal = [len(a) == len(b) and a.lower() == b.lower() for a, b in zip(source.texts, target.texts, strict=True)]
    return np.where(equal, source.lengths, 0).astype(float)


def similarity(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """1 - d / n: d is the number of edits that make one side the other (Levenshtein), n the longer one's characters."""
    return process.cpdist(source.texts, target.texts, scorer=Levenshtein.normalized_similarity, dtype=np.float64)


_NOT_DIGITS = re.compile(r"\D")
_NUMBER = re.compile(r"\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+(?!\d)|\d+")


def shared_numbers(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """Share of the numbers of both sides that the other side has too (Dice coefficient); 1 where there are none."""
    shares = np.ones(len(source))
    for place, (left, right) in _compared(source, target, DIGIT, _numbers):
        shares[place] = 2 * (left & right).total() / (left.total() + right.total())
    return shares


def _numbers(text: str) -> Counter[str]:
    """The numbers above twelve in a sentence: smaller ones are often words on one side.

    Separators of thousands and leading zeros are left out; a decimal point makes two numbers.
    """
    found = (_NOT_DIGITS.sub("", number).lstrip("0") for number in _NUMBER.findall(text))
    return Counter(number for number in found if len(number) > 2 or int(number or 0) > 12)


_LINK = re.compile(
    r"(?:\bhttps?://|\bwww\.)[^\s<>\"»”]*[\w/]"  # URL
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail address
    r"|(?<![\d%])%(?:\d+\$)?[-+#0]*\d*(?:\.\d+)?[sdifuxX@](?!\w)"  # %s, %1$d
    r"|\$?\{\{?[\w.:-]*\}?\}"  # {0}, {{name}}, ${name}
)


def unmatched_links(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """URLs, e-mail addresses and placeholders that only one side has."""
    unmatched = np.zeros(len(source))
    for place, (left, right) in _compared(source, target, MARKUP, lambda text: Counter(_LINK.findall(text))):
        unmatched[place] = ((left - right) + (right - left)).total()
    return unmatched


_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--")


def html_tags(side: Sentences) -> Column:
    """HTML or XML tags."""
    tags = np.zeros(len(side))
    for place in np.flatnonzero(side.count(MARKUP)).tolist():
        tags[place] = len(_TAG.findall(side.texts[place]))
    return tags


def terminal_punctuation(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """-log(1 + d + e): d is how many more full stops, question and exclamation marks one side has, and e how many
    either side has beyond its first (Vázquez et al. 2019, The University of Helsinki submission to WMT19)."""
    left, right = source.count(TERMINAL), target.count(TERMINAL)
    beyond_first = np.maximum(left - 1, 0) + np.maximum(right - 1, 0)
    return -np.log1p(np.abs(left - right) + beyond_first)


def repetition(side: Sentences) -> Column:
    """The most times in a row that up to eight words are followed by the same words."""
    return side.repetitions().astype(float)


def sentence_difference(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """How many sentences more one side has than the other, by the punctuation that ends them."""
    return np.abs(source.sentence_ends() - target.sentence_ends()).astype(float)


def language(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """How near a side is to its language, for the farther of the two: see ``pipelines.cleaning.languages``."""
    sides = [side for side in (source, target) if side.has_known_language]
    if not sides:
        return np.ones(len(source))
    return np.minimum.reduce([np.array([score for _, score in side.likeness]) for side in sides])


def blocked_words(source: Sentences, target: Sentences, settings: Cleaning) -> Column:
    """Words and phrases of the user's list on both sides."""
    pattern = _pattern_of_words(str(settings.blocked_words))
    return _summed(source, target, lambda text: len(pattern.findall(text)))


def blocked_patterns(source: Sentences, target: Sentences, settings: Cleaning) -> Column:
    """How many of the user's regular expressions are found, on either side."""
    patterns = [regex.compile(pattern) for pattern in settings.blocked_patterns]
    return _summed(source, target, lambda text: sum(pattern.search(text) is not None for pattern in patterns))


@functools.lru_cache(maxsize=16)
def _pattern_of_words(path: str) -> regex.Pattern[str]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    blocked = [" ".join(line.split()) for line in lines if line.strip()]
    return regex.compile(r"\b\L<blocked>\b", regex.IGNORECASE, blocked=blocked)


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Column:
    return np.divide(part, whole, out=np.ones(len(part)), where=whole > 0)


def _compared(
    source: Sentences, target: Sentences, kind: int, found_in: Callable[[str], Counter[str]]
) -> Iterator[tuple[int, tuple[Counter[str], Counter[str]]]]:
    """(place, what is found in both sides) of the pairs with a character of the class ``kind``, where anything is."""
    for place in np.flatnonzero(source.count(kind) + target.count(kind)).tolist():
        found = found_in(source.texts[place]), found_in(target.texts[place])
        if found[0] or found[1]:
            yield place, found


def _summed(source: Sentences, target: Sentences, count: Callable[[str], int]) -> Column:
    return np.fromiter(
        (count(left) + count(right) for left, right in zip(source.texts, target.texts, strict=True)),
        np.float64,
        len(source),
    )
