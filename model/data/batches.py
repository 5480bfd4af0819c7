"""From TFRecord shards to batches of padded subword ids, in an order that is a function of seed and epoch alone.

    read, shuffle ──► windows of some batches ──► sort by length, cut ──► pad ──► shuffle the batches

Pairs of similar length share a batch, so little of it is padding. Two ways to make the windows:

    batch_tokens   pairs whose longer sides are alike (``bucket_lengths``); a batch is full at that many positions
    batch_pairs    the paper's (appendix B.2): the next sorted_batches batches, whatever their lengths

The batches are the same however many replicas share them: ``shares`` cuts each into equal parts, one a replica.
XLA, which a TPU needs, compiles a program for every shape: there a batch has one of a few (``fixed_shapes``).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping

import tensorflow as tf

from recipes import schema
from workspace.layout import END_ID, PADDING_ID, SOURCE, TARGET, WorkDirectory
from workspace.marks import Manifest

SHUFFLE_PAIRS = 100_000
SHUFFLE_BATCHES = 1000
# Batches of a bucket in one window, and the fewest in the whole corpus: the more, the less padding.
BUCKET_BATCHES = 20


def bucket_lengths(lengths: Mapping[int, int], training: schema.Training) -> list[int]:
    """The longest pair of every bucket, in positions; ``lengths`` as in the manifest.

    Chosen from the data: a bucket is as narrow as it can be and still hold ``BUCKET_BATCHES`` of pairs.
    """
    buckets = []
    waiting = 0.0
    ordered = sorted((length + 1, count) for length, count in lengths.items())
    for positions, count in ordered:
        waiting += count / _pairs_of(positions, training)
        if waiting >= BUCKET_BATCHES:
            buckets.append(positions)
            waiting = 0.0
    longest = ordered[-1][0]
    return buckets if buckets and buckets[-1] == longest else [*buckets, longest]


def batches_per_epoch(lengths: Mapping[int, int], training: schema.Training) -> int:
    """How many batches ``training_batches`` makes of pairs whose longer sides have these ``lengths`` (manifest)."""
    if training.batch_pairs:
        # A window holds whole batches, so cutting window by window leaves only the last batch short.
        return math.ceil(sum(lengths.values()) / training.batch_pairs)
    buckets = bucket_lengths(lengths, training)
    pairs = [0] * len(buckets)
    for length, count in lengths.items():
        pairs[bisect.bisect_left(buckets, length + 1)] += count
    return sum(math.ceil(count / _pairs_of(bucket, training)) for bucket, count in zip(buckets, pairs, strict=True))


def fixed_shapes(lengths: Mapping[int, int], training: schema.Training) -> list[tuple[int, int]]:
    """The shapes [batch, length] that both sides of a batch have where shapes are fixed."""
    return [(_pairs_of(bucket, training), bucket) for bucket in bucket_lengths(lengths, training)]


def training_batches(
    work: WorkDirectory, manifest: Manifest, training: schema.Training, epoch: int, fixed: bool = False
) -> tf.data.Dataset:
    """One epoch of (source, target), int32 [batch, length] each, ending in END_ID and padded with PADDING_ID.

    With ``fixed`` both sides have the same one of ``fixed_shapes``, filled up with rows of nothing but padding.
    """
    seed = training.seed * 100_003 + epoch
    pairs = _pairs(work, manifest, seed)
    if training.batch_pairs:
        size = training.batch_pairs
        windows = pairs.ragged_batch(size * training.sorted_batches)
        batches = windows.flat_map(lambda source, target: _cut(source, target, size))
    else:
        batches = _bucket_batches(pairs, manifest.lengths["train"], training)
    if fixed:
        batches = _fixed(batches, fixed_shapes(manifest.lengths["train"], training))
    return batches.shuffle(SHUFFLE_BATCHES, seed=seed).prefetch(tf.data.AUTOTUNE)


def shares(batches: tf.data.Dataset, replicas: int, ours: range) -> tf.data.Dataset:
    """The parts of every batch for those of the ``replicas`` that are ``ours``, one after the other.

    Each part is int32 [pairs / replicas, length], rounded up: where the pairs cannot be shared evenly, the last parts
    have rows of nothing but PADDING_ID, which add neither words nor loss. For shapes that differ between replicas
    are traced at different times, and collective operations that are traced in different orders do not meet.
    """

    def cut(*sides: tf.Tensor) -> tf.data.Dataset:
        pairs = tf.shape(sides[0])[0]
        rows = (pairs + replicas - 1) // replicas

        def parts(side: tf.Tensor) -> tf.Tensor:
            filled = tf.pad(side, [[0, rows * replicas - pairs], [0, 0]], constant_values=PADDING_ID)
            return tf.reshape(filled, [replicas, rows, -1])[ours.start : ours.stop]

        return tf.data.Dataset.from_tensor_slices(tuple(map(parts, sides)))

    return batches.flat_map(cut).prefetch(tf.data.AUTOTUNE)


def _pairs(work: WorkDirectory, manifest: Manifest, seed: int) -> tf.data.Dataset:
    """Every training pair once, shuffled: (source, target), int32 [length], with the end of sentence."""
    names = manifest.shards_of("train")
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


def _bucket_batches(pairs: tf.data.Dataset, lengths: Mapping[int, int], training: schema.Training) -> tf.data.Dataset:
    buckets = bucket_lengths(lengths, training)
    sizes = tf.constant([_pairs_of(bucket, training) for bucket in buckets], tf.int64)

    def bucket_of(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        return tf.searchsorted(buckets, [tf.maximum(tf.size(source), tf.size(target))], out_type=tf.int64)[0]

    windows = pairs.group_by_window(
        key_func=bucket_of,
        reduce_func=lambda bucket, window: window.ragged_batch(sizes[bucket] * BUCKET_BATCHES).map(
            lambda *sides: (*sides, sizes[bucket])
        ),
        window_size_func=lambda bucket: sizes[bucket] * BUCKET_BATCHES,
    )
    return windows.flat_map(_cut)


def _pairs_of(length: int, training: schema.Training) -> int:
    """Pairs in a batch of the bucket ``length``."""
    return training.batch_pairs or max(1, (training.batch_tokens or 0) // length)


def _cut(source: tf.RaggedTensor, target: tf.RaggedTensor, size: int | tf.Tensor) -> tf.data.Dataset:
    """A window's pairs in batches of ``size``: sorted by the target, whose positions cost most, then by the source.

    Equally long pairs stay in the order in which they come, that of the shuffle.
    """
    lengths = target.row_lengths() * (tf.reduce_max(source.row_lengths()) + 1) + source.row_lengths()
    order = tf.argsort(lengths, stable=True)
    sides = [tf.gather(side, order) for side in (source, target)]
    size = tf.cast(size, tf.int64)

    def batch(number: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tuple(side[number * size : (number + 1) * size].to_tensor(PADDING_ID) for side in sides)

    return tf.data.Dataset.range((source.nrows() + size - 1) // size).map(batch)


def _fixed(batches: tf.data.Dataset, shapes: list[tuple[int, int]]) -> tf.data.Dataset:
    """Both sides of every batch filled up to the first of ``shapes`` that is long enough."""
    rows, lengths = (tf.constant(sizes) for sizes in zip(*shapes, strict=True))

    def fill(*sides: tf.Tensor) -> tuple[tf.Tensor, ...]:
        longest = tf.reduce_max([tf.shape(side)[1] for side in sides])
        place = tf.searchsorted(lengths, [longest])[0]
        shape = tf.stack([rows[place], lengths[place]])
        return tuple(
            tf.pad(side, tf.stack([[0, 0], shape - tf.shape(side)], axis=1), constant_values=PADDING_ID)
            for side in sides
        )

    return batches.map(fill)
