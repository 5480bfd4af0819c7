"""The dev and test sets as text: what is translated, and what people translated it to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from workspace.layout import SOURCE_TEXT, TARGET_TEXT, Split, WorkDirectory
from workspace.marks import Manifest, check_prepared


class References(NamedTuple):
    """Sentences and their reference translations, in the order of the shards."""

    sources: list[str]
    targets: list[str]


def read_references(work: WorkDirectory, manifest: Manifest, split: Split) -> References:
    """The text of the split "dev" or "test". Raises UserError where its shards are missing or damaged."""
    check_prepared(work, manifest, split)
    records = tf.data.TFRecordDataset(
        [str(work.data / name) for name in manifest.shards_of(split)], compression_type="GZIP"
    )
    sources, targets = [], []
    for record in records.as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        sources.append(feature[SOURCE_TEXT].bytes_list.value[0].decode())
        targets.append(feature[TARGET_TEXT].bytes_list.value[0].decode())
    return References(sources, targets)


def spread_by_length(sentences: Sequence[str], count: int) -> list[str]:
    """``count`` of the sentences, from short to long, neither the shortest nor the longest."""
    by_length = sorted(sentences, key=len)
    return [by_length[len(by_length) * place // (count + 1)] for place in range(1, count + 1)]
