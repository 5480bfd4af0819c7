"""What the cleaning rules measure of sentence pairs, a block of them at a time.

Measures of one side take its ``Sentences``; those of a pair take both, and the settings, which some need.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import regex
from lxml.html import defs
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from pipelines.cleaning import links, numbers
from pipelines.cleaning.blocked_words import comparable, pattern_of_words
from pipelines.cleaning.sentences import DIGIT, LETTER, MARKUP, Column, Sentences
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


_MOST_COMPARED = 10_000


def similarity(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """1 - d / n: d is the number of edits that make one side the other (Levenshtein), n the longer one's characters.

    Of longer sides than ``_MOST_COMPARED`` characters so many are compared, for the time it takes is their product.
    """
    left, right = source.texts, target.texts
    if max(source.lengths.max(initial=0), target.lengths.max(initial=0)) > _MOST_COMPARED:
        left, right = ([text[:_MOST_COMPARED] for text in side] for side in (left, right))
    return process.cpdist(left, right, scorer=Levenshtein.normalized_similarity, dtype=np.float64)


def shared_numbers(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """Share of the numbers of both sides that the other side has too: see ``pipelines.cleaning.numbers``."""
    shares = np.ones(len(source))
    english = source.is_english, target.is_english
    for place in np.flatnonzero(source.count(DIGIT) + target.count(DIGIT)).tolist():
        shares[place] = numbers.shared_numbers(source.texts[place], target.texts[place], english)
    return shares


_ADDRESS = re.compile(r"www\.")


def unmatched_links(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """URLs, e-mail addresses and placeholders that only one side has: see ``pipelines.cleaning.links``."""
    unmatched = np.zeros(len(source))
    may_have = source.count(MARKUP) + target.count(MARKUP) > 0
    for side in (source, target):
        # All texts at once take a fraction of the time, and few have any.
        if _ADDRESS.search("\n".join(side.texts)):
            may_have |= np.array(["www." in text for text in side.texts])
    for place in np.flatnonzero(may_have).tolist():
        unmatched[place] = links.unmatched(source.texts[place], target.texts[place])
    return unmatched


# An address in angle brackets is none, nor is what has words behind the name that are no attributes.
_TAG = re.compile(r"</?([^\W\d_][\w:.-]*)(?:\s*/?|\s[^<>]*=[^<>]*)>|<!--")


def html_tags(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """Tags of HTML on the side with more of them, and how many more others in angle brackets one side has."""
    tags = np.zeros(len(source))
    for place in np.flatnonzero(source.count(MARKUP) + target.count(MARKUP)).tolist():
        (of_html, others), (of_html_too, others_too) = map(_tags, (source.texts[place], target.texts[place]))
        tags[place] = max(of_html, of_html_too) + abs(others - others_too)
    return tags


def _tags(text: str) -> tuple[int, int]:
    """How many tags of HTML a sentence has, and how many others, such as keys and types: `<Enter>`, `List<Object>`."""
    names = _TAG.findall(text) if "<" in text else []
    of_html = sum(not name or (name.lower() in defs.tags and name in (name.lower(), name.upper())) for name in names)
    return of_html, len(names) - of_html


def terminal_punctuation(source: Sentences, target: Sentences, settings: Cleaning) -> Column:
    """-log(1 + d): d is how many sentences more one side has.

    After Vázquez et al. 2019, The University of Helsinki submission to WMT19, but for marks that both sides have.
    """
    return -np.log1p(sentence_difference(source, target, settings))


def repetition(side: Sentences) -> Column:
    """The most times in a row that up to eight words are followed by the same words."""
    return side.repetitions().astype(float)


def sentence_difference(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """How many sentences more one side has than the other, by the punctuation that ends them; 0 where that is none."""
    difference = np.abs(source.sentence_ends - target.sentence_ends).astype(float)
    return np.where(source.marks_sentences & target.marks_sentences, difference, 0.0)


def language(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """How near a side is to its language, for the farther of the two: see ``pipelines.cleaning.languages``."""
    sides = [side for side in (source, target) if side.has_known_language]
    if not sides:
        return np.ones(len(source))
    return np.minimum.reduce([np.array([score for _, score in side.likeness]) for side in sides])


def blocked_words(source: Sentences, target: Sentences, settings: Cleaning) -> Column:
    """Words and phrases of the user's list on both sides."""
    pattern = pattern_of_words(str(settings.blocked_words))
    if pattern is None:
        return np.zeros(len(source))
    return _summed(source, target, lambda text: len(pattern.findall(comparable(text))))


def blocked_patterns(source: Sentences, target: Sentences, settings: Cleaning) -> Column:
    """How many of the user's regular expressions are found, on either side."""
    patterns = [regex.compile(pattern) for pattern in settings.blocked_patterns]
    return _summed(source, target, lambda text: sum(pattern.search(text) is not None for pattern in patterns))


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Column:
    return np.divide(part, whole, out=np.ones(len(part)), where=whole > 0)


def _summed(source: Sentences, target: Sentences, count: Callable[[str], int]) -> Column:
    return np.fromiter(
        (count(left) + count(right) for left, right in zip(source.texts, target.texts, strict=True)),
        np.float64,
        len(source),
    )
