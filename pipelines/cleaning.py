"""What is done to every sentence, and which sentence pairs are kept.

``RULES`` is the one table of rules: the recipe's settings, the counts in the manifest and the reasons in
``rejected/`` all go by it. A rule is a small function that says whether a pair is to be rejected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recipes.schema import Cleaning


@dataclass(frozen=True)
class Rule:
    """A reason to reject a pair, the setting that governs it ("" where none does), and its test."""

    reason: str
    setting: str
    rejects: Callable[[str, str, Cleaning], bool]


def is_empty(source: str, target: str, _: Cleaning | None = None) -> bool:
    """Nothing on either side."""
    return not source or not target


def is_too_long(source: str, target: str, settings: Cleaning) -> bool:
    """More words on either side than ``max_words``; words are what single spaces separate."""
    return max(source.count(" "), target.count(" ")) >= settings.max_words


def has_odd_length_ratio(source: str, target: str, settings: Cleaning) -> bool:
    """One side has more than ``max_length_ratio`` times the other's characters."""
    shorter, longer = sorted((len(source), len(target)))
    return longer > shorter * settings.max_length_ratio


EMPTY = Rule("empty", "", is_empty)
RULES = (
    EMPTY,
    Rule("too_long", "cleaning.max_words", is_too_long),
    Rule("length_ratio", "cleaning.max_length_ratio", has_odd_length_ratio),
)

# Reasons that no rule on one pair can find: while decoding, against all other pairs, and after encoding.
NOT_UTF8 = "not_utf8"
DUPLICATE = "duplicate"
TOO_MANY_SUBWORDS = "too_many_subwords"

SETTING_OF_REASON = {rule.reason: rule.setting for rule in RULES} | {
    NOT_UTF8: "",
    DUPLICATE: "cleaning.deduplicate",
    TOO_MANY_SUBWORDS: "subwords.max_length",
}


def repaired(text: str) -> str:
    """The sentence as it is kept: no white space at its ends, single spaces inside it."""
    return " ".join(text.split())


def rejection(source: str, target: str, settings: Cleaning | None) -> str | None:
    """The reason to reject a repaired pair, or None to keep it.

    ``settings`` is None for the pairs of dev and test files, which are kept whole: only a pair
    with nothing on one side cannot be used.
    """
    if settings is None:
        return EMPTY.reason if is_empty(source, target) else None
    return next((rule.reason for rule in RULES if rule.rejects(source, target, settings)), None)
