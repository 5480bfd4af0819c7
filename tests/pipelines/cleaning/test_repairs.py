"""What is mended, sentence by sentence, and that sound text is left alone."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.repairs import repaired, without_lone_list_marks
from recipes.data_schema import Cleaning


def repair(text: str, **settings: Any) -> str:
    return repaired([text], Cleaning.model_validate(settings), "fr")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two \t words\u00a0\x0b\x85 here\r", "two words here"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("\ufeffa\u00adb\u200ec\x07d", "abcd"),
        ("one\u200btwo", "one two"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("Tom &amp; J&eacute;r&#244;me&#10;!", "Tom & J\u00e9r\u00f4me !"),
        ("AT&T R&D; x", "AT&T R&D; x"),
        ("at https://a.org/?x=1&copy=2&amp;reg=3 &copy", "at https://a.org/?x=1&copy=2&reg=3 \u00a9"),
        ("list.php?a=1&region=eu&#38;times=2, caf&eacute", "list.php?a=1&region=eu&times=2, caf\u00e9"),
        ("www.a.org/?&copyright;=1&para", "www.a.org/?&copyright;=1&para"),
    ],
)
def test_repairs(text: str, expected: str) -> None:
    assert repair(text) == expected


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("l'été à Nîmes, où ?", "latin-1"),
        ("œuvre « ça »", "cp1252"),
        ("Größe", "cp1252"),
        ("Đường phố Hà Nội", "latin-1"),
        ("Привет, друзья: съёмка", "cp1251"),
        ("Привет, мир", "latin-1"),
        ("déjà vu", "cp437"),
    ],
)
def test_text_read_in_the_wrong_character_set_is_mended(text: str, charset: str) -> None:
    assert repair(text) == text
    assert repair(text.encode().decode(charset)) == text


@given(st.text(alphabet=st.characters(codec="latin-1")))
def test_sound_text_keeps_its_letters(text: str) -> None:
    """Nothing but mojibake, entities, controls and white space is touched."""
    plain = " ".join(text.replace("&", "").split())
    visible = "".join(c for c in plain if unicodedata.category(c) not in ("Cc", "Cf"))
    assert repair(plain, fix_mojibake=False) == " ".join(visible.split())


@given(st.lists(st.text(), max_size=5))
def test_a_block_is_repaired_as_its_sentences_are(texts: list[str]) -> None:
    settings = Cleaning()
    assert repaired(list(texts), settings, "en") == [repaired([text], settings, "en")[0] for text in texts]


@given(st.text())
def test_white_space_is_always_single_spaces(text: str) -> None:
    for settings in (None, Cleaning()):
        (found,) = repaired([text], settings, "en")
        assert found == " ".join(found.split())
        assert "\n" not in found


def test_repairs_can_be_turned_off() -> None:
    off = {"fix_mojibake": False, "unescape_html": False, "normalize_unicode": False}
    text = "Ã© &amp; e\u0301\u200b"
    assert repair(text, **off) == text


def test_patterns_of_ones_own() -> None:
    assert repair("(8:13) Ils firent ainsi. (8:14)", remove_patterns=[r"^\(\d+:\d+\) "]) == "Ils firent ainsi. (8:14)"


def test_punctuation_as_moses_does() -> None:
    assert repair("“Bonjour”, dit-il…", normalize_punctuation=True) == '"Bonjour", dit-il...'


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("- Hello", "Bonjour"), ("Hello", "Bonjour")),
        (("Hello", "\u2022  Bonjour"), ("Hello", "Bonjour")),
        (("- Hello", "\u2013 Bonjour"), ("- Hello", "\u2013 Bonjour")),
        (("-5 degrees", "5 degr\u00e9s"), ("-5 degrees", "5 degr\u00e9s")),
        (("-", "x"), ("-", "x")),
        (("", "- x"), ("", "x")),
    ],
)
def test_list_marks_on_one_side_only(pair: tuple[str, str], expected: tuple[str, str]) -> None:
    sources, targets = [pair[0]], [pair[1]]
    without_lone_list_marks(sources, targets)
    assert (sources[0], targets[0]) == expected
