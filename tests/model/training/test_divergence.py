"""Trainings that diverge: a sentence that names step, pairs and advice, and no checkpoint of what is no number."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.data.batches import training_batches
from model.training.divergence import DivergenceError, check_update, pairs_of
from model.training.loop import train
from model.training.state import newest_step
from tests.model.shards import recipe_for, write_data
from tests.model.support import small_network
from workspace.errors import UserError
from workspace.layout import END_ID, FILE, LINE, PADDING_ID, SOURCE, SOURCE_TEXT, TARGET, TARGET_TEXT, WorkDirectory
from workspace.marks import read_manifest


def stored(work: WorkDirectory[Path]) -> list[tuple[tuple[list[int], list[int]], dict[str, Any]]]:
    """Every training pair as a shard has it: ids with their end, and what it says of itself."""
    found = []
    for path in sorted(work.data.glob("train-*")):
        for record in tf.data.TFRecordDataset(str(path), compression_type="GZIP").as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            ids = tuple([*feature[side].int64_list.value, END_ID] for side in (SOURCE, TARGET))
            texts = {name: feature[name].bytes_list.value[0].decode() for name in (FILE, SOURCE_TEXT, TARGET_TEXT)}
            found.append((ids, {**texts, LINE: feature[LINE].int64_list.value[0]}))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.slow
def test_an_exploding_loss_names_the_step_and_the_pairs(accumulate: int, tmp_path: Path) -> None:
    """A rate that no weight survives: the second update's loss is no number, and it was on the second batch or, where
    two make an update, on the third and the fourth."""
    recipe = recipe_for(learning_rate=1e30, schedule="constant", checkpoint_seconds=3600, accumulate=accumulate)
    work = write_data(tmp_path / "run", recipe)
    with pytest.raises(UserError) as error:
        train(work, recipe)
    said = str(error.value)
    batches = training_batches(work, read_manifest(work), recipe.training, epoch=0)
    batch = list(batches.as_numpy_iterator())[accumulate : 2 * accumulate]
    count = sum(len(source) for source, _ in batch)
    pairs = f"the {count} pairs in {work.diverged} (numbers.en line "
    assert said.startswith(f"the loss became nan at step 2, with {pairs}")
    assert "; lower training.learning_rate, or reject pairs" in said
    assert "\n" not in said
    assert newest_step(work) == 0
    ids = [
        tuple([int(word) for word in side if word != PADDING_ID] for side in pair)
        for sides in batch
        for pair in zip(*sides, strict=True)
    ]
    expected = [described for pair, described in stored(work) if pair in ids]
    listed = [json.loads(line) for line in work.diverged.read_text(encoding="utf-8").splitlines()]
    by_line = [sorted(pairs, key=lambda pair: (pair[LINE], pair[SOURCE_TEXT])) for pairs in (listed, expected)]
    assert by_line[0] == by_line[1]
    assert len(listed) == count > 1


def test_pairs_that_are_the_same_are_all_found(tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", recipe_for())
    (shard, *_) = sorted(work.data.glob("train-*"))
    records = list(tf.data.TFRecordDataset(str(shard), compression_type="GZIP").as_numpy_iterator())
    with tf.io.TFRecordWriter(str(shard), "GZIP") as writer:
        for record in (*records, records[0]):
            writer.write(record)
    (source, target), described = stored(work)[0]
    # Padded as in a batch with longer pairs.
    sources, targets = ([np.array([*ids, PADDING_ID, PADDING_ID], np.int32)] for ids in (source, target))
    assert list(pairs_of(sources, targets, work, read_manifest(work))) == [described, described]


class Poison(keras.callbacks.Callback):
    """Makes a weight no number after a given update: that of a word which the loss does not depend on."""

    def __init__(self, step: int):
        super().__init__()
        self._step = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == self._step:
            embeddings = self.model.source_embeddings
            embeddings.assign(np.concatenate([np.full((1, embeddings.shape[1]), np.nan), embeddings.numpy()[1:]]))


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_never_kept(tmp_path: Path) -> None:
    recipe = recipe_for(checkpoint_seconds=0)
    work = write_data(tmp_path / "run", recipe)
    message = r"source_embeddings became infinite or no number at step 4, .* \(the checkpoint of step 3 is kept\)"
    with pytest.raises(UserError, match=message):
        train(work, recipe, callbacks=(Poison(4),))
    assert newest_step(work) == 3
    assert not work.training_mark.exists()


@pytest.mark.parametrize(
    ("loss", "norm", "said"),
    [
        (math.nan, 1.0, "the loss became nan"),
        (math.inf, 1.0, "the loss became inf"),
        (25.0, 1.0, "the loss became 25"),
        (1.0, math.nan, "the norm of the gradient became nan"),
        (1.0, math.inf, "the norm of the gradient became inf"),
    ],
)
def test_what_counts_as_divergence(loss: float, norm: float, said: str) -> None:
    """Of eleven words, guessing costs 2.4 nats."""
    network = small_network()
    check_update(10.0, 1e10, network)
    with pytest.raises(DivergenceError) as error:
        check_update(loss, norm, network)
    assert str(error.value) == said
