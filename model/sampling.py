"""Subword regularisation: in every epoch other segmentations of the training sentences than the best ones.

With a unigram model one of all segmentations x is drawn, with a probability proportional to P(x)^alpha (Kudo 2018,
section 3.2, l infinite): the smaller alpha, the more they differ. With BPE every merge is left out with probability
alpha (Provilkov et al. 2020, algorithm 1): the larger, the more.

The shards hold the best segmentations, which batches are made of (model.batches); the sentences of a batch are drawn
anew when it is read. A sentence keeps its best segmentation where the other is too long, or reads otherwise, as it
may where a character is not in the vocabulary.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sentencepiece
import tensorflow as tf

from recipes.errors import UserError
from recipes.layout import END_ID, PADDING_ID, WorkDirectory

# SentencePiece's seed is one for the whole process.
_SEEDING = threading.Lock()


class Sampler:
    """Draws segmentations with the SentencePiece model in ``path``. Raises UserError where it cannot."""

    def __init__(self, path: Path, alpha: float):
        self._model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self._alpha = alpha
        try:
            self._draw([""], 0)
        except RuntimeError as error:
            raise UserError(
                f"{path} has one segmentation for every sentence; leave out training.subword_sampling"
            ) from error

    def sampled(self, sentences: Sequence[np.ndarray], seed: int, longest: int) -> list[np.ndarray]:
        """Another segmentation of each of ``sentences``, a function of them all and the ``seed`` below 2**32 - 1.

        Both are int32 [length], with neither END_ID nor padding; no new one is longer than ``longest``.
        """
        texts = self._model.decode([sentence.tolist() for sentence in sentences], num_threads=1)
        drawn = self._draw(texts, seed)
        read = self._model.decode(drawn, num_threads=1)
        return [
            np.array(ids, np.int32) if len(ids) <= longest and after == before else sentence
            for sentence, before, ids, after in zip(sentences, texts, drawn, read, strict=True)
        ]

    def _draw(self, texts: list[str], seed: int) -> list[list[int]]:
        with _SEEDING:
            sentencepiece.set_random_generator_seed(seed)
            # Of a list, in a thread that is made for it: a thread's random numbers begin with the seed when it is new.
            drawn: list[list[int]] = self._model.encode(
                texts, num_threads=1, enable_sampling=True, nbest_size=-1, alpha=self._alpha
            )
        return drawn


def samplers_of(work: WorkDirectory, joint: bool, alpha: float | None) -> tuple[Sampler, Sampler] | None:
    """Those of the source and of the target side, or None where there is no ``alpha``."""
    if alpha is None:
        return None
    source, target = (Sampler(work.subword_model(side, joint), alpha) for side in ("source", "target"))
    return source, target


def sampled_batches(
    batches: tf.data.Dataset,
    samplers: tuple[Sampler, Sampler],
    seeds: tuple[int, int],
    first: int,
    longest: int,
    fixed: bool = False,
) -> tf.data.Dataset:
    """``batches`` with other segmentations of both sides, each a function of its best ones, ``seeds`` and its number.

    batches: (source, target) as from model.batches; samplers: of source and target; seeds: of the training, and the
    epoch; first: the number of the first batch in the epoch. No sentence becomes longer than ``longest``, END_ID
    counted; with ``fixed``, than its batch, which keeps its shape.
    """

    def sample(number: int, *sides: np.ndarray) -> list[np.ndarray]:
        states = np.random.SeedSequence([*seeds, int(number)]).generate_state(2) >> 1
        return [
            _resampled(side, sampler, int(seed), longest, fixed)
            for side, sampler, seed in zip(sides, samplers, states, strict=True)
        ]

    def resample(number: tf.Tensor, sides: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        return tuple(
            tf.ensure_shape(side, [None, None]) for side in tf.numpy_function(sample, [number, *sides], [tf.int32] * 2)
        )

    return batches.enumerate(first).map(resample)


def _resampled(side: np.ndarray, sampler: Sampler, seed: int, longest: int, fixed: bool) -> np.ndarray:
    """One side of a batch, int32 [batch, length], with other segmentations; rows of nothing but padding stay."""
    rows, length = side.shape
    lengths = (side != PADDING_ID).sum(axis=1)
    sentences = [row[: count - 1] for row, count in zip(side, lengths, strict=True) if count]
    drawn = iter(sampler.sampled(sentences, seed, (length if fixed else longest) - 1))
    found = np.full((rows, length if fixed else longest), PADDING_ID, np.int32)
    for row in np.flatnonzero(lengths):
        ids = next(drawn)
        found[row, : len(ids)], found[row, len(ids)] = ids, END_ID
    return found if fixed else found[:, : (found != PADDING_ID).sum(axis=1).max()]
