"""The text of a segment of TMX or XLIFF, without the codes of another format that are in it.

Codes that set off words in the midst of text (bold, a link) go without a trace; those that stand between words, such as
a line break, become a space. Entities of a DTD, which is never looked for, are taken for those of HTML, where they have
all come from, unless the file declares them itself.
"""

from __future__ import annotations

import html.entities
import re
from collections.abc import Iterator, Mapping
from typing import Any

import regex
from lxml import etree

# Elements that hold the codes of another format instead of text, or stand for them; not hi, g, pc and mrk, which mark
# text. Text within a code (sub) is not part of the sentence.
_CODES = frozenset(("bpt", "ept", "ph", "it", "ut", "x", "bx", "ex", "sc", "ec", "sm", "em"))
# What a code says of itself when it breaks the text: tags of HTML, control words of RTF, escapes and white space.
_BREAK = re.compile(
    r"<\s*/?\s*(br|p|div|li|[ou]l|t[dhr]|table|h[1-6]|hr|d[ltd]|blockquote|pre|title|option|img|tab|w:(br|tab|p))\b"
    r"|\\(par|line|tab|cell|row|page|sect|n|t|r)\b|&nbsp;|&#(160|10|13|9|xa0|xa|xd|x9);|[\t\u00a0\u2028\u2029]|^\s+$",
    re.IGNORECASE,
)
_BREAKING_KIND = re.compile(r"(^|[:_-])(lb|pb|br|tab|p|par|line|div|li|td|th|tr|h[1-6]|hr|image|img)$", re.IGNORECASE)
_KINDS = ("type", "ctype", "subType")
_SHOWN = ("equiv-text", "equiv", "disp")
# Tags that set off a part of the text, maybe of a word.
_IN_WORDS = re.compile(
    r"^\s*<\s*/?\s*(a|abbr|acronym|b|bdi|bdo|big|cf|cite|code|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|"
    r"strong|sub|sup|tt|u|var|wbr)\b|^\s*(&shy;|&#(173|xad);|\u00ad|\u200b|\u2060)\s*$|^\s*\{?\\[biu]",
    re.IGNORECASE,
)
# Before the first there is no space, nor behind the second.
_CLOSES = regex.compile(r"[\p{Terminal_Punctuation}\p{Pe}\p{Pf}…\s]")
_OPENS = regex.compile(r"[\p{Ps}\p{Pi}\s]")


class UnknownEntityError(Exception):
    """An entity that neither the file nor HTML has; its text is the entity as it is written."""


def text_of(segment: Any, entities: Mapping[str, str]) -> str:
    """The text of a segment. Raises UnknownEntityError."""
    if not len(segment):
        return segment.text or ""
    text = ""
    is_broken = False
    for piece in _pieces(segment, entities):
        if piece is None:
            is_broken = True
        elif piece:
            text += " " + piece if is_broken and _needs_space(text, piece) else piece
            is_broken = False
    return text


def _pieces(segment: Any, entities: Mapping[str, str]) -> Iterator[str | None]:
    """The text of a segment in its order, and None where words are parted."""
    yield segment.text or ""
    # Of the elements that are begun: what is left of their children, and the text behind them.
    begun = [(iter(segment), "")]
    while begun:
        child = next(begun[-1][0], None)
        if child is None:
            yield begun.pop()[1]
            continue
        if child.tag is etree.Entity:
            yield _characters(child.name, entities)
        elif isinstance(child.tag, str):  # those of comments and processing instructions are functions
            name = etree.QName(child).localname
            if name not in _CODES:
                yield child.text or ""
                begun.append((iter(child), child.tail or ""))
                continue
            if _parts_words(name, child):
                yield None
        yield child.tail or ""


def _parts_words(name: str, code: Any) -> bool:
    """Whether a code stands between words."""
    content = "".join(code.itertext(with_tail=False))
    shown = [content, *(code.get(attribute, "") for attribute in _SHOWN)]
    if any(map(_BREAK.search, shown)) or any(_BREAKING_KIND.search(code.get(kind, "")) for kind in _KINDS):
        return True
    if name != "ph":
        return False
    # A placeholder stands for a word of its own, or for what is no word.
    return not any(map(_IN_WORDS.search, shown))


def _characters(name: str, entities: Mapping[str, str]) -> str:
    found = entities.get(name, html.entities.html5.get(f"{name};"))
    if found is None:
        raise UnknownEntityError(f"&{name};")
    return found


def _needs_space(before: str, behind: str) -> bool:
    return not (before == "" or _OPENS.match(before[-1]) or _CLOSES.match(behind))
