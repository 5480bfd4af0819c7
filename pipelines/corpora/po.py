"""Reads the sentence pairs of gettext's messages, PO, whose strings are those of C."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import polib

from pipelines.corpora.asked_languages import may_be, not_found
from pipelines.corpora.file_access import in_one_line, local_file
from pipelines.corpora.raw_pairs import UNTRANSLATED, LeftOut, RawPair, Warn, encoded
from recipes.data_schema import PairFiles
from workspace.charsets import BEGINNING, charset_of
from workspace.errors import UserError
from workspace.scratch import scratch_directory
from workspace.storage import read_bytes, write_text

# A line of PO, and what a string of C may have in it: a character, or bytes by their numbers.
_PO_STRING = re.compile(r'(msg\S*\s*)?"([^"\\]|\\.)*"')
_C_ESCAPE = re.compile(r"\\([^0-7x])|(?:\\[0-7]{1,3}|\\x[0-9a-fA-F]+)+")
_NUMBER = re.compile(r"\\(?:([0-7]+)|x([0-9a-fA-F]+))")
_PO_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})


def read_po(files: PairFiles, warn: Warn) -> Iterator[RawPair | LeftOut]:
    """Of a message with a plural, the plural is taken: the forms of two languages do not match one by one.

    The fields of ``files`` are languages; sides that the file has in the other order are exchanged. Raises UserError
    where the file is not gettext PO, or says that it is in another language.
    """
    path = str(files.file)
    asked = str(files.source_field), str(files.target_field)
    with local_file(path, warn) as local:
        text = _po_text(path, local)
    entries = _po_entries(path, text)
    lines = text.split("\n")
    said = "", str(entries.metadata.get("Language", ""))
    is_reversed = not may_be(said, asked)
    if is_reversed and not may_be(said, asked[::-1]):
        raise not_found(path, asked, said[1])
    for entry in entries:
        if entry.obsolete:
            continue
        line = _line_of_message(entry.linenum, lines)
        translation = entry.msgstr_plural[max(entry.msgstr_plural)] if entry.msgstr_plural else entry.msgstr
        if entry.fuzzy or not translation:
            yield LeftOut(UNTRANSLATED, line)
            continue
        sides = encoded(entry.msgid_plural or entry.msgid), encoded(translation)
        yield RawPair(*(sides[::-1] if is_reversed else sides), line)


def _po_text(path: str, local: Path) -> str:
    """The text of a PO file, with line feeds and the library's escapes only. Raises UserError if it is cut short or
    not text."""
    content = read_bytes(local)
    beginning = content[:BEGINNING]
    try:
        encoding = _po_encoding(local)
        text = content.decode((b"\0" in beginning and charset_of(beginning)) or encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} line {line:,} is not in the character set its header names ({error}); mend it"
        ) from error
    except LookupError as error:
        raise UserError(f"{path} is not gettext PO ({in_one_line(error)}); mend it") from error
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    last = text.rstrip().rpartition("\n")[2]
    if not last.startswith("#") and not last.endswith('"'):
        raise UserError(f"{path} is cut short in its last line; fetch or make it again")
    return _C_ESCAPE.sub(lambda escape: _as_library_reads(escape, encoding), text)


def _po_encoding(local: Path) -> str:
    """What the header names, unless it would not be found in that: a converted file may still name what it was in."""
    encoding: str = polib.detect_encoding(str(local))
    return encoding if "charset".encode(encoding) == b"charset" else "utf-8"


def _po_entries(path: str, text: str) -> polib.POFile:
    for number, line in enumerate(map(str.strip, text.split("\n")), start=1):
        # The library takes whatever is first and last for quotes.
        if line.startswith(("msg", '"')) and not _PO_STRING.fullmatch(line):
            raise UserError(f'{path} line {number:,} is not a string in quotes, with \\" for those in it; mend it')
    # Given a text, the library would end lines also at U+2028 and the like.
    with scratch_directory() as directory:
        copy = directory / "text.po"
        write_text(copy, text)
        try:
            return polib.pofile(str(copy), encoding="utf-8")
        except (OSError, ValueError) as error:
            said = in_one_line(error).replace(str(copy), path)
            raise UserError(f"{path} is not gettext PO ({said}); mend it") from error


def _as_library_reads(escape: re.Match[str], encoding: str) -> str:
    """An escape of C's strings: the library knows those of single characters, but not of bytes by their numbers."""
    if escape[1]:
        return "\a" if escape[1] == "a" else escape[0]
    # As gettext has it: of many digits the last ones count.
    numbers = [int(octal or hexadecimal, 8 if octal else 16) % 256 for octal, hexadecimal in _NUMBER.findall(escape[0])]
    return bytes(numbers).decode(encoding, "replace").translate(_PO_ESCAPES)


def _line_of_message(begins: int, lines: Sequence[str]) -> int:
    """The line of the message of an entry of PO that begins, with its comments, in line ``begins``."""
    of_entry = range(max(begins, 1), len(lines) + 1)
    return next((line for line in of_entry if lines[line - 1].lstrip().startswith("msgid")), of_entry.start)
