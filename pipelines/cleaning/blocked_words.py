"""The words and phrases that a user's list blocks, as one regular expression."""

from __future__ import annotations

import functools
import unicodedata
from collections import defaultdict
from pathlib import Path

import regex

from pipelines.cleaning.sentences import UNSPACED_LETTERS

# What makes a word longer. Letters of scripts without spaces do not: there a word may begin and end anywhere.
_WORD = rf"[[\p{{Alphabetic}}\p{{M}}\p{{N}}_]--{UNSPACED_LETTERS}]"
_IN_WORD = regex.compile(_WORD, regex.V1)


@functools.lru_cache(maxsize=16)
def pattern_of_words(path: str) -> regex.Pattern[str] | None:
    """Matches every word and phrase of a file, one a line, in any case, where it is no part of a longer word.

    None where the file has none.
    """
    by_edges: dict[tuple[bool, bool], set[str]] = defaultdict(set)
    for word in _words(path):
        by_edges[bool(_IN_WORD.match(word[0])), bool(_IN_WORD.match(word[-1]))].add(word)
    if not by_edges:
        return None
    lists = {f"list{number}": words for number, words in enumerate(by_edges.values())}
    alternatives = [
        (rf"(?<!{_WORD})" if begins else "") + rf"\L<{name}>" + (rf"(?!{_WORD})" if ends else "")
        for name, (begins, ends) in zip(lists, by_edges, strict=True)
    ]
    return regex.compile("|".join(alternatives), regex.V1 | regex.IGNORECASE, **lists)


def _words(path: str) -> list[str]:
    # Windows puts a byte order mark first.
    lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    words = [" ".join(line.split()) for line in lines if line.strip()]
    return [unicodedata.normalize(form, word) for word in words for form in ("NFC", "NFD")]
