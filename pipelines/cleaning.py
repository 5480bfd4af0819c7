"""Which sentence pairs of the training corpora are kept.

``RULES`` is the one table: the recipe's limits, the counts in the manifest, the reasons in ``rejected/``, the
report and docs/cleaning.md all go by it. A rule measures every pair of a block and has one limit, the most or
the least that a pair may measure; the first rule that a pair breaks is the reason it is rejected for.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import regex
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from pipelines.sentences import DIGIT, LETTER, MARKUP, TERMINAL, Column, Sentences
from recipes.data_schema import Cleaning

Measure = Callable[[Sentences, Sentences, Cleaning], Column]


@dataclass(frozen=True)
class Rule:
    """A reason to reject a pair: what it measures, and the setting that is the most or the least allowed of it.

    A rule is off where its setting, or ``needs``, another setting that it cannot do without, is not given.
    ``after`` names whose rule and default it follows.
    """

    reason: str
    bound: Literal["most", "least"]
    setting: str
    measure: Measure
    after: str
    needs: tuple[str, ...] = ()

    def limit(self, settings: Cleaning) -> float | None:
        """The most or least allowed; None where the rule is off."""
        limit: float | None = getattr(settings, self.setting)
        return limit if self.can_measure(settings) else None

    def can_measure(self, settings: Cleaning) -> bool:
        """Whether the settings that the rule needs are given."""
        return not self.needs or any(getattr(settings, name) for name in self.needs)

    def broken(self, values: Column, limit: float) -> npt.NDArray[np.bool_]:
        """Which of the measured values are beyond the limit."""
        return values > limit if self.bound == "most" else values < limit


class Rejection(NamedTuple):
    """Why a pair is rejected: the rule's reason, and what it measured against its limit."""

    reason: str
    value: float | None = None
    limit: float | None = None


def _larger(measure: Callable[[Sentences], Column]) -> Measure:
    """The larger measure of the two sides."""
    return lambda source, target, _: np.maximum(measure(source), measure(target))


def _smaller(measure: Callable[[Sentences], Column]) -> Measure:
    """The smaller measure of the two sides."""
    return lambda source, target, _: np.minimum(measure(source), measure(target))


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
    """Characters of the longer side for each of the shorter; infinite where a side is empty."""
    shorter, longer = np.minimum(source.lengths, target.lengths), np.maximum(source.lengths, target.lengths)
    return np.divide(longer, shorter, out=np.full(len(source), np.inf), where=shorter > 0)


def letters(side: Sentences) -> Column:
    """Share of letters in what is not white space; 1 for an empty side."""
    return _share(side.count(LETTER), side.lengths - side.spaces)


