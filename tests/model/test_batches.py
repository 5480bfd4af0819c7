"""Batches: every pair once an epoch, few shapes, an order that seed and epoch alone decide."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.batches import batches_per_epoch, bucket_lengths, shares, training_batches
from recipes import schema
from recipes.files import read_json
from recipes.layout import END_ID, PADDING_ID, WorkDirectory
from recipes.loading import load_recipe
from tests.model.conftest import padded, random_pairs
from tests.model.shards import write_data

BY_TOKENS = schema.Training(batch_tokens=200)
BY_PAIRS = schema.Training(batch_pairs=8, sorted_batches=5)
EITHER = pytest.mark.parametrize("training", [BY_TOKENS, BY_PAIRS], ids=["batch_tokens", "batch_pairs"])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory:
    return write_data(tmp_path_factory.mktemp("run"), load_recipe("tiny"))


def epoch_of(work: WorkDirectory, training: schema.Training, epoch: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(training_batches(work, read_json(work.manifest), training, epoch).as_numpy_iterator())


def pairs_of(batches: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[Any]:
    for sources, targets in batches:
        for source, target in zip(sources, targets, strict=True):
            yield tuple(tuple(int(word) for word in side if word != PADDING_ID) for side in (source, target))


def stored_pairs(work: WorkDirectory) -> Iterator[Any]:
    for path in work.data.glob("train-*"):
        for record in tf.data.TFRecordDataset(str(path), compression_type="GZIP").as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            yield tuple((*feature[side].int64_list.value, END_ID) for side in ("source", "target"))


@EITHER
def test_every_pair_once_and_as_many_batches_as_foretold(work: WorkDirectory, training: schema.Training) -> None:
    batches = epoch_of(work, training)
    assert Counter(pairs_of(batches)) == Counter(stored_pairs(work))
    assert len(batches) == batches_per_epoch(read_json(work.manifest)["lengths"]["train"], training)


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


@EITHER
def test_batches_have_few_shapes_and_no_needless_padding(work: WorkDirectory, training: schema.Training) -> None:
    lengths = bucket_lengths(100)
    for source, target in epoch_of(work, training):
        for side in (source, target):
            assert side.dtype == np.int32
            longest = int((side != PADDING_ID).sum(axis=1).max())
            assert side.shape[1] == next(length for length in lengths if length >= longest)


def test_batches_hold_constant_tokens(work: WorkDirectory) -> None:
    batches = epoch_of(work, BY_TOKENS)
    assert all(target.size <= 200 for _, target in batches)
    full = sum(len(target) == 200 // max(source.shape[1], target.shape[1]) for source, target in batches)
    assert full >= len(batches) - len(bucket_lengths(100))


def test_paper_batches_are_sorted_twenty_at_a_time(work: WorkDirectory) -> None:
    batches = epoch_of(work, BY_PAIRS)
    assert [len(source) for source, _ in batches[:-1]] == [8] * (len(batches) - 1)
    for begin in range(0, len(batches), 5):
        longest = [max(map(len, pair)) for pair in pairs_of(batches[begin : begin + 5])]
        assert longest == sorted(longest)


@EITHER
def test_order_is_a_function_of_seed_and_epoch(work: WorkDirectory, training: schema.Training) -> None:
    first = list(pairs_of(epoch_of(work, training)))
    assert first == list(pairs_of(epoch_of(work, training)))
    assert first != list(pairs_of(epoch_of(work, training, epoch=1)))
    other_seed = training.model_copy(update={"seed": 2})
    assert first != list(pairs_of(epoch_of(work, other_seed)))


@pytest.mark.parametrize("longest", [1, 8, 9, 51, 101, 1000])
def test_bucket_lengths_rise_gently_past_the_longest(longest: int) -> None:
    lengths = bucket_lengths(longest)
    assert lengths == sorted(set(lengths))
    assert lengths[-1] >= longest
    assert all(after <= max(before + 4, before * 1.125 + 4) for before, after in itertools.pairwise(lengths))
