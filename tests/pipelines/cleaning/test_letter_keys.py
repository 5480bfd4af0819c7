"""Which sentences are the same but for what makes no difference."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import html
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.letter_keys import letter_key
from pipelines.cleaning.sentences import Sentences

WORDS = st.sampled_from(
    [
        "ha",
        "Été!",
        "e\u0301",
        "İı",
        "Straße",
        "ΣΊΣΥΦΟΣ",
        "ﬁ",
        "１２",
        "٣",
        "हिन्दी",
        "ガ",
        "ｶﾞ",
        "한\u1112\u1161",
        "\u3131\u314f",
        "\u3147",
        "\u309b",
        "\u02d9",
        "\u200d",
        "\u0301",
        "&eacute;",
        "มา ม้า",
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=5), max_size=8).map(" ".join)


@given(st.lists(TEXTS, max_size=6))
def test_keys_of_a_block_are_those_of_its_sentences(texts: list[str]) -> None:
    assert Sentences(texts).letter_keys() == [letter_key(text) for text in texts]


@given(TEXTS, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_normal_forms_make_no_difference(text: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
    if letter_key(text) != text:
        assert letter_key(unicodedata.normalize(form, text)) == letter_key(text)


@given(st.text("ab éÉßœŒñ«»,.!?'\u2019&", min_size=1))
def test_case_entities_and_punctuation_make_no_difference(text: str) -> None:
    key = letter_key(f"x{text}")
    assert letter_key(f"x{text}".upper()) == letter_key(f"{html.escape(f'x{text}')}...") == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ISPARTA ilçesi", "\u0131sparta İLÇESİ"),
        ("ΑΎΡΙΟ ΟΔΟΣ", "αύριο οδός"),
        ("ΑΥΡΙΟ", "αύριο"),
        ("ＡＢＣ　１２３", "abc 123"),
        ("ﾊﾟﾝを食べる。", "パンを食べる"),
        ("caf&eacute; &amp; th&#xE9;", "Café, thé"),
        ("GROSSE Füße", "große FÜSSE"),
        ("\u0627\u0644\u0633\u0640\u0640\u0644\u0627\u0645 \u0662\u0660", "\u0627\u0644\u0633\u0644\u0627\u0645 20"),
        ("soft\u00adhyphen zero\u200cwidth", "softhyphen zerowidth"),
        ("\u3131\u314f", "가"),
        ("\u3147\u314f\u3139\u3157", "아로"),
        ("カ\u309bハ\u309c", "ガパ"),
        ("e\u200d\u0301 a\u00ad\u0308", "é ä"),
    ],
)
def test_the_same(one: str, other: str) -> None:
    assert Sentences([one]).letter_keys() == Sentences([other]).letter_keys()


@pytest.mark.parametrize(("one", "other"), [("มา", "ม้า"), ("कम", "क्म"), ("peche", "pêche"), ("か", "が")])
def test_marks_make_a_difference(one: str, other: str) -> None:
    assert Sentences([one]).letter_keys() != Sentences([other]).letter_keys()
