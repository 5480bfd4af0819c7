"""The two formats that are written out by hand, read by TensorFlow and by protobuf."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from pathlib import Path

import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.cleaning.records import Pair
from pipelines.preparation.shards import EncodedPair, encoded_example, write_gzip, write_shard
from workspace.layout import FILE, LINE, SOURCE, SOURCE_TEXT, TARGET, TARGET_TEXT

IDS = st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 300), max_size=40)
ENCODED = st.builds(
    lambda line, source_text, target_text, source, target: EncodedPair(
        Pair(b"", 0, line, source_text, target_text), source, target
    ),
    st.integers(1, 2**62),
    st.text(max_size=300),
    st.text(max_size=300),
    IDS,
    IDS,
)


def described(encoded: EncodedPair, file: str) -> dict[str, list[bytes] | list[int]]:
    pair = encoded.pair
    return {
        FILE: [file.encode()],
        LINE: [pair.line],
        SOURCE: encoded.source,
        SOURCE_TEXT: [pair.source.encode()],
        TARGET: encoded.target,
        TARGET_TEXT: [pair.target.encode()],
    }


@settings(max_examples=40)
@given(st.lists(ENCODED, max_size=5), st.text(max_size=200))
def test_what_is_written_is_what_is_read(several: list[EncodedPair], file: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shard"
        write_shard((encoded_example(encoded, file) for encoded in several), path)
        records = list(tf.data.TFRecordDataset(str(path), "GZIP", buffer_size=1 << 16).as_numpy_iterator())
    found = []
    for record in records:
        features = tf.train.Example.FromString(record).features.feature
        found.append({name: list(getattr(each, each.WhichOneof("kind")).value) for name, each in features.items()})
    assert found == [described(encoded, file) for encoded in several]


def test_more_records_than_are_compressed_at_a_time(tmp_path: Path) -> None:
    records = [str(number).encode() for number in range(2500)]
    write_shard(records, tmp_path / "shard")
    read = tf.data.TFRecordDataset(str(tmp_path / "shard"), "GZIP", buffer_size=1 << 16).as_numpy_iterator()
    assert list(read) == records


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        sha256 = write_gzip([b"content"] * 999, tmp_path / name)
        assert sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert gzip.decompress((tmp_path / "one").read_bytes()) == b"content" * 999
