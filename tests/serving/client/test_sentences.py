# ruff: noqa: RUF001
"""Where texts are split into sentences, and sentences into halves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.client.sentences import halves, sentences

# Sentences, with | between them.
OF_UNICODE = [  # from UAX #29
    "She said “See spot run.” |John shook his head.",
    "3.4 or 3,4 c.d",
    "the resp. leaders are",
    "It was (then, etc.)’ ‘(the same)",
    "It was them.) |(The others)",
    "What?! |Oh...",
    "字。|字",
    "क्या? |हाँ। |नहीं।",
    "يذهب؟ |نعم. |לא. |כן.",
    "Տուն։ |Տուն։",
    "ဟုတ်ကဲ့။ |မဟုတ်ဘူး။",
    "ስሙ። |አበበ።",
    "Ὁ ἄνθρωπος. |Τίς;",
]
OF_OUR_OWN = [
    "Mr. Smith paid $3.50. |Dr. J. R. Jones, Ph.D. did not.",
    "The U.S. Army came on Jan. 5. It was No. 3.",  # two in one rather than a half
    "Das ist z. B. am 3. Oktober gut. |Ludwig XIV. kam. |Und Prof. Meier?",
    "В 1990 г. Москва. |Это ул. Ленина.",
    "“Why?” he asked. |“No!” |She left.",
    "Yes.No? |No.(He left.)",
    "他说：“走吧。”我走了。|“好！”|「はい。」と言った。|「いいえ。」|「そう？」",
    "그는 갔다. |왜?",
    "ไปโรงเรียน วันนี้ ดีมาก",
    "1. First of all",
    "no end",
]


@pytest.mark.parametrize("marked", [*OF_UNICODE, *OF_OUR_OWN])
def test_sentences(marked: str) -> None:
    text = marked.replace("|", "")
    parts = sentences(text)
    assert [part.text for part in parts] == [part.strip() for part in marked.split("|")]
    assert "".join(part.text + part.space for part in parts) == text


@given(st.text("aB9.!?… \t。！「」“”,、字ก\u0301\u200d").map(str.strip))
def test_nothing_is_lost(text: str) -> None:
    for parts in (sentences(text), halves(text)):
        assert "".join(part.text + part.space for part in parts) == text
        assert all(part.text and part.text == part.text.strip() for part in parts)
        assert all(not part.space.strip() for part in parts)
    assert len(halves(text)) == (min(1, len(text)) if len(text.split()) < 2 else 2) or set(text) & set(".!?…。！、,")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One, Mr. Two, three", ["One, Mr.", "Two, three"]),
        ("One, two, three four five six", ["One, two,", "three four five six"]),
        ("one two three", ["one two", "three"]),
        ("一，二三、四五六", ["一，二三、", "四五六"]),
        ("ab 1,000", ["ab", "1,000"]),
        ("ไปโรงเรียน วันนี้", ["ไปโรงเรียน", "วันนี้"]),
        ("字字字", ["字字字"]),
        ("", []),
    ],
)
def test_halves(text: str, expected: list[str]) -> None:
    assert [part.text for part in halves(text)] == expected


@pytest.mark.parametrize("text", ["a. ", "!", ". \u0301", ".", "。」", "x, ", "Mr. "])
def test_no_text_takes_long(text: str) -> None:
    """The time would go with the square of the length where a rule looked far ahead at every place: for hours here."""
    long = (text * 100_000).strip()
    assert sum(len(part.text) + len(part.space) for part in sentences(long)) == len(long)
    assert len(halves(long)) <= 2
