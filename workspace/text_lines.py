"""The lines of a text that somebody gives to be translated: UTF-8, or a sentence that says which line is not.

Anything else would be translated too, as if its bytes meant something.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from workspace.charsets import MARKS
from workspace.errors import UserError
from workspace.locations import Location
from workspace.storage import read_bytes

# What compressed files begin with, and what reads them.
_COMPRESSED = (
    (re.compile(rb"\x1f\x8b"), "gzip -dc"),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "bzip2 -dc"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz -dc"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd -dc"),
    (re.compile(rb"\x04\x22\x4d\x18"), "lz4 -dc"),
    (re.compile(rb"PK\x03\x04"), "unzip -p"),
)
# Bytes of UTF-8 that no text has, but text in UTF-16 or UTF-32 and in ISO-2022, which can all be ASCII.
_OTHER_ENCODING = re.compile(rb"\0|\x1b[$(]")


def written_lines(path: Location) -> list[str]:
    """The lines of a file that the project wrote: they end in a line feed, and may have any other character. None where
    there is no such file."""
    try:
        return read_bytes(path).decode("utf-8", errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return []


def text_lines(lines: Iterable[bytes], name: str) -> Iterator[str]:
    """Each line without its end, and without the mark that a text in UTF-8 may begin with.

    Raises UserError, with ``name`` and the number of the line, where it is not UTF-8; ``lines`` end at line feeds.
    """
    for number, line in enumerate(lines, start=1):
        if number == 1:
            _check_is_plain(line, name)
            line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
            if not line:
                return
        try:
            if _OTHER_ENCODING.search(line):
                raise UnicodeError
            yield line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeError as error:
            raise UserError(
                f"{name}: line {number:,} is not UTF-8; convert the text, as iconv -f SHIFT_JIS -t UTF-8 does from "
                "Shift_JIS, or leave out what is broken with iconv -c -f UTF-8 -t UTF-8"
            ) from error


def _check_is_plain(first: bytes, name: str) -> None:
    for mark, charset in MARKS.items():
        if first.startswith(mark):
            raise UserError(f"{name} is in {charset}; convert it with iconv -f {charset} -t UTF-8")
    for beginning, reader in _COMPRESSED:
        if beginning.match(first):
            raise UserError(f"{name} is compressed; give what is in it, as {reader} writes it")
