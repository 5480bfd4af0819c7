"""Which sentence pairs of the training corpora are kept.

``RULES`` is the one table: the recipe's limits, the counts in the manifest, the reasons in ``rejected/``, the
report and docs/cleaning.md all go by it. A rule measures every pair of a block and has one limit, the most or
the least that a pair may measure; a pair is rejected for the first rule that it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipelines.cleaning import measures
from pipelines.cleaning.records import Rejection
from pipelines.cleaning.sentences import Column, Sentences
from recipes.data_schema import Cleaning

Measure = Callable[[Sentences, Sentences, Cleaning], Column]


@dataclass(frozen=True)
class Rule:
    """A reason to reject a pair: what it measures, and the setting that holds the most or the least allowed.

    A rule is off where its setting is not given, or it ``needs`` other settings and none of these is given.
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


def _larger(measure: Callable[[Sentences], Column]) -> Measure:
    """The larger measure of the two sides."""
    return lambda source, target, _: np.maximum(measure(source), measure(target))


def _smaller(measure: Callable[[Sentences], Column]) -> Measure:
    """The smaller measure of the two sides."""
    return lambda source, target, _: np.minimum(measure(source), measure(target))


_OPUSFILTER, _MOSES, _MOZILLA, _BICLEANER = "OpusFilter", "Moses clean-corpus-n", "Mozilla translations", "Bicleaner"

RULES = (
    Rule("too_short", "least", "min_words", _smaller(measures.words), f"{_OPUSFILTER} LengthFilter; {_MOSES}"),
    Rule("too_long", "most", "max_words", _larger(measures.words), f"{_OPUSFILTER} LengthFilter"),
    Rule("too_many_characters", "most", "max_characters", _larger(measures.characters), f"{_OPUSFILTER} LengthFilter"),
    Rule("length_ratio", "most", "max_length_ratio", measures.length_ratio, f"{_MOSES}"),
    Rule("long_word", "most", "max_word_length", _larger(measures.longest_word), f"{_MOZILLA}"),
    Rule("few_letters", "least", "min_letters", _smaller(measures.letters), f"{_MOZILLA} alphabet ratio"),
    Rule(
        "other_script",
        "least",
        "min_script",
        measures.script,
        f"{_OPUSFILTER} CharacterScoreFilter",
        needs=("source_script", "target_script"),
    ),
    Rule("identical", "most", "max_identical", measures.identical, f"{_BICLEANER} hard rules"),
    Rule("similar", "most", "max_similarity", measures.similarity, f"{_OPUSFILTER} SimilarityFilter"),
    Rule("numbers_differ", "least", "min_numbers", measures.shared_numbers, f"{_OPUSFILTER} NonZeroNumeralsFilter"),
    Rule("links_differ", "most", "max_unmatched_links", measures.unmatched_links, f"{_MOZILLA} URL mismatch"),
    Rule("html_tags", "most", "max_html_tags", measures.html_tags, f"{_OPUSFILTER} HtmlTagFilter"),
    Rule(
        "terminal_punctuation",
        "least",
        "min_terminal_punctuation",
        measures.terminal_punctuation,
        f"{_OPUSFILTER} TerminalPunctuationFilter",
    ),
    Rule("repetition", "most", "max_repetition", _larger(measures.repetition), f"{_OPUSFILTER} RepetitionFilter"),
    Rule("sentences_differ", "most", "max_sentence_difference", measures.sentence_difference, "none: off by default"),
    Rule("other_language", "least", "min_language", measures.language, f"{_MOZILLA}; limit by our own comparison"),
    Rule(
        "blocked_words",
        "most",
        "max_blocked_words",
        measures.blocked_words,
        f"{_BICLEANER} obscenity",
        ("blocked_words",),
    ),
    Rule(
        "blocked_patterns",
        "most",
        "max_blocked_patterns",
        measures.blocked_patterns,
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
            "`null`" if fields[rule.setting].default is None else f"{fields[rule.setting].default:g}",
            fields[rule.setting].description or "",
            rule.after,
        )
        for rule in RULES
    ]


# Reasons that no rule on one pair can find. They are found while decoding, without a limit of the recipe, beside
# other pairs, and after encoding. The table below has the setting that governs each, "" where none does.
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
