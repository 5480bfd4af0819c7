"""What TensorFlow reads of the shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from workspace.layout import FILE, LINE, SOURCE, SOURCE_TEXT, TARGET, TARGET_TEXT, WorkDirectory

FEATURES = {
    SOURCE: tf.io.RaggedFeature(tf.int64),
    TARGET: tf.io.RaggedFeature(tf.int64),
    SOURCE_TEXT: tf.io.FixedLenFeature([], tf.string),
    TARGET_TEXT: tf.io.FixedLenFeature([], tf.string),
    FILE: tf.io.FixedLenFeature([], tf.string),
    LINE: tf.io.FixedLenFeature([], tf.int64),
}


def records(work: WorkDirectory[Path], split: str) -> list[dict[str, Any]]:
    """The records of a split as TensorFlow reads them, shard by shard: ids as lists, text as bytes."""
    found: list[dict[str, Any]] = []
    for path in sorted(work.data.glob(f"{split}-*.tfrecord.gz")):
        shard = list(tf.data.TFRecordDataset(str(path), compression_type="GZIP", buffer_size=1 << 18))
        if shard:
            parsed = tf.io.parse_example(tf.stack(shard), FEATURES)
            columns = {
                name: values.to_list() if isinstance(values, tf.RaggedTensor) else values.numpy().tolist()
                for name, values in parsed.items()
            }
            found += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return found
