"""Initial weights: the paper's (appendix B.1), or Glorot's with the paper's orthogonal recurrence."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal

import keras
import tensorflow as tf

Initializer = Callable[..., tf.Tensor]


class Initializers:
    """One initializer for each kind of weight.

    recurrent: the square matrices U that multiply a previous state: orthogonal.
    alignment: W_a and U_a; alignment_vector: v_a. embedding: rows of E. other: everything else.
    tied_embedding: rows of an E that is the softmax matrix too: of variance 1 / units, so that the logits
    begin as large as what the softmax reads, however many units that has.
    Biases begin at zero. Every weight gets a seed of its own, drawn in the order of creation from ``seed``.
    """

    def __init__(self, kind: Literal["glorot", "paper"], seed: int):
        self._paper = kind == "paper"
        self._seeds = itertools.count(seed * 1_000_003)
        self.bias: Initializer = keras.initializers.Zeros()

    @property
    def other(self) -> Initializer:
        return self._normal(0.01) if self._paper else keras.initializers.GlorotUniform(self._seed())

    @property
    def embedding(self) -> Initializer:
        return self._normal(0.01) if self._paper else keras.initializers.RandomUniform(-0.1, 0.1, self._seed())

    def tied_embedding(self, units: int) -> Initializer:
        return self._normal(0.01 if self._paper else units**-0.5)

    @property
    def alignment(self) -> Initializer:
        return self._normal(0.001) if self._paper else keras.initializers.GlorotUniform(self._seed())

    @property
    def alignment_vector(self) -> Initializer:
        return keras.initializers.Zeros() if self._paper else keras.initializers.RandomUniform(-0.1, 0.1, self._seed())

    @property
    def recurrent(self) -> Initializer:
        return keras.initializers.Orthogonal(seed=self._seed())

    def beside(self, blocks: int, kind: Callable[[], Initializer]) -> Initializer:
        """An initializer for ``blocks`` matrices side by side, each initialised on its own."""
        initializers = [kind() for _ in range(blocks)]

        def initialize(shape: tuple[int, int], dtype: Any = None) -> tf.Tensor:
            block = (shape[0], shape[1] // blocks)
            return tf.concat([initializer(block, dtype=dtype) for initializer in initializers], axis=1)

        return initialize

    def _normal(self, deviation: float) -> Initializer:
        return keras.initializers.RandomNormal(0.0, deviation, self._seed())

    def _seed(self) -> int:
        return next(self._seeds)
