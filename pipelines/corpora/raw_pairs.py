"""A sentence pair as a file has it, before anything is mended."""

from __future__ import annotations

from typing import TypeAlias

# Source and target, meant to be UTF-8.
RawPair: TypeAlias = tuple[bytes, bytes]


def encoded(text: str) -> bytes:
    """Text as UTF-8, except that bytes which were not UTF-8 when read, and half surrogate pairs, still are not."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
