"""From TFRecord shards to batches of padded subword ids, in an order that is a function of seed and epoch alone.

Batches hold pairs of like lengths and are padded to one of a few lengths, so that the network meets few
shapes. Two ways to make them:

    batch_tokens   a bucket for each of those lengths; a batch is full at that many target positions
    batch_pairs    the paper's (appendix B.2): read sorted_batches batches, sort them by length, cut

However many replicas share them, the batches are the same: ``shares`` cuts each into one equal part a replica.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import tensorflow as tf

from recipes import schema
from recipes.layout import END_ID, PADDING_ID, SOURCE, TARGET, WorkDirectory

SHUFFLE_PAIRS = 100_000


def bucket_lengths(longest: int) -> list[int]:
    """The lengths, in subwords, that batches are padded to: up to ``longest``, each about an eighth above the last."""
    lengths = [8]
    while lengths[-1] < longest:
        lengths.append(max(lengths[-1] + 4, math.ceil(lengths[-1] * 1.125 / 4) * 4))
    return lengths


def longest_pair(lengths: Mapping[str, int]) -> int:
    """Positions of the longest training pair, the end of sentence included; ``lengths`` as in the manifest."""
    return max(int(length) for length in lengths) + 1


def batches_per_epoch(lengths: Mapping[str, int], training: schema.Training) -> int:
    """How many batches ``training_batches`` makes of pairs whose longer sides have these ``lengths`` (manifest)."""
    if training.batch_pairs:
        # A window holds whole batches, so cutting window by window leaves only the last batch short.
        return math.ceil(sum(lengths.values()) / training.batch_pairs)
    buckets = bucket_lengths(longest_pair(lengths))
    pairs = dict.fromkeys(buckets, 0)
    for length, count in lengths.items():
        pairs[next(bucket for bucket in buckets if bucket >= int(length) + 1)] += count
    return sum(math.ceil(count / _pairs_of(bucket, training)) for bucket, count in pairs.items())


def training_batches(work: WorkDirectory, manifest: Mapping, training: schema.Training, epoch: int) -> tf.data.Dataset:
    """One epoch of (source, target), int32 [batch, length] each, ending in END_ID and padded with PADDING_ID."""
    lengths = manifest["lengths"]["train"]
    buckets = bucket_lengths(longest_pair(lengths))
    seed = training.seed * 100_003 + epoch
    pairs = _pairs(work, manifest, seed)
    if training.batch_pairs:
        return _sorted_batches(pairs, buckets, training)
    batches = pairs.bucket_by_sequence_length(
        lambda source, target: tf.maximum(tf.size(source), tf.size(target)),
        bucket_boundaries=[length + 1 for length in buckets],
        bucket_batch_sizes=[_pairs_of(length, training) for length in buckets] + [1],
        padding_values=PADDING_ID,
    )
    return _padded_to(buckets, batches)


def shares(batches: tf.data.Dataset, replicas: int, ours: range) -> tf.data.Dataset:
    """Of every batch the parts of those of the ``replicas`` that are ``ours``, one after the other.

    Each part is int32 [pairs / replicas, length], rounded up: where the pairs do not come out even, the last parts
    have rows of nothing but PADDING_ID, which add neither words nor loss. Shapes that differed between replicas would
    also be traced at different times, and collective operations that are traced in another order do not meet.
    """

    def cut(*sides: tf.Tensor) -> tf.data.Dataset:
        pairs = tf.shape(sides[0])[0]
        rows = (pairs + replicas - 1) // replicas

        def parts(side: tf.Tensor) -> tf.Tensor:
            filled = tf.pad(side, [[0, rows * replicas - pairs], [0, 0]], constant_values=PADDING_ID)
            return tf.reshape(filled, [replicas, rows, -1])[ours.start : ours.stop]

        return tf.data.Dataset.from_tensor_slices(tuple(map(parts, sides)))

    return batches.flat_map(cut).prefetch(tf.data.AUTOTUNE)


def _pairs(work: WorkDirectory, manifest: Mapping, seed: int) -> tf.data.Dataset:
    """Every training pair once, shuffled: (source, target), int32 [length], with the end of sentence."""
    names = sorted(name for name in manifest["shards"] if name.startswith("train-"))
    files = tf.data.Dataset.from_tensor_slices([str(work.data / name) for name in names])
    records = files.shuffle(len(names), seed=seed).interleave(
        lambda file: tf.data.TFRecordDataset(file, compression_type="GZIP"),
        cycle_length=8,
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    features = {name: tf.io.RaggedFeature(tf.int64) for name in (SOURCE, TARGET)}

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(record, features)
        return _with_end(example[SOURCE]), _with_end(example[TARGET])

    return records.shuffle(SHUFFLE_PAIRS, seed=seed).map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def _with_end(ids: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.cast(ids, tf.int32), [END_ID]], axis=0)


def _pairs_of(length: int, training: schema.Training) -> int:
    """Pairs in a batch of the bucket ``length``."""
    return max(1, (training.batch_tokens or 0) // length)


def _sorted_batches(pairs: tf.data.Dataset, buckets: list[int], training: schema.Training) -> tf.data.Dataset:
    size = training.batch_pairs or 1

    def cut(source: tf.RaggedTensor, target: tf.RaggedTensor) -> tf.data.Dataset:
        order = tf.argsort(tf.maximum(source.row_lengths(), target.row_lengths()), stable=True)
        window = tf.data.Dataset.from_tensor_slices((tf.gather(source, order), tf.gather(target, order)))
        return window.ragged_batch(size)

    windows = pairs.ragged_batch(size * training.sorted_batches)
    batches = windows.flat_map(cut).map(lambda *sides: tuple(side.to_tensor(PADDING_ID) for side in sides))
    return _padded_to(buckets, batches)


def _padded_to(buckets: list[int], batches: tf.data.Dataset) -> tf.data.Dataset:
    """Both sides padded further, each to the first of the lengths ``buckets`` that holds it."""

    def pad(side: tf.Tensor) -> tf.Tensor:
        length = tf.shape(side)[1]
        wanted = tf.reduce_min(tf.boolean_mask(buckets, tf.constant(buckets) >= length))
        return tf.pad(side, [[0, 0], [0, wanted - length]], constant_values=PADDING_ID)

    return batches.map(lambda *sides: tuple(map(pad, sides)), tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
