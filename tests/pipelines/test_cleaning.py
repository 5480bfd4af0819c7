"""The rules, each at its threshold, and the properties that hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning import RULES, SETTING_OF_REASON, rejection, repaired
from recipes.loading import describe_settings
from recipes.schema import Cleaning

SETTINGS = Cleaning.model_validate({"max_words": 3, "max_length_ratio": 2.0})


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("a b c", "d e f", None),
        ("", "d", "empty"),
        ("a", "", "empty"),
        ("a b c d", "e f g h", "too_long"),
        ("a b c", "d e f g", "too_long"),
        ("aa", "bbbb", None),
        ("aa", "bbbbb", "length_ratio"),
        ("aaaaa", "bb", "length_ratio"),
        ("", "a b c d", "empty"),
    ],
)
def test_rules_at_their_thresholds(source: str, target: str, reason: str | None) -> None:
    assert rejection(source, target, SETTINGS) == reason


@given(st.text(), st.text())
def test_given_sets_lose_only_empty_pairs(source: str, target: str) -> None:
    assert rejection(source, target, None) == (None if source and target else "empty")


@given(st.text(), st.text())
def test_rules_treat_both_sides_alike(source: str, target: str) -> None:
    source, target = repaired(source), repaired(target)
    assert rejection(source, target, SETTINGS) == rejection(target, source, SETTINGS)


@given(st.text())
def test_a_repaired_sentence_is_one_line_with_single_spaces(text: str) -> None:
    sentence = repaired(text)
    assert repaired(sentence) == sentence == sentence.strip()
    assert "  " not in sentence
    assert len(sentence.splitlines()) <= 1
    assert "".join(sentence.split()) == "".join(text.split())


def test_every_reason_names_a_setting_that_there_is() -> None:
    known = {key for key, _, _ in describe_settings()} | {""}
    assert set(SETTING_OF_REASON.values()) <= known
    assert {rule.reason for rule in RULES} <= set(SETTING_OF_REASON)
