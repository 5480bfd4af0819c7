"""Dropout: which parts of the network are dropped in training, with random numbers of one seeded generator.

Embeddings, what upper layers read, and what the softmax reads lose values on their own at every position
(Srivastava et al. 2014). A state loses the same units at every time step, where it enters the matrix products of
its next step, and is itself passed on whole (variational recurrent dropout, Gal and Ghahramani 2016, section 4).
"""

from __future__ import annotations

import keras
import tensorflow as tf

from recipes import schema


class Dropouts(keras.layers.Layer):
    """All dropouts of a network; without ``training`` every one of them leaves values as they are.

    They share one generator, the network's only non-trainable variable: its state belongs in checkpoints.
    """

    def __init__(self, settings: schema.Model, seed: int):
        super().__init__(name="dropouts")
        self._embedding_rate = _either(settings.embedding_dropout, settings.dropout)
        self._layer_rate = _either(settings.layer_dropout, settings.dropout)
        self._readout_rate = _either(settings.readout_dropout, settings.dropout)
        self._recurrent_rate = settings.recurrent_dropout
        if any([self._embedding_rate, self._layer_rate, self._readout_rate, self._recurrent_rate]):
            self.random = keras.random.SeedGenerator(seed)

    def embeddings(self, embeddings: tf.Tensor, training: bool) -> tf.Tensor:
        """The embeddings of words, on either side: [..., embedding units]."""
        return self._dropped(embeddings, self._embedding_rate, training)

    def between_layers(self, outputs: tf.Tensor, training: bool) -> tf.Tensor:
        """The outputs of a layer, on their way to the layer above: [..., units]."""
        return self._dropped(outputs, self._layer_rate, training)

    def readout(self, maxout: tf.Tensor, training: bool) -> tf.Tensor:
        """What the softmax reads: [..., readout units]."""
        return self._dropped(maxout, self._readout_rate, training)

    def state_mask(self, batch: tf.Tensor, units: int, training: bool) -> tf.Tensor | None:
        """What a recurrence multiplies its previous states by: [batch, units], or None where nothing is dropped."""
        if not (training and self._recurrent_rate):
            return None
        return self._dropped(tf.ones([batch, units]), self._recurrent_rate, training)

    def _dropped(self, values: tf.Tensor, rate: float, training: bool) -> tf.Tensor:
        return keras.random.dropout(values, rate, seed=self.random) if training and rate else values


def _either(own: float | None, general: float) -> float:
    return general if own is None else own
