"""The encoders: from source embeddings to annotations (paper, section 3.2 and appendix A.2.1).

``BidirectionalEncoder`` is RNNsearch's: h_j joins the state that has read the sentence up to word j with
the one that has read it backwards down to word j. ``ForwardEncoder`` is the RNN Encoder-Decoder's, whose
last state is all that its decoder sees of the sentence.

Layers above the first read the states below and add their own to them (residual connections, as in Britz et al.
2017, section 4.3, and Wu et al. 2016, section 3.1).
"""

from __future__ import annotations

from typing import Protocol

import keras
import tensorflow as tf

from model.network.dropout import Dropouts
from model.network.gru import CLOSED, GRU
from model.network.initialization import Initializers
from model.network.normalization import LayerNormalization
from recipes import schema


class Encoder(Protocol):
    """What the network needs of an encoder; ``output_units`` is the size of what ``encode`` gives."""

    output_units: int

    def __init__(self, settings: schema.Model, initializers: Initializers, dropouts: Dropouts): ...

    @property
    def layers(self) -> list[tuple[GRU, ...]]:
        """The GRUs of every layer: that which reads forward, and that which reads backward where there is one. A layer
        above the first reads what the one below gives, and adds it to its own states."""

    def encode(self, embeddings: tf.Tensor, mask: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """What its decoder reads, and what the decoder's first state is made of, [batch, encoder units]."""

    def encoded(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The same, made of what the highest layer gives: [source length, batch, output units]."""


class BidirectionalEncoder(keras.layers.Layer):
    """Two GRUs of ``encoder_units`` each in every layer; those of the first layer read the embeddings."""

    def __init__(self, settings: schema.Model, initializers: Initializers, dropouts: Dropouts):
        super().__init__(name="encoder")
        self.output_units = 2 * settings.encoder_units
        self.dropouts = dropouts
        self.forward = _first_layer("forward", settings, initializers)
        self.backward = _first_layer("backward", settings, initializers)
        self.upper_forward = _upper_layers("forward", self.output_units, settings, initializers)
        self.upper_backward = _upper_layers("backward", self.output_units, settings, initializers)
        self.normalization = LayerNormalization(self.output_units, "annotations") if settings.layer_norm else None

    def encode(self, embeddings: tf.Tensor, mask: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Annotations [batch, source length, output units], and the backward half of the first word's.

        embeddings: [batch, source length, embedding units]; mask: bool [batch, source length], False at padding.
        """
        outputs = self._read_both_ways(self.forward, self.backward, tf.transpose(embeddings, [1, 0, 2]), mask, training)
        for forward, backward in zip(self.upper_forward, self.upper_backward, strict=True):
            inputs = self.dropouts.between_layers(outputs, training)
            outputs += self._read_both_ways(forward, backward, inputs, mask, training)
        return self.encoded(outputs)

    @property
    def layers(self) -> list[tuple[GRU, ...]]:
        """Forward and backward, of every layer."""
        return [(self.forward, self.backward), *zip(self.upper_forward, self.upper_backward, strict=True)]

    def encoded(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What ``encode`` gives, of the highest layer's outputs [source length, batch, output units]."""
        if self.normalization is not None:
            outputs = self.normalization.normalized(outputs)
        return tf.transpose(outputs, [1, 0, 2]), tf.split(outputs[0], 2, axis=1)[1]

    def _read_both_ways(
        self, forward: GRU, backward: GRU, inputs: tf.Tensor, mask: tf.Tensor, training: bool
    ) -> tf.Tensor:
        states = _read(forward, inputs, mask, self.dropouts, training)
        states_backward = _read(backward, inputs, mask, self.dropouts, training, backward=True)
        return tf.concat([states, states_backward], axis=2)


class ForwardEncoder(keras.layers.Layer):
    """A GRU of ``encoder_units`` in every layer; that of the first layer reads the embeddings."""

    def __init__(self, settings: schema.Model, initializers: Initializers, dropouts: Dropouts):
        super().__init__(name="encoder")
        self.output_units = settings.encoder_units
        self.dropouts = dropouts
        self.forward = _first_layer("forward", settings, initializers)
        self.upper_forward = _upper_layers("forward", self.output_units, settings, initializers)
        self.normalization = LayerNormalization(self.output_units, "annotations") if settings.layer_norm else None

    def encode(self, embeddings: tf.Tensor, mask: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Twice the output after the last word [batch, output units]; arguments as ``BidirectionalEncoder.encode``."""
        outputs = _read(self.forward, tf.transpose(embeddings, [1, 0, 2]), mask, self.dropouts, training)
        for gru in self.upper_forward:
            outputs += _read(gru, self.dropouts.between_layers(outputs, training), mask, self.dropouts, training)
        return self.encoded(outputs)

    @property
    def layers(self) -> list[tuple[GRU, ...]]:
        """One GRU in every layer."""
        return [(self.forward,), *((gru,) for gru in self.upper_forward)]

    def encoded(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What ``encode`` gives, of the highest layer's outputs [source length, batch, output units]."""
        summary = outputs[-1] if self.normalization is None else self.normalization.normalized(outputs[-1])
        return summary, summary


def _first_layer(name: str, settings: schema.Model, initializers: Initializers) -> GRU:
    return GRU(settings.embedding_units, settings.encoder_units, initializers, name, settings.layer_norm)


def _upper_layers(name: str, inputs: int, settings: schema.Model, initializers: Initializers) -> list[GRU]:
    return [
        GRU(inputs, settings.encoder_units, initializers, f"{name}_{number}", settings.layer_norm)
        for number in range(2, settings.encoder_layers + 1)
    ]


def _read(
    gru: GRU, inputs: tf.Tensor, mask: tf.Tensor, dropouts: Dropouts, training: bool, backward: bool = False
) -> tf.Tensor:
    """The states [source length, batch, units] of ``gru``; at padding the state stays what it was.

    inputs: [source length, batch, inputs of the GRU]; mask: bool [batch, source length].
    """
    gate_inputs = gate_inputs_of(gru, inputs, mask)
    batch = tf.shape(inputs)[1]
    initial = tf.zeros([batch, gru.units], gate_inputs.dtype)
    state_mask = dropouts.state_mask(batch, gru.units, training)
    return gru.run(gate_inputs, initial, backward, state_mask)


def gate_inputs_of(gru: GRU, inputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """W x + b of every gate, [source length, batch, 3 units], which keep the state as it is at padding; arguments as in
    ``_read``."""
    gate_inputs = gru.gate_inputs(inputs)
    padding = 1 - tf.cast(tf.transpose(mask), gate_inputs.dtype)
    closed = tf.constant([CLOSED] * gru.units + [0.0] * 2 * gru.units)
    return gate_inputs + tf.expand_dims(padding, 2) * closed
