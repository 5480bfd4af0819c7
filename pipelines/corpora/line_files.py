"""Reads line-aligned files in blocks of about 10,000 sentence pairs, every block by itself.

A file is indexed once by its newlines (``index_file``, ``index_pair``); every chunk of the index can then be
read by any worker and in any order (``read_chunk``, ``read_lines``). Compressed files and other formats
cannot be entered in the middle: ``pipelines.preparation.index`` unpacks them first.

Lines end at a line feed and nowhere else. ``str.splitlines`` also ends them at U+2028, U+0085 and six
other characters, each of which would put the two sides out of step. A carriage return before the line
feed stays in the line here, and goes with the white space in cleaning.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np
from typing_extensions import TypeVar

from pipelines.corpora.file_access import size_of_byte_order_mark
from workspace import charsets
from workspace.errors import UserError
from workspace.locations import Location
from workspace.storage import read_bytes, reading

CHUNK_PAIRS = 10_000
_BYTES_AT_A_TIME = 1 << 22


# Of which kind the locations of a pair are: of any, unless it is said.
Place_co = TypeVar("Place_co", bound=Location, default=Location, covariant=True)


@dataclass(frozen=True)
class FilePair(Generic[Place_co]):
    """Two plain files, line n of one the translation of line n of the other."""

    source: Place_co
    target: Place_co


@dataclass(frozen=True)
class Chunk:
    """Where a block of pairs lies in two files: ``*_bytes`` are the first byte and the one past the last.

    ``corpus`` is the number of the corpus, ``first_line`` the line of its first pair, from 1.
    """

    corpus: int
    files: FilePair
    first_line: int
    pairs: int
    source_bytes: tuple[int, int]
    target_bytes: tuple[int, int]


@dataclass(frozen=True)
class PairBlock:
    """Consecutive pairs as the files have them: whole lines, each with its line feed save perhaps the last."""

    corpus: int
    first_line: int
    pairs: int
    source: bytes
    target: bytes

    def lines(self) -> tuple[list[bytes], list[bytes]]:
        """The lines of both sides, without their line feeds."""
        return split_lines(self.source, self.pairs), split_lines(self.target, self.pairs)


@dataclass(frozen=True)
class FileIndex:
    """One file's number of lines, and the range of bytes of every chunk of them."""

    path: Location
    lines: int
    chunk_lines: int
    chunks: list[tuple[int, int]]

    def lines_of(self, chunk: int) -> int:
        """The number of lines in a chunk: all have ``chunk_lines``, save the last."""
        return min(self.chunk_lines, self.lines - chunk * self.chunk_lines)


@dataclass(frozen=True)
class PairIndex:
    """The indexes of both files of a pair, which have the same number of lines."""

    source: FileIndex
    target: FileIndex

    @property
    def lines(self) -> int:
        return self.source.lines

    def chunks(self, corpus: int) -> Iterator[Chunk]:
        """The chunks, as those of the corpus with that number."""
        files = FilePair(self.source.path, self.target.path)
        for number, (source, target) in enumerate(zip(self.source.chunks, self.target.chunks, strict=True)):
            first_line = number * self.source.chunk_lines + 1
            yield Chunk(corpus, files, first_line, self.source.lines_of(number), source, target)

    def of_copies(self, files: FilePair) -> PairIndex:
        """The index of files with the same bytes."""
        return PairIndex(replace(self.source, path=files.source), replace(self.target, path=files.target))


def index_pair(files: FilePair, chunk_pairs: int = CHUNK_PAIRS, copies_of: FilePair | None = None) -> PairIndex:
    """Counts the lines of both files and finds where every ``chunk_pairs``-th begins.

    copies_of: what errors name, where the files are copies. Raises UserError if the files differ in their number of
    lines.
    """
    named = copies_of or files
    source = index_file(files.source, chunk_pairs, named.source)
    target = index_file(files.target, chunk_pairs, named.target)
    if source.lines != target.lines:
        raise UserError(
            f"{named.source} has {source.lines:,} lines but {named.target} has {target.lines:,}; "
            "line n of one must be the translation of line n of the other"
        )
    return PairIndex(source, target)


def index_file(path: Location, chunk_lines: int, copy_of: Location | None = None) -> FileIndex:
    """Counts the lines of a file and finds its chunks, in one pass.

    copy_of: what errors name, where it is a copy. Raises UserError where it is not lines of UTF-8.
    """
    lines = 0
    last = b"\n"
    with reading(path) as file:
        position = size_of_byte_order_mark(file.read(charsets.BEGINNING), str(copy_of or path))
        file.seek(position)
        offsets = [position]
        while block := file.read(_BYTES_AT_A_TIME):
            newlines = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            # Chunks end with the lines chunk_lines, 2 chunk_lines, …: the first of those here is newlines[first].
            first = chunk_lines - 1 - lines % chunk_lines
            offsets += (position + 1 + newlines[first::chunk_lines]).tolist()
            lines += len(newlines)
            position += len(block)
            last = block[-1:]
    if last != b"\n":
        lines += 1
    if position > offsets[-1]:
        offsets.append(position)
    return FileIndex(path, lines, chunk_lines, list(itertools.pairwise(offsets)))


def read_chunk(chunk: Chunk) -> PairBlock:
    """Reads one chunk of both files."""
    source = read_bytes(chunk.files.source, *chunk.source_bytes)
    target = read_bytes(chunk.files.target, *chunk.target_bytes)
    return PairBlock(chunk.corpus, chunk.first_line, chunk.pairs, source, target)


def read_lines(index: FileIndex, chunk: int) -> list[bytes]:
    """The lines of one chunk, without their line feeds. Raises UserError if the file has changed since indexing."""
    begin, end = index.chunks[chunk]
    return split_lines(read_bytes(index.path, begin, end), index.lines_of(chunk))


def split_lines(text: bytes, count: int) -> list[bytes]:
    """The ``count`` lines of ``text``. Raises UserError if it has another number of them."""
    lines = text.split(b"\n")
    # What follows the last line feed is a line only if it is not empty.
    if not lines[-1]:
        lines.pop()
    if len(lines) != count:
        raise UserError("a corpus file changed while it was read; run the same command again")
    return lines
