"""Decompresses files by what they begin with: names are often wrong, or do not tell. Compresses them by their names.

A file may be several compressed streams, one after the other, as ``cat a.gz b.gz`` makes them. Unlike Python's own
readers, this one tells apart what may follow the last of them: nothing, padding, or bytes that belong to nothing.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

from backports import zstd

from workspace.errors import UserError

_BYTES_AT_A_TIME = 1 << 16
# Bytes: enough to tell what a file is.
BEGINNING = 512


class Compression(NamedTuple):
    """adjective: of a file that is so compressed; beginning: of every stream; decompressor, compressor: of one, as bz2
    has them."""

    adjective: str
    ending: str
    beginning: re.Pattern[bytes]
    decompressor: Callable[[], Any]
    compressor: Callable[[], Any]


class _GzipDecompressor:
    """zlib's decompressor of gzip with the interface of the other modules' decompressors."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = len(found) < max_length
        return found


COMPRESSIONS = (
    Compression(
        "gzipped",
        ".gz",
        re.compile(rb"\x1f\x8b\x08"),
        _GzipDecompressor,
        # With neither name nor time, so that the same bytes are the same file.
        lambda: zlib.compressobj(wbits=zlib.MAX_WBITS | 16),
    ),
    Compression(
        "zstandard",
        ".zst",
        # The second begins a frame of some program's own, which has no text.
        re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
        # As much memory as the format allows, 2 GB at most: what zstd --long=31 made has no other way back.
        lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 31}),
        zstd.ZstdCompressor,
    ),
    Compression("xz", ".xz", re.compile(rb"\xfd7zXZ\x00"), lzma.LZMADecompressor, lzma.LZMACompressor),
    Compression(
        "bzip2",
        ".bz2",
        # An empty one has the second of the two numbers.
        re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
        bz2.BZ2Decompressor,
        bz2.BZ2Compressor,
    ),
)
# What else a corpus may come in, by its first bytes.
_ARCHIVES = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x1f\x9d", "compressed with compress"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x5d\x00\x00", "compressed with lzma"),
    (b"LZIP\x01", "compressed with lzip"),
    (b"\x89LZO\x00", "compressed with lzop"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with snappy"),
)
# No text has it. NUL is not among them, which is in all UTF-16.
_CONTROL = rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]"
# Of the four beginnings that it has, one is of text, too: x^2.
_ZLIB = re.compile(rb"x(?:[\x01\x9c\xda]|\^.*" + _CONTROL + rb")", re.DOTALL)
# It has no beginning of its own, and its ending is also that of Breton.
_BROTLI = ".br"


def compression_of(beginning: bytes, path: str) -> Compression | None:
    """How a file is compressed that begins with these bytes, ``BEGINNING`` of them; None if it is not.

    Raises UserError where it is an archive or compressed in a way that is not read, and OSError where only its name
    says that it is compressed.
    """
    if found := compression_within(beginning, path):
        return found
    if path.lower().endswith(_BROTLI) and re.search(_CONTROL, beginning):
        raise UserError(f"{path} is compressed with brotli; unpack it, and give what was in it")
    # An empty file is told as such.
    if beginning and (compression := compression_by_name(path)):
        raise OSError(f"Not a {compression.adjective} file, as its name says")
    return None


def compression_within(beginning: bytes, path: str) -> Compression | None:
    """The same of what was decompressed, of which the name says nothing."""
    for compression in COMPRESSIONS:
        if compression.beginning.match(beginning):
            return compression
    kind = next((kind for first, kind in _ARCHIVES if beginning.startswith(first)), None)
    if kind is None and _ZLIB.match(beginning):
        kind = "compressed with zlib"
    if kind is not None:
        raise UserError(f"{path} is {kind}; unpack it, and give what was in it")
    return None


def compression_by_name(path: str) -> Compression | None:
    """How a file of this name should be compressed; None if it should not."""
    return next((each for each in COMPRESSIONS if path.lower().endswith(each.ending)), None)


def without_ending(path: str) -> str:
    """The path without the ending that says how the file is compressed."""
    compression = compression_by_name(path)
    return path[: -len(compression.ending)] if compression else path


class Decompressed(io.RawIOBase):
    """What a compressed file holds. ``warn`` is told of bytes after its end, which are left out.

    Reading raises EOFError where the file is cut short, and OSError, ValueError or an error of the format's own where
    it is damaged.
    """

    def __init__(self, file: BinaryIO, compression: Compression, path: str, warn: Callable[[str], object]):
        self._file, self._compression, self._path, self._warn = file, compression, path, warn
        self._stream = compression.decompressor()
        self._waiting = b""
        self._is_read = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _read(self, most: int) -> bytes:
        while not self._is_read:
            if self._stream.eof:
                self._begin_next_stream()
                continue
            data = b""
            if self._stream.needs_input:
                data, self._waiting = self._waiting or self._file.read(_BYTES_AT_A_TIME), b""
                if not data:
                    raise EOFError("it ends in the middle")
            if found := self._stream.decompress(data, most):
                return bytes(found)
        return b""

    def _begin_next_stream(self) -> None:
        """Finds the next stream, or that there is none."""
        rest = self._stream.unused_data.lstrip(b"\0")
        # Padding, which tapes and xz have.
        while len(rest) < BEGINNING and (block := self._file.read(_BYTES_AT_A_TIME)):
            rest = (rest + block).lstrip(b"\0")
        if self._compression.beginning.match(rest):
            self._stream, self._waiting = self._compression.decompressor(), rest
            return
        self._is_read = True
        if rest:
            size = len(rest) + sum(map(len, iter(lambda: self._file.read(_BYTES_AT_A_TIME), b"")))
            self._warn(
                f"{self._path} has {size:,} bytes after its end that are not {self._compression.adjective}; they are "
                "left out: if there should be more in it, fetch or make it again"
            )


class Compressed(io.RawIOBase):
    """A file to write, which is compressed on its way to another; ``close`` writes the last of it there."""

    def __init__(self, file: BinaryIO, compression: Compression):
        self._file, self._stream = file, compression.compressor()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(self._stream.compress(data))
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.write(self._stream.flush())
        super().close()
