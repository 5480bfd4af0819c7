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
_MARKS = {
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
# Controls, halves of surrogate pairs, and what is no character yet.
_NOT_TEXT = regex.compile(r"[\p{Cc}\p{Cs}\p{Cn}--\s]", regex.V1)
_LONE_CARRIAGE_RETURN = re.compile(rb"\r(?!\n)")


def charset_of(beginning: bytes) -> str | None:
    """The character set, as iconv names it, of a text that begins so; None where it may be UTF-8."""
    for mark, charset in _MARKS.items():
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
    """Whether it is text in UTF-8 but for NULs: half of English in UTF-16 is those, and other letters have controls."""
    without = beginning.replace(b"\0", b"")
    return 4 * len(without) >= 3 * len(beginning) and _is_in("UTF-8", without)


def _is_in(charset: str, beginning: bytes) -> bool:
    """Whether text may begin so in a character set. It may end in the middle of a character."""
    with contextlib.suppress(UnicodeDecodeError):
        text = codecs.getincrementaldecoder(charset)().decode(beginning)
        return any(map(str.isspace, text)) and not text.isspace() and not _NOT_TEXT.search(text)
    return False
