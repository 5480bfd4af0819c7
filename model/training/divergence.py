"""When a training diverges: that it does, on which pairs, and what to do about it."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from model.network.network import Network
from model.training.state import newest_step
from workspace.errors import UserError
from workspace.layout import FILE, LINE, PADDING_ID, SOURCE, SOURCE_TEXT, TARGET, TARGET_TEXT, WorkDirectory
from workspace.marks import Manifest
from workspace.storage import write_text

# A loss so many times that of a network that takes every word for as likely as any other is on no way back.
FAR_WORSE_THAN_GUESSING = 10
_NAMED, _RECORDS_AT_A_TIME = 3, 1000


class DivergenceError(Exception):
    """The training diverges; the text says by what that shows."""


def check_update(loss: float, gradient_norm: float, network: Network) -> None:
    """Raises DivergenceError where an update's ``loss``, in nats a word, or gradient shows it."""
    vocabulary = network.target_embeddings.shape[0]
    if not math.isfinite(loss) or loss > FAR_WORSE_THAN_GUESSING * math.log(vocabulary):
        raise DivergenceError(f"the loss became {loss:.4g}")
    if not math.isfinite(gradient_norm):
        raise DivergenceError(f"the norm of the gradient became {gradient_norm}")


def check_state(numbers: Mapping[str, tf.Variable]) -> None:
    """Raises DivergenceError where a number of weights or optimizer is not finite, which the loss may not show yet."""
    for name, variable in numbers.items():
        if not bool(tf.reduce_all(tf.math.is_finite(variable))):
            raise DivergenceError(f"{name} became infinite or no number")


def diverged(
    what: DivergenceError,
    step: int,
    work: WorkDirectory,
    manifest: Manifest,
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
) -> UserError:
    """The error for ``what`` was found at update ``step``, whose pairs it lists in a file.

    sources, targets: of every pair int32 [length], as in a batch of model.data.batches.
    """
    pairs = sorted(pairs_of(sources, targets, work, manifest), key=lambda pair: (pair[FILE], pair[LINE]))
    write_text(work.diverged, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
    named = ", ".join(f"{pair[FILE]} line {pair[LINE]}" for pair in pairs[:_NAMED])
    kept = newest_step(work)
    return UserError(
        f"{what} at step {step}, with the {len(pairs)} pairs in {work.diverged} ({named} …); lower "
        "training.learning_rate, or reject pairs that should not be there, and train again"
        + (f" (the checkpoint of step {kept} is kept)" if kept else "")
    )


def pairs_of(
    sources: Sequence[np.ndarray], targets: Sequence[np.ndarray], work: WorkDirectory, manifest: Manifest
) -> Iterator[dict[str, Any]]:
    """The training pairs with these subwords: file, line and text; of pairs that are the same, each.

    The shards know where their pairs come from, the batches do not, for it is needed so seldom.
    """
    wanted = {_key(*map(_without_padding, pair)).numpy() for pair in zip(sources, targets, strict=True)}
    names = manifest.shards_of("train")
    records = tf.data.TFRecordDataset([str(work.data / name) for name in names], compression_type="GZIP")
    ids = {name: tf.io.RaggedFeature(tf.int64) for name in (SOURCE, TARGET)}
    texts = {name: tf.io.FixedLenFeature([], tf.string) for name in (FILE, SOURCE_TEXT, TARGET_TEXT)}
    features = {**ids, **texts, LINE: tf.io.FixedLenFeature([], tf.int64)}

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        example = tf.io.parse_single_example(record, features)
        return _key(example[SOURCE], example[TARGET]), {name: example[name] for name in (FILE, LINE, *texts)}

    for keys, described in (
        records.map(parse, tf.data.AUTOTUNE).batch(_RECORDS_AT_A_TIME).prefetch(1).as_numpy_iterator()
    ):
        for index in itertools.compress(range(len(keys)), (key in wanted for key in keys)):
            pair = {name: values[index] for name, values in described.items()}
            yield {name: value.decode() if isinstance(value, bytes) else int(value) for name, value in pair.items()}


def _without_padding(ids: np.ndarray) -> np.ndarray:
    """The subwords of a sentence as a shard has them: with neither padding nor the end of sentence."""
    return ids[ids != PADDING_ID][:-1].astype(np.int64)


def _key(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """A string that only pairs of the same subwords share."""
    sides = (tf.strings.reduce_join(tf.strings.as_string(ids), separator=" ") for ids in (source, target))
    return tf.strings.join(tuple(sides), separator="\t")
