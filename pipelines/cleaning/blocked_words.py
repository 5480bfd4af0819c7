"""The words and phrases that a user's list blocks, as one regular expression; and texts in the form that it is for."""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import regex

from pipelines.cleaning.repairs import without_invisible
from pipelines.corpora.file_access import open_decompressed, size_of_byte_order_mark
from recipes.corpora import Corpus
from workspace import charsets
from workspace.errors import UserError
from workspace.scripts import UNSPACED_LETTERS

# What makes a word longer. Letters of scripts without spaces do not: there a word may begin and end anywhere.
_WORD = rf"[[\p{{Alphabetic}}\p{{M}}\p{{N}}_]--{UNSPACED_LETTERS}]"
_IN_WORD = regex.compile(_WORD, regex.V1)
# Particles follow Korean words directly. Too many words begin with any one syllable.
_KOREAN = regex.compile(r".*\p{Hangul}{2}", regex.DOTALL)
_JOINERS = "\u200c\u200d"
_GREEK = map(chr, (*range(0x0370, 0x0400), *range(0x1F00, 0x2000)))
_SAME = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011"), "-"),
    # Capitals have no accents.
    **{ord(letter): unicodedata.normalize("NFD", letter)[0] for letter in _GREEK},
}
_HAS_SAME = re.compile(f"[{''.join(map(chr, _SAME))}]")


def comparable(text: str) -> str:
    """A text in the form in which it is compared: compatibility composition (NFKC), no invisible characters, straight
    quotation marks, Greek without accents."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", without_invisible(text))
    return text.translate(_SAME) if _HAS_SAME.search(text) else text


@functools.lru_cache(maxsize=16)
def pattern_of_words(path: str) -> regex.Pattern[str] | None:
    """Matches every word and phrase of a file, one a line, in any case, where it is no part of a longer word.

    None where the file has none. It is for texts that are ``comparable``. Raises UserError as ``check_lists`` does.
    """
    by_edges: dict[tuple[bool, bool], set[str]] = defaultdict(set)
    for word in _words(path):
        ends = bool(_IN_WORD.match(word[-1])) and not _KOREAN.fullmatch(word)
        by_edges[bool(_IN_WORD.match(word[0])), ends].add(word)
    if not by_edges:
        return None
    lists = {f"list{number}": words for number, words in enumerate(by_edges.values())}
    alternatives = [
        (rf"(?<!{_WORD})" if begins else "") + rf"\L<{name}>" + (rf"(?!{_WORD})" if ends else "")
        for name, (begins, ends) in zip(lists, by_edges, strict=True)
    ]
    return regex.compile("|".join(alternatives), regex.V1 | regex.IGNORECASE | regex.FULLCASE, **lists)


def check_lists(corpora: Iterable[Corpus]) -> None:
    """Raises UserError where a list of a corpus cannot be read, is an archive, damaged, or not UTF-8."""
    for corpus in corpora:
        if corpus.cleaning and corpus.cleaning.blocked_words:
            pattern_of_words(corpus.cleaning.blocked_words)


def _words(path: str) -> list[str]:
    try:
        lines = comparable(_read(path)).splitlines()
    except UserError as error:
        raise UserError(f"cleaning.blocked_words {error}") from error
    words = (" ".join(line.split()).strip(_JOINERS) for line in lines)
    return [word for word in words if word]


def _read(path: str) -> str:
    with open_decompressed(path, lambda warning: print(f"warning: {warning}", file=sys.stderr)) as file:
        content = file.read()
    content = content[size_of_byte_order_mark(content[: charsets.BEGINNING], path) :]
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 (byte {error.start + 1}); convert it, for example with iconv -f latin1 -t utf-8"
        ) from error