def script(source: Sentences, target: Sentences, settings: Cleaning) -> Column:
    """Share of letters in each side's script, of the side that has less; 1 where there are no letters."""
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
    """1 less the edits (Levenshtein distance) that make one side the other, for each character of the longer."""
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
    """The numbers in a sentence above twelve, up to which they are often words on one side.

    Separators of thousands and leading zeros are left out; what is before and after a decimal point are two.
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
    """Most times in a row that up to eight words are followed by the same words."""
    return side.repetitions().astype(float)


def sentence_difference(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """How many sentences more one side has than the other, by the punctuation that ends them."""
    return np.abs(source.sentence_ends() - target.sentence_ends()).astype(float)


def language(source: Sentences, target: Sentences, _: Cleaning) -> Column:
    """How near each side is to its language, for the one that is farther: see ``pipelines.languages``."""
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
    """What is found in both sides of the pairs that have a character of a class, where anything is."""
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


_OPUSFILTER, _MOSES, _MOZILLA, _BICLEANER = "OpusFilter", "Moses clean-corpus-n", "Mozilla translations", "Bicleaner"

RULES = (
    Rule("too_short", "least", "min_words", _smaller(words), f"{_OPUSFILTER} LengthFilter; {_MOSES}"),
    Rule("too_long", "most", "max_words", _larger(words), f"{_OPUSFILTER} LengthFilter"),
    Rule("too_many_characters", "most", "max_characters", _larger(characters), f"{_OPUSFILTER} LengthFilter"),
    Rule("length_ratio", "most", "max_length_ratio", length_ratio, f"{_MOSES}"),
    Rule("long_word", "most", "max_word_length", _larger(longest_word), f"{_MOZILLA}"),
    Rule("few_letters", "least", "min_letters", _smaller(letters), f"{_MOZILLA} alphabet ratio"),
    Rule(
        "other_script",
        "least",
        "min_script",
        script,
        f"{_OPUSFILTER} CharacterScoreFilter",
        needs=("source_script", "target_script"),
    ),
    Rule("identical", "most", "max_identical", identical, f"{_BICLEANER} hard rules"),
    Rule("similar", "most", "max_similarity", similarity, f"{_OPUSFILTER} SimilarityFilter"),
    Rule("numbers_differ", "least", "min_numbers", shared_numbers, f"{_OPUSFILTER} NonZeroNumeralsFilter"),
    Rule("links_differ", "most", "max_unmatched_links", unmatched_links, f"{_MOZILLA} URL mismatch"),
    Rule("html_tags", "most", "max_html_tags", _larger(html_tags), f"{_OPUSFILTER} HtmlTagFilter"),
    Rule(
        "terminal_punctuation",
        "least",
        "min_terminal_punctuation",
        terminal_punctuation,
        f"{_OPUSFILTER} TerminalPunctuationFilter",
    ),
    Rule("repetition", "most", "max_repetition", _larger(repetition), f"{_OPUSFILTER} RepetitionFilter"),
    Rule("sentences_differ", "most", "max_sentence_difference", sentence_difference, "none: off by default"),
    Rule("other_language", "least", "min_language", language, f"{_MOZILLA}; limit by our own comparison"),
    Rule("blocked_words", "most", "max_blocked_words", blocked_words, f"{_BICLEANER} obscenity", ("blocked_words",)),
    Rule(
        "blocked_patterns",
        "most",
        "max_blocked_patterns",
        blocked_patterns,
        f"{_OPUSFILTER} RegExpFilter",
        ("blocked_patterns",),
    ),
)


def described_rules() -> list[tuple[str, str, str, str, str]]:
    """Every rule as (reason, setting, default, its meaning, whose rule it follows), in the order they are tried."""
    fields = Cleaning.model_fields
    return [
        (
            rule.reason,
            f"cleaning.{rule.setting}",
            "off" if fields[rule.setting].default is None else f"{fields[rule.setting].default:g}",
            fields[rule.setting].description or "",
            rule.after,
        )
        for rule in RULES
    ]


# Reasons that no rule on one pair can find: while decoding, without a recipe's limit, against other pairs, and
# after encoding. Each with the setting that governs it, "" where none does.
NOT_UTF8 = "not_utf8"
EMPTY = "empty"
OVERLAP = "overlap"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near_duplicate"
TRANSLATIONS = "many_translations"
SOURCES = "many_sources"
UNDERSAMPLED = "undersampled"
TOO_MANY_SUBWORDS = "too_many_subwords"

SETTING_OF_REASON = {
    NOT_UTF8: "",
    EMPTY: "",
    **{rule.reason: f"cleaning.{rule.setting}" for rule in RULES},
    OVERLAP: "cleaning.remove_overlap",
    DUPLICATE: "cleaning.duplicates",
    NEAR_DUPLICATE: "cleaning.max_near_duplicates",
    TRANSLATIONS: "cleaning.max_translations",
    SOURCES: "cleaning.max_sources",
    UNDERSAMPLED: "corpus.train.weight",
    TOO_MANY_SUBWORDS: "subwords.max_length",
}


def rejections(source: Sentences, target: Sentences, settings: Cleaning | None) -> list[Rejection | None]:
    """For every pair the first rule that it breaks, or None where it is kept.

    ``settings`` is None for the pairs of dev and test files, which are kept whole: only a pair with
    nothing on one side cannot be used.
    """
    found: list[Rejection | None] = [None] * len(source)
    undecided = (source.lengths > 0) & (target.lengths > 0)
    for place in np.flatnonzero(~undecided).tolist():
        found[place] = Rejection(EMPTY)
    if settings is None:
        return found
    for rule in RULES:
        limit = rule.limit(settings)
        if limit is None:
            continue
        values = rule.measure(source, target, settings)
        broken = rule.broken(values, limit) & undecided
        for place in np.flatnonzero(broken).tolist():
            found[place] = Rejection(rule.reason, round(float(values[place]), 4), float(limit))
        undecided &= ~broken
    return found
