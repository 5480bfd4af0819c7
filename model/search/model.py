"""What a search needs of a translation model. ``model.network.network.Network`` is one; so is all that has these."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf


class Read(Protocol):
    """What a model has read of a batch: a structure of tensors, each with one row for every sentence, so that a search
    can leave out finished ones."""

    @property
    def initial_state(self) -> tf.Tensor:
        """Before the first word: [batch, units]."""


class Next(Protocol):
    """What a model makes of one target position."""

    @property
    def logits(self) -> tf.Tensor:
        """Of the next word, float32 [batch * k, vocabulary]."""

    @property
    def state(self) -> tf.Tensor:
        """After it: [batch * k, units]."""

    @property
    def alignment(self) -> tf.Tensor:
        """[batch * k, source length], or [batch * k, 0] where the model has none."""


class TranslationModel(Protocol):
    """Reads sentences, then gives the words of k translations of each, one by one."""

    @property
    def attends(self) -> bool:
        """Whether it has an alignment."""

    def read(self, source: tf.Tensor) -> Any:
        """A ``Read`` of int32 [batch, source length]."""

    def output_kernel(self) -> tf.Tensor:
        """What ``step`` makes logits with; a loop takes it once, before it begins."""

    def step(self, read: Any, state: tf.Tensor, previous: tf.Tensor, output_kernel: tf.Tensor) -> Next:
        """The next target word after ``state`` [batch * k, units] and the words ``previous``, int32 [batch * k].

        Both are of k translations of every sentence, side by side; PADDING_ID stands for a sentence's beginning.
        """
