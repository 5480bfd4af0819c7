"""Reads a line-aligned pair of files in blocks of about 10,000 sentence pairs, in parallel where that can be.

A plain file is indexed once by its newlines (``index_pair``); every chunk of the index can then be read
by itself (``read_chunk``), by any worker and in any order. A ``.gz`` file cannot be entered in its middle:
one reader goes through the pair (``read_compressed``). Both give the same ``PairBlock``.

Lines end at a line feed and nowhere else. ``str.splitlines`` also ends them at U+2028, U+0085 and six
other characters, each of which would put the two sides out of step. A carriage return before the line
feed stays in the line here, and goes with the white space in cleaning.

``index_file`` and ``read_lines`` are the same for one file by itself.
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from recipes.errors import UserError
from recipes.schema import FilePair

CHUNK_PAIRS = 10_000
_BYTES_AT_A_TIME = 1 << 22
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Chunk:
    """Where a block of pairs lies in two plain files: ``*_bytes`` are the first byte and the one past the last."""

    split: str
    files: FilePair
    first_line: int
    pairs: int
    source_bytes: tuple[int, int]
    target_bytes: tuple[int, int]


@dataclass(frozen=True)
class PairBlock:
    """Consecutive pairs as the files have them: whole lines, each with its line feed save perhaps the last."""

    split: str
    files: FilePair
    first_line: int
    pairs: int
    source: bytes
    target: bytes

    def lines(self) -> tuple[list[bytes], list[bytes]]:
        """The lines of both sides, without their line feeds."""
        return split_lines(self.source, self.pairs), split_lines(self.target, self.pairs)


@dataclass(frozen=True)
class PairIndex:
    """What one pass over a pair of files found: its number of lines, and chunks unless it is compressed."""

    split: str
    files: FilePair
    lines: int
    chunks: list[Chunk]

    @property
    def compressed(self) -> bool:
        return is_compressed(self.files)


def is_compressed(files: FilePair) -> bool:
    """Whether the pair must be read from beginning to end, because a side is a .gz file."""
    return any(path.suffix == ".gz" for path in (files.source, files.target))


def index_pair(
    split: str, files: FilePair, chunk_pairs: int = CHUNK_PAIRS, advance: Callable[[int], object] = lambda size: None
) -> PairIndex:
    """Counts the lines of both files and finds where every ``chunk_pairs``-th begins.

    ``advance`` is told the bytes read as reading goes on, of a .gz file those on the disk.
    Raises UserError if a .gz file is damaged, or the two files differ in their number of lines.
    """
    source, target = (index_file(path, chunk_pairs, advance) for path in (files.source, files.target))
    if source.lines != target.lines:
        raise UserError(
            f"{files.source} has {source.lines:,} lines but {files.target} has {target.lines:,}; "
            "line n of one must be the translation of line n of the other"
        )
    chunks = []
    if not is_compressed(files):
        for number, (source_bytes, target_bytes) in enumerate(zip(source.chunks, target.chunks, strict=True)):
            pairs = source.lines_of(number)
            chunks.append(Chunk(split, files, number * chunk_pairs + 1, pairs, source_bytes, target_bytes))
    return PairIndex(split, files, source.lines, chunks)


def read_chunk(chunk: Chunk) -> PairBlock:
    """Reads one chunk of plain files. Raises UserError if they are shorter than when they were indexed."""
    source = _read_range(chunk.files.source, *chunk.source_bytes)
    target = _read_range(chunk.files.target, *chunk.target_bytes)
    return PairBlock(chunk.split, chunk.files, chunk.first_line, chunk.pairs, source, target)


def read_compressed(split: str, files: FilePair, chunk_pairs: int = CHUNK_PAIRS) -> Iterator[PairBlock]:
    """Reads a pair from beginning to end, either side plain or .gz, in blocks of ``chunk_pairs``.

    The pair has been indexed before, so that both sides are whole and equally long.
    """
    with _open(files.source) as source, _open(files.target) as target:
        for first_line in itertools.count(1, chunk_pairs):
            lines = list(itertools.islice(source, chunk_pairs))
            if not lines:
                return
            block = b"".join(lines), b"".join(itertools.islice(target, chunk_pairs))
            yield PairBlock(split, files, first_line, len(lines), *block)


@dataclass(frozen=True)
class FileIndex:
    """One file's number of lines, and the range of bytes (decompressed ones) of every chunk of them."""

    path: Path
    lines: int
    chunk_lines: int
    chunks: list[tuple[int, int]]

    def lines_of(self, chunk: int) -> int:
        """The number of lines in a chunk: all have ``chunk_lines``, save the last."""
        return min(self.chunk_lines, self.lines - chunk * self.chunk_lines)


def index_file(path: Path, chunk_lines: int, advance: Callable[[int], object] = lambda size: None) -> FileIndex:
    """Counts the lines of a plain or .gz file and finds its chunks, in one pass. Raises UserError for a damaged .gz."""
    lines = 0
    last = b"\n"
    with _open(path) as file:
        position = file.tell()
        offsets = [position]
        on_disk = 0
        while block := _read(file, path, _BYTES_AT_A_TIME):
            newlines = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            # Chunks end with the lines chunk_lines, 2 chunk_lines, …: the first of those here is newlines[first].
            first = chunk_lines - 1 - lines % chunk_lines
            offsets += (position + 1 + newlines[first::chunk_lines]).tolist()
            lines += len(newlines)
            position += len(block)
            last = block[-1:]
            advance(_tell_on_disk(file) - on_disk)
            on_disk = _tell_on_disk(file)
    if last != b"\n":
        lines += 1
    if position > offsets[-1]:
        offsets.append(position)
    return FileIndex(path, lines, chunk_lines, list(itertools.pairwise(offsets)))


def read_lines(index: FileIndex, chunk: int) -> list[bytes]:
    """The lines of one chunk, without their line feeds. A .gz file is decompressed from its beginning to get there."""
    begin, end = index.chunks[chunk]
    return split_lines(_read_range(index.path, begin, end), index.lines_of(chunk))


def split_lines(text: bytes, count: int) -> list[bytes]:
    """The ``count`` lines of ``text``. Raises UserError if it has another number of them."""
    lines = text.split(b"\n")
    # What follows the last line feed is a line only if there is something.
    if not lines[-1]:
        lines.pop()
    if len(lines) != count:
        raise UserError("a corpus file changed while it was read; run the same command again")
    return lines


def _open(path: Path) -> BinaryIO:
    """Opens a plain or .gz file for its bytes, after the byte order mark if there is one."""
    file = cast(BinaryIO, gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb"))
    if _read(file, path, len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        file.seek(0)
    return file


def _tell_on_disk(file: BinaryIO) -> int:
    raw = file.fileobj if isinstance(file, gzip.GzipFile) else file
    return cast(BinaryIO, raw).tell()


def _read(file: BinaryIO, path: Path, size: int) -> bytes:
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(
            f"{path} is damaged or not a gzip file ({error}); fetch it anew, or unpack it yourself"
        ) from error


def _read_range(path: Path, begin: int, end: int) -> bytes:
    with _open(path) as file:
        file.seek(begin)
        return _read(file, path, end - begin)
