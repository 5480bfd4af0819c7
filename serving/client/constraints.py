"""What is asked of a translation: how it begins, and which phrases it has or has not; and terms that say so."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import regex

from workspace.errors import UserError
from workspace.layout import FORBIDDEN_INPUT, MOST_CHARACTERS, PREFIX_INPUT, REQUIRED_INPUT
from workspace.scripts import LETTERS_AND_DIGITS
from workspace.word_pairs import read_word_pairs

# Surrogates stand for bytes of a command line that are not UTF-8; a line end comes between phrases.
_SURROGATE, _NOT_IN_PHRASES = regex.compile("[\ud800-\udfff]"), regex.compile("[\n\ud800-\udfff]")


@dataclass(frozen=True)
class Constraints:
    """prefix: how the translation begins; it may end in the middle of a word, and not where white space follows.
    required, forbidden: words and phrases that it has and has not, as whole words, of 62 characters at most.

    Raises UserError for what cannot be asked for.
    """

    prefix: str = ""
    required: Sequence[str] = ()
    forbidden: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str) or _SURROGATE.search(self.prefix):
            raise UserError(f"{self.prefix!r} is no beginning of a translation; give a str, of characters in UTF-8")
        for name in ("required", "forbidden"):
            phrases = getattr(self, name)
            if isinstance(phrases, str):
                raise UserError(f"{phrases!r} is one phrase, not a list of phrases; put it into brackets")
            if not isinstance(phrases, Iterable):
                raise UserError(f"{phrases!r} are no phrases; give a list of str")
            # An iterator can be asked once.
            object.__setattr__(self, name, tuple(phrases))
            for phrase in getattr(self, name):
                if not isinstance(phrase, str) or not phrase.strip() or _NOT_IN_PHRASES.search(phrase):
                    raise UserError(f"{phrase!r} is no phrase; give words of one line, in UTF-8")
                length = len(unicodedata.normalize("NFC", " ".join(phrase.split())))
                if length > MOST_CHARACTERS:
                    raise UserError(
                        f"the phrase {phrase[:30]!r}… has {length:,} characters; give {MOST_CHARACTERS} at most"
                    )

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
        for pair in self._translations.items():
            if not all(isinstance(word, str) and word.strip() for word in pair):
                raise UserError(f"{pair!r} are no word and its translation; give texts that are not blank")
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
