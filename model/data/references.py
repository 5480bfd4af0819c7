"""The dev and test sets as text: what is translated, and what people translated it to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from workspace.errors import UserError
from workspace.layout import LINE, SOURCE_TEXT, TARGET_TEXT, Split, WorkDirectory
from workspace.locations import Location, located
from workspace.marks import Manifest, check_prepared
from workspace.storage import reading
from workspace.text_lines import text_lines

_RECORDS_AT_A_TIME = 1000


class References(NamedTuple):
    """Sentences and their reference translations, in the order of the shards."""

    sources: list[str]
    targets: list[str]


def read_references(work: WorkDirectory, manifest: Manifest, split: Split) -> References:
    """The text of the split "dev" or "test". Raises UserError where its shards are missing or damaged."""
    check_prepared(work, manifest, split)
    sources, targets = [], []
    for feature in features(work, manifest.shards_of(split)):
        sources.append(feature[SOURCE_TEXT].bytes_list.value[0].decode())
        targets.append(feature[TARGET_TEXT].bytes_list.value[0].decode())
    return References(sources, targets)


def further_references(work: WorkDirectory, manifest: Manifest, paths: Sequence[str]) -> list[list[str]]:
    """For each of the files of ``evaluation.references``, its translations of the test set, in the order of the
    shards: the shards have the line that every sentence was in.

    Raises UserError where a file cannot be read, has another number of lines than the test set, or none for a sentence.
    """
    numbers = [feature[LINE].int64_list.value[0] for feature in features(work, manifest.shards_of("test"))]
    return [_of_lines(located(path), numbers, manifest.corpora["test"].read) for path in paths]


def features(work: WorkDirectory, shards: Sequence[str]) -> Iterator[Any]:
    """The features (workspace.layout) of every pair in the shards of these names, in their order."""
    for record in _records(work, shards).as_numpy_iterator():
        yield tf.train.Example.FromString(record).features.feature


def target_texts(work: WorkDirectory, manifest: Manifest, split: Split) -> Iterator[str]:
    """The target of every pair of a split, in the order of the shards, ten times as fast as ``read_references``."""
    wanted = {TARGET_TEXT: tf.io.FixedLenFeature([], tf.string)}
    batches = _records(work, manifest.shards_of(split)).batch(_RECORDS_AT_A_TIME)
    for batch in batches.map(lambda records: tf.io.parse_example(records, wanted)[TARGET_TEXT]).as_numpy_iterator():
        for text in batch:
            yield text.decode()


def _records(work: WorkDirectory, shards: Sequence[str]) -> tf.data.Dataset:
    return tf.data.TFRecordDataset([str(work.data / name) for name in shards], compression_type="GZIP")


def _of_lines(path: Location, numbers: Sequence[int], count: int) -> list[str]:
    """The text in these lines of a file, which must have ``count``; white space as the preparation leaves it."""
    advice = "line n must be the translation of line n of the test set's source"
    try:
        with reading(path) as file:
            lines = [" ".join(line.split()) for line in text_lines(file, str(path))]
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or 'no such file'}; mend evaluation.references (TEST_TGT=)"
        ) from error
    if len(lines) != count:
        raise UserError(f"{path} has {len(lines):,} lines, but the test set {count:,}; {advice}")
    if empty := next((number for number in numbers if not lines[number - 1]), None):
        raise UserError(f"{path}: line {empty:,} is empty; {advice}")
    return [lines[number - 1] for number in numbers]


def spread_by_length(sentences: Sequence[str], count: int) -> list[str]:
    """``count`` of the sentences, from short to long, neither the shortest nor the longest."""
    by_length = sorted(sentences, key=len)
    return [by_length[len(by_length) * place // (count + 1)] for place in range(1, count + 1)]
