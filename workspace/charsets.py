"""Tells by how a file begins that it is not lines of UTF-8, where it could be read as such without a word.

Text in one of the common sets of eight bits is no UTF-8, and its pairs are rejected as that one by one. What is told
here may pass for UTF-8: UTF-16 and UTF-32 have NULs and other characters of ASCII, and some sets have nothing else.
"""

from __future__ import annotations

import codecs
import contextlib
import re

import regex

# Bytes: enough to tell.
BEGINNING = 1 << 14
# What a text in each of these may begin with.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# As they are without a mark. Read in any of the others, the line ends or spaces of one are no characters.
_WIDE = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
# Sets that write all characters in ASCII, by how they write those of others.
_SEVEN_BITS = {
    "ISO-2022-JP-2": re.compile(rb"\x1b\$(?:[@AB]|\([CD])"),
    "ISO-2022-KR": re.compile(rb"\x0e(?:[!-~]{2})+\x0f"),
    "ISO-2022-CN": re.compile(rb"\x1b\$\)[AEG]\x0e"),
    "HZ": re.compile(rb"~\{(?:[!-w][!-~])+~\}"),
    "UTF-7": re.compile(rb"\+[A-Za-z0-9+/]{3,}"),
}
# What no text has, of any kind, and what text has none of that is ASCII without its NULs.
_NO_CHARACTER = regex.compile(r"[\0\p{Cs}\p{Cn}]")
_CONTROL = regex.compile(r"[\x01-\x08\x0e-\x1f]")
_LONE_CARRIAGE_RETURN = re.compile(rb"\r(?!\n)")


def charset_of(beginning: bytes) -> str | None:
    """The character set, as iconv names it, of a text that begins so; None where it may be UTF-8."""
    for mark, charset in MARKS.items():
        if beginning.startswith(mark):
            return charset
    if b"\0" in beginning:
        return None if _has_stray_nuls(beginning) else next(filter(lambda each: _is_in(each, beginning), _WIDE), None)
    if beginning.isascii():
        lines = beginning.count(b"\n") + 1
        for charset, written in _SEVEN_BITS.items():
            if 4 * len(written.findall(beginning)) >= lines and (charset != "UTF-7" or _is_in(charset, beginning)):
                return charset
    return None


def has_carriage_returns_only(beginning: bytes) -> bool:
    """Whether lines end in carriage returns: where they do, there are line feeds at the end at most, or by mistake."""
    lines = beginning.strip(b"\r\n")
    return len(_LONE_CARRIAGE_RETURN.findall(lines)) > 10 * lines.count(b"\n")


def _has_stray_nuls(beginning: bytes) -> bool:
    """Whether it is UTF-8 but for its NULs. Half of English in UTF-16 is those; of other letters there are controls."""
    without = beginning.replace(b"\0", b"")
    text = _decoded("UTF-8", without)
    return 4 * len(without) >= 3 * len(beginning) and text is not None and not _CONTROL.search(text)


def _is_in(charset: str, beginning: bytes) -> bool:
    """Whether a text may begin so in a character set, with a word and white space."""
    text = _decoded(charset, beginning) or ""
    return any(map(str.isspace, text)) and not text.isspace() and not _NO_CHARACTER.search(text)


def _decoded(charset: str, beginning: bytes) -> str | None:
    """The text, which may end in the middle of a character; None where it is not in that character set."""
    with contextlib.suppress(UnicodeDecodeError):
        return codecs.getincrementaldecoder(charset)().decode(beginning)
    return None
