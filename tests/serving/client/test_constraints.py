"""Constraints as they are sent, and the terms of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.client.constraints import Constraints, Terms
from workspace.errors import UserError


def test_phrases_are_sent_one_a_line() -> None:
    asked = Constraints("Der ", ["kleiner Hund", "Haus"], ("Katze",))
    assert asked.inputs() == {"prefix": "Der ", "required": "kleiner Hund\nHaus", "forbidden": "Katze"}


def test_phrases_may_come_from_an_iterator() -> None:
    asked = Constraints(required=map(str, [1, 2]), forbidden=iter(["a"]))  # type: ignore[arg-type]
    assert asked.inputs() == asked.inputs() == {"prefix": "", "required": "1\n2", "forbidden": "a"}


def test_a_phrase_has_a_greatest_length() -> None:
    """Of characters in composed form, with single spaces."""
    fits = "e\u0301 " * 15 + " " * 5 + "a" * 32
    assert Constraints(required=[fits]).required == (fits,)
    with pytest.raises(UserError, match="has 63 characters; give 62 at most"):
        Constraints(forbidden=[fits + "b"])


@pytest.mark.parametrize("wrong", [None, 5, [5], [b"x"]])
def test_what_are_no_phrases_is_said(wrong: object) -> None:
    with pytest.raises(UserError, match=r"; give (a list of str|words of one line, in UTF-8)$"):
        Constraints(required=wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is no beginning of a translation; give a str, of"):
        Constraints(prefix=wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="are no word and its translation"):
        Terms({"a": wrong})  # type: ignore[dict-item]
    with pytest.raises(UserError, match="are no word and its translation"):
        Terms({"": "a"})


@pytest.mark.parametrize("wrong", ["", " ", "two\nlines", "\udcff"])
def test_what_is_no_phrase_is_said(wrong: str) -> None:
    for given in ({"required": ["one", wrong]}, {"forbidden": [wrong]}):
        with pytest.raises(UserError, match="is no phrase; give words of one line, in UTF-8"):
            Constraints(**given)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="'one' is one phrase, not a list"):
        Constraints(required="one")


def test_terms_are_found_as_whole_words(tmp_path: Path) -> None:
    """The longest first; in scripts without spaces anywhere."""
    file = tmp_path / "terms.tsv"
    file.write_text("dog\tHund\nguide dog\tBlindenhund\n\n狗\tHund\n{name}\t{name}\n$5\t5 Dollar\n", encoding="utf-8")
    terms = Terms.read(file)
    for text, required in (
        ("a dog, a dog", ("Hund",)),
        ("dogs and hotdog", ()),
        ("the guide dog of a dog", ("Blindenhund", "Hund")),
        ("这是小狗吗", ("Hund",)),
        ("dear {name}!", ("{name}",)),
        ("for $5", ("5 Dollar",)),
        ("", ()),
    ):
        assert terms.asked_of(text).required == required
    asked = terms.asked_of("a dog", Constraints("Ein", ["Haus"], ["Katze"]))
    assert asked == Constraints("Ein", ["Haus", "Hund"], ["Katze"])


def test_what_is_kept_stays_as_it_is() -> None:
    terms = Terms({"dog": "Hund"}, keep=r"\{\w+\}|</?b>")
    assert terms.asked_of("{a} <b>dog</b>, {a} {b}").required == ("Hund", "{a}", "<b>", "</b>", "{b}")
    assert Terms({}, keep=" ?").asked_of("a b").required == ()
    with pytest.raises(UserError, match=r"^'\(' is no regular expression \(missing \)"):
        Terms({}, keep="(")


def test_what_is_no_file_of_terms_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file or directory; give a file of terms"):
        Terms.read(tmp_path / "none.tsv")
