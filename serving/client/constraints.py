"""What is asked of a translation: how it begins, and which phrases it has or has not; and terms that say so."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import regex

from workspace.errors import UserError
from workspace.layout import FORBIDDEN_INPUT, PREFIX_INPUT, REQUIRED_INPUT
from workspace.scripts import LETTERS_AND_DIGITS
from workspace.word_pairs import read_word_pairs


@dataclass(frozen=True)
class Constraints:
    """prefix: how the translation begins; it may end in the middle of a word, and not where white space follows.
    required, forbidden: words and phrases that it has and has not, as whole words.

    Raises UserError for phrases that cannot be asked for.
    """

    prefix: str = ""
    required: Sequence[str] = ()
    forbidden: Sequence[str] = ()

    def __post_init__(self) -> None:
        for phrases in (self.required, self.forbidden):
            if isinstance(phrases, str):
                raise UserError(f"{phrases!r} is one phrase, not a list of phrases; put it into brackets")
            if wrong := [phrase for phrase in phrases if not phrase.strip() or "\n" in phrase]:
                raise UserError(f"{wrong[0]!r} is no phrase; give words of one line")

    def inputs(self) -> dict[str, str]:
        """As the signature takes them."""
        required, forbidden = "\n".join(self.required), "\n".join(self.forbidden)
        return {PREFIX_INPUT: self.prefix, REQUIRED_INPUT: required, FORBIDDEN_INPUT: forbidden}


UNCONSTRAINED = Constraints()


class Terms:
    """Words and phrases of the source language with the translation that each is to have; and what stays as it is.

    keep: a regular expression; what it matches in a text is to be in the translation, such as placeholders and tags.
    Raises UserError for one that is none.
    """

    def __init__(self, translations: Mapping[str, str], keep: str | None = None):
        self._translations = dict(translations)
        try:
            self._kept = regex.compile("(?!)" if keep is None else keep)
        except regex.error as error:
            raise UserError(f"{keep!r} is no regular expression ({error}); mend it") from error
        longest_first = sorted(translations, key=len, reverse=True)
        of_word = regex.compile(LETTERS_AND_DIGITS, regex.V1)

        def as_whole_words(term: str) -> str:
            before = rf"(?<!{LETTERS_AND_DIGITS})" if of_word.match(term[0]) else ""
            after = rf"(?!{LETTERS_AND_DIGITS})" if of_word.match(term[-1]) else ""
            return before + regex.escape(term) + after

        self._pattern = regex.compile("|".join(map(as_whole_words, longest_first)) or "(?!)", regex.V1)

    @classmethod
    def read(cls, path: Path, keep: str | None = None) -> Terms:
        """Those of a file with a term and its translation in every line, between them a tab. Raises UserError."""
        return cls(read_word_pairs(path, "give a file of terms"), keep)

    def asked_of(self, text: str, constraints: Constraints = UNCONSTRAINED) -> Constraints:
        """``constraints``, and the translations of the terms in ``text``, where they are whole words, and what is kept
        of it."""
        text = unicodedata.normalize("NFC", text)
        found = [self._translations[match] for match in self._pattern.findall(text)]
        kept = [match[0].strip() for match in self._kept.finditer(text) if match[0].strip()]
        required = dict.fromkeys([*constraints.required, *found, *kept])
        return Constraints(constraints.prefix, tuple(required), constraints.forbidden)
