"""The words of a text in any script, for what is counted and compared word by word in an evaluation."""

from __future__ import annotations

import regex

from workspace.scripts import LETTERS_AND_DIGITS, UNSPACED_LETTERS

# A letter of a script without spaces, with its marks, is a word; so is every sign.
_WORD = rf"(?={UNSPACED_LETTERS})\X|{LETTERS_AND_DIGITS}+|\S"
_WORDS = regex.compile(_WORD, regex.V1)
_WITH_SPACE = regex.compile(rf"\s*(?:{_WORD})|\s+$", regex.V1)


def words_of(text: str) -> list[str]:
    return _WORDS.findall(text)


def words_with_space(text: str) -> list[str]:
    """Each with the white space before it: joined, they are the text."""
    return _WITH_SPACE.findall(text)
