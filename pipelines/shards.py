"""The files the model reads: gzip TFRecords of ``tf.train.Example`` with the features of ``recipes.layout``.

The two formats are written out here, byte by byte, because they must come out the same in every run,
and because every Beam worker would otherwise import TensorFlow, for twice the time a record. The tests
read the shards with TensorFlow itself.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import itertools
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from pipelines.buckets import Pair
from recipes.files import replacing
from recipes.layout import FILE, LINE, SOURCE, SOURCE_TEXT, TARGET, TARGET_TEXT

# Level 4 takes half as long again, for files 6 per cent smaller.
_COMPRESSION_LEVEL = 1
_RECORDS_AT_A_TIME = 1000
_BYTES_LIST, _INT64_LIST = b"\x0a", b"\x1a"  # fields 1 and 3 of tf.train.Feature


def write_shard(records: Iterable[bytes], path: Path) -> None:
    """Writes ``records`` as one gzip TFRecord file."""
    framed_records = map(framed, records)
    with writing_gzip(path) as file:
        # A call of the compressor costs more than a record takes.
        while block := b"".join(itertools.islice(framed_records, _RECORDS_AT_A_TIME)):
            file.write(block)


@contextlib.contextmanager
def writing_gzip(path: Path) -> Iterator[gzip.GzipFile]:
    """A .gz file to write to: it appears when complete, and the same content is the same bytes in every run."""
    with (
        replacing(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION_LEVEL, fileobj=raw, mtime=0) as file,
    ):
        yield file


def framed(record: bytes) -> bytes:
    """One record of a TFRecord file: length, its checksum, the bytes, their checksum."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _masked_crc(length), record, _masked_crc(record)))


class EncodedPair(NamedTuple):
    """A pair and its subword ids, without the end-of-sentence id."""

    pair: Pair
    source: list[int]
    target: list[int]

    @property
    def length(self) -> int:
        """Subwords of the longer side."""
        return max(len(self.source), len(self.target))


def encoded_example(encoded: EncodedPair, file: str) -> bytes:
    """The ``tf.train.Example`` of a pair: its ids without the end-of-sentence id, its text, and where it came from."""
    pair, source, target = encoded
    return _field(
        b"".join(
            (
                _file_feature(file),
                _feature(_LINE, _INT64_LIST, _varint(pair.line)),
                _feature(_SOURCE, _INT64_LIST, b"".join(map(_VARINTS.__getitem__, source))),
                _feature(_SOURCE_TEXT, _BYTES_LIST, pair.source.encode()),
                _feature(_TARGET, _INT64_LIST, b"".join(map(_VARINTS.__getitem__, target))),
                _feature(_TARGET_TEXT, _BYTES_LIST, pair.target.encode()),
            )
        )
    )


def _feature(name: bytes, kind: bytes, value: bytes) -> bytes:
    """One entry of the map in ``tf.train.Features``: key in field 1, in field 2 the feature, a list of one kind.

    The messages around the value are each a tag and a length, from the outermost to the innermost; the sizes
    are worked out the other way round.
    """
    size = len(value)
    of_value = _VARINTS[size]
    size += len(of_value) + 1
    of_list = _VARINTS[size]
    size += len(of_list) + 1
    of_feature = _VARINTS[size]
    size += len(of_feature) + len(name)
    return b"".join((b"\x0a", _VARINTS[size], name, of_feature, kind, of_list, b"\x0a", of_value, value))


@functools.lru_cache
def _file_feature(file: str) -> bytes:
    return _feature(_FILE, _BYTES_LIST, file.encode())


def _field(value: bytes) -> bytes:
    """Field 1 of a message, holding bytes."""
    return b"\x0a" + _VARINTS[len(value)] + value


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


class _Varints(dict[int, bytes]):
    """Varints of ids and lengths, of which there are few, each worked out once."""

    def __missing__(self, number: int) -> bytes:
        return self.setdefault(number, _varint(number))


_VARINTS = _Varints()
# Each with the tag of field 2, which follows it.
_FILE, _LINE, _SOURCE, _SOURCE_TEXT, _TARGET, _TARGET_TEXT = (
    _field(name.encode()) + b"\x12" for name in (FILE, LINE, SOURCE, SOURCE_TEXT, TARGET, TARGET_TEXT)
)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
