"""The files the model reads: gzip TFRecords of ``tf.train.Example`` with the features of ``workspace.layout``.

The two formats are written out here, byte by byte, because they must come out the same in every run,
and because otherwise every Beam worker would import TensorFlow, and take twice the time for a record.
The tests read the shards with TensorFlow itself.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import struct
from collections.abc import Iterable
from typing import NamedTuple

import google_crc32c

from pipelines.cleaning.records import Pair
from workspace.layout import FILE, LINE, SOURCE, SOURCE_TEXT, TARGET, TARGET_TEXT
from workspace.locations import Location
from workspace.storage import replacing, sha256_of, writing

# Level 4 takes half as long again, for files 6 per cent smaller.
_COMPRESSION_LEVEL = 1
_PARTS_AT_A_TIME = 1000


def write_shard(records: Iterable[bytes], location: Location) -> str:
    """Writes ``records`` as one gzip TFRecord file; gives its SHA-256."""
    return write_gzip(map(framed, records), location)


def write_gzip(parts: Iterable[bytes], location: Location) -> str:
    """Writes a .gz file: it appears when complete, and the same content is the same bytes in every run. Gives its
    SHA-256."""
    parts = iter(parts)
    with replacing(location) as temporary:
        with (
            writing(temporary) as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION_LEVEL, fileobj=raw, mtime=0) as file,
        ):
            # Each call of the compressor costs more than compressing a record.
            while block := b"".join(itertools.islice(parts, _PARTS_AT_A_TIME)):
                file.write(block)
        return sha256_of(temporary)


def framed(record: bytes) -> bytes:
    """One record of a TFRecord file: length, its checksum, the bytes, their checksum."""
    return b"".join((_framed_length(len(record)), record, _masked_crc(record)))


@functools.cache
def _framed_length(size: int) -> bytes:
    length = struct.pack("<Q", size)
    return length + _masked_crc(length)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


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
    line = _varint(pair.line)
    source_ids = _packed(source)
    source_text = pair.source.encode()
    target_ids = _packed(target)
    target_text = pair.target.encode()
    return _field(
        b"".join(
            (
                _file_feature(file),
                _LINE[len(line)],
                line,
                _SOURCE[len(source_ids)],
                source_ids,
                _SOURCE_TEXT[len(source_text)],
                source_text,
                _TARGET[len(target_ids)],
                target_ids,
                _TARGET_TEXT[len(target_text)],
                target_text,
            )
        )
    )


@functools.lru_cache
def _file_feature(file: str) -> bytes:
    name = file.encode()
    return _FILE[len(name)] + name


def _field(value: bytes) -> bytes:
    """Field 1 of a message, holding bytes."""
    return b"".join((b"\x0a", _varint(len(value)), value))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _packed(ids: list[int]) -> bytes:
    """The varints of ids, one after the other."""
    try:
        return b"".join([_VARINTS[each] for each in ids])
    except IndexError:
        return b"".join(map(_varint, ids))


# A list is looked up in half the time that a dictionary takes; hardly any vocabulary is larger.
_VARINTS = [_varint(number) for number in range(1 << 16)]


class _FeatureHeader(dict[int, bytes]):
    """What stands before a value in one entry of the map in ``tf.train.Features``, by the size of the value.

    The entry has the key in field 1 and in field 2 the feature, a list of one kind. The messages around the
    value are each a tag and a length, from the outermost to the innermost; the sizes are worked out the other
    way round.
    """

    def __init__(self, name: str, kind: bytes):
        self._name = _field(name.encode())
        self._kind = kind

    def __missing__(self, size: int) -> bytes:
        header = b"\x0a" + _varint(size)
        for tag in (self._kind, b"\x12"):
            header = tag + _varint(len(header) + size) + header
        header = self._name + header
        return self.setdefault(size, b"\x0a" + _varint(len(header) + size) + header)


_BYTES_LIST, _INT64_LIST = b"\x0a", b"\x1a"  # fields 1 and 3 of tf.train.Feature
_FILE, _SOURCE_TEXT, _TARGET_TEXT = (_FeatureHeader(name, _BYTES_LIST) for name in (FILE, SOURCE_TEXT, TARGET_TEXT))
_LINE, _SOURCE, _TARGET = (_FeatureHeader(name, _INT64_LIST) for name in (LINE, SOURCE, TARGET))
