"""Batches: every pair once an epoch, few shapes, an order that seed and epoch alone decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from model.data.batches import BUCKET_BATCHES, batches_per_epoch, bucket_lengths, fixed_shapes, shares, training_batches
from recipes import schema
from recipes.loading import load_recipe
from tests.model.shards import write_data
from tests.model.support import padded, random_pairs
from workspace.layout import END_ID, PADDING_ID, WorkDirectory
from workspace.marks import read_manifest

BY_TOKENS = schema.Training(batch_tokens=200)
BY_PAIRS = schema.Training(batch_pairs=8, sorted_batches=5)
UNSORTED = schema.Training(batch_pairs=8, sorted_batches=1)

Batches = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    return write_data(tmp_path_factory.mktemp("run"), load_recipe("tiny"))


@pytest.fixture(scope="module", params=[BY_TOKENS, BY_PAIRS], ids=["batch_tokens", "batch_pairs"])
def training(request: pytest.FixtureRequest) -> schema.Training:
    """Each of the two ways to size batches."""
    return request.param


@pytest.fixture(scope="module")
def batches(work: WorkDirectory[Path], training: schema.Training) -> Batches:
    """Those of the first epoch."""
    return epoch_of(work, training)


def epoch_of(work: WorkDirectory[Path], training: schema.Training, epoch: int = 0) -> Batches:
    return list(training_batches(work, read_manifest(work), training, epoch).as_numpy_iterator())


def pairs_of(batches: Batches) -> Iterator[Any]:
    for sources, targets in batches:
        for source, target in zip(sources, targets, strict=True):
            yield tuple(tuple(int(word) for word in side if word != PADDING_ID) for side in (source, target))


def stored_pairs(work: WorkDirectory[Path]) -> Iterator[Any]:
    for path in work.data.glob("train-*"):
        for record in tf.data.TFRecordDataset(str(path), compression_type="GZIP").as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            yield tuple((*feature[side].int64_list.value, END_ID) for side in ("source", "target"))


def test_every_pair_once_and_as_many_batches_as_foretold(
    work: WorkDirectory[Path], training: schema.Training, batches: Batches
) -> None:
    assert Counter(pairs_of(batches)) == Counter(stored_pairs(work))
    assert len(batches) == batches_per_epoch(read_manifest(work).lengths["train"], training)


@pytest.mark.parametrize("replicas", [1, 2, 3, 9])
def test_shares_of_all_replicas_make_up_the_batch(replicas: int) -> None:
    """All on one worker in turn, or on a worker each; 7 pairs for more replicas than that as well."""
    batch = [padded(list(side)).numpy() for side in zip(*random_pairs(7), strict=True)]
    batches = tf.data.Dataset.from_tensors(tuple(batch)).repeat(2)
    together = list(shares(batches, replicas, range(replicas)).as_numpy_iterator())
    apart = [list(shares(batches, replicas, range(one, one + 1)).as_numpy_iterator()) for one in range(replicas)]
    rows = -(-7 // replicas)
    for parts in (together[:replicas], together[replicas:], [worker[1] for worker in apart]):
        for side, *pieces in zip(batch, *parts, strict=True):
            assert {piece.shape for piece in pieces} == {(rows, side.shape[1])}
            whole = np.concatenate(pieces)
            np.testing.assert_array_equal(whole[:7], side)
            assert (whole[7:] == PADDING_ID).all()


def test_no_batch_is_longer_than_its_longest_pair(batches: Batches) -> None:
    for sides in batches:
        for side in sides:
            assert side.dtype == np.int32
            assert side.shape[1] == (side != PADDING_ID).sum(axis=1).max()


def test_little_is_padding(work: WorkDirectory[Path]) -> None:
    """Beside what the same pairs need in batches of the same size that are cut as they come."""
    pairs = list(stored_pairs(work))
    assert padding(epoch_of(work, BY_TOKENS)) < 0.05
    assert padding(epoch_of(work, schema.Training(batch_pairs=8, sorted_batches=1000))) < 0.05
    as_they_come = [pairs[at : at + 8] for at in range(0, len(pairs), 8)]
    in_any_order = [
        tuple(padded([list(pair[side]) for pair in some]).numpy() for side in (0, 1)) for some in as_they_come
    ]
    assert padding(in_any_order) > 0.1


def padding(batches: Sequence[tuple[np.ndarray, ...]]) -> float:
    """Share of positions that are padding."""
    sides = [side for batch in batches for side in batch]
    return 1 - sum(int((side != PADDING_ID).sum()) for side in sides) / sum(side.size for side in sides)


def test_batches_hold_constant_tokens(work: WorkDirectory[Path]) -> None:
    batches = epoch_of(work, BY_TOKENS)
    buckets = bucket_lengths(read_manifest(work).lengths["train"], BY_TOKENS)
    assert all(max(source.size, target.size) <= 200 for source, target in batches)
    full = sum(len(target) in [200 // bucket for bucket in buckets] for _, target in batches)
    assert full >= len(batches) - len(buckets)


def test_batches_of_the_paper_are_sorted_some_at_a_time(work: WorkDirectory[Path]) -> None:
    """Appendix B.2: whatever was read together is cut by length, so all its batches but one are of few lengths."""
    batches = epoch_of(work, BY_PAIRS)
    assert sorted(len(source) for source, _ in batches)[1:] == [8] * (len(batches) - 1)
    spread = [np.ptp((target != PADDING_ID).sum(axis=1)) for _, target in batches]
    alone = [np.ptp((target != PADDING_ID).sum(axis=1)) for _, target in epoch_of(work, UNSORTED)]
    assert np.mean(spread) < np.mean(alone) / 2


def test_lengths_of_batches_come_in_no_order(work: WorkDirectory[Path]) -> None:
    for training in (schema.Training(batch_tokens=40), schema.Training(batch_pairs=2, sorted_batches=1000)):
        lengths = [target.shape[1] for _, target in epoch_of(work, training)]
        assert len(lengths) > 100
        assert abs(np.corrcoef(lengths[1:], lengths[:-1])[0, 1]) < 0.3


def test_order_is_a_function_of_seed_and_epoch(
    work: WorkDirectory[Path], training: schema.Training, batches: Batches
) -> None:
    first = list(pairs_of(batches))
    assert first == list(pairs_of(epoch_of(work, training)))
    assert first != list(pairs_of(epoch_of(work, training, epoch=1)))
    other_seed = training.model_copy(update={"seed": 2})
    assert first != list(pairs_of(epoch_of(work, other_seed)))


@given(st.dictionaries(st.integers(1, 60), st.integers(1, 10_000), min_size=1), st.integers(1, 5000))
def test_buckets_are_narrow_but_hold_some_batches(lengths: dict[int, int], tokens: int) -> None:
    buckets = bucket_lengths(lengths, schema.Training(batch_tokens=tokens))
    assert buckets == sorted(set(buckets))
    assert buckets[-1] == max(lengths) + 1
    held = dict.fromkeys(buckets, 0.0)
    batches = {length + 1: count / max(1, tokens // (length + 1)) for length, count in lengths.items()}
    for positions, many in batches.items():
        held[next(bucket for bucket in buckets if bucket >= positions)] += many
    # Those before the last hold enough, and would not without their longest pairs.
    for bucket in buckets[:-1]:
        assert held[bucket] > BUCKET_BATCHES - 1e-6
        assert held[bucket] - batches[bucket] < BUCKET_BATCHES + 1e-6


def test_fixed_shapes_are_few_and_hold_the_same_batches(
    work: WorkDirectory[Path], training: schema.Training, batches: Batches
) -> None:
    manifest = read_manifest(work)
    shapes = fixed_shapes(manifest.lengths["train"], training)
    fixed = list(training_batches(work, manifest, training, epoch=0, fixed=True).as_numpy_iterator())
    for source, target in fixed:
        assert source.shape == target.shape
        assert source.shape in shapes
    full = [pair for pair in pairs_of(fixed) if pair != ((), ())]
    assert full == list(pairs_of(batches))
