"""The encoders: from source embeddings to annotations (paper, section 3.2 and appendix A.2.1).

``BidirectionalEncoder`` is RNNsearch's: h_j joins the state that has read the sentence up to word j with
the one that has read it backwards down to word j. ``ForwardEncoder`` is the RNN Encoder-Decoder's, whose
last state is all that its decoder sees of the sentence.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from model.dropout import Dropouts
from model.gru import CLOSED, GRU
from model.initialization import Initializers


class BidirectionalEncoder(keras.layers.Layer):
    """Two GRUs of ``units`` each over embeddings of ``embedding_units``."""

    def __init__(self, embedding_units: int, units: int, initializers: Initializers, dropouts: Dropouts):
        super().__init__(name="encoder")
        self.dropouts = dropouts
        self.forward = GRU(embedding_units, units, initializers, name="forward")
        self.backward = GRU(embedding_units, units, initializers, name="backward")

    def annotate(self, embeddings: tf.Tensor, mask: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Annotations [batch, source length, 2 units] and the backward state at the first word [batch, units].

        embeddings: [batch, source length, embedding units]; mask: bool [batch, source length], False at padding.
        """
        forward = _read(self.forward, embeddings, mask, self.dropouts, training)
        backward = _read(self.backward, embeddings, mask, self.dropouts, training, backward=True)
        annotations = tf.transpose(tf.concat([forward, backward], axis=2), [1, 0, 2])
        return annotations, backward[0]


class ForwardEncoder(keras.layers.Layer):
    """One GRU of ``units`` over embeddings of ``embedding_units``."""

    def __init__(self, embedding_units: int, units: int, initializers: Initializers, dropouts: Dropouts):
        super().__init__(name="encoder")
        self.dropouts = dropouts
        self.forward = GRU(embedding_units, units, initializers, name="forward")

    def summarize(self, embeddings: tf.Tensor, mask: tf.Tensor, training: bool) -> tf.Tensor:
        """The state after the last word [batch, units]; arguments as ``BidirectionalEncoder.annotate``."""
        return _read(self.forward, embeddings, mask, self.dropouts, training)[-1]


def _read(
    gru: GRU, embeddings: tf.Tensor, mask: tf.Tensor, dropouts: Dropouts, training: bool, backward: bool = False
) -> tf.Tensor:
    """The states [source length, batch, units] of ``gru``; at padding the state stays what it was."""
    gate_inputs = gru.gate_inputs(tf.transpose(embeddings, [1, 0, 2]))
    padding = 1 - tf.cast(tf.transpose(mask), gate_inputs.dtype)
    closed = tf.constant([CLOSED] * gru.units + [0.0] * 2 * gru.units)
    batch = tf.shape(embeddings)[0]
    initial = tf.zeros([batch, gru.units], gate_inputs.dtype)
    state_mask = dropouts.state_mask(batch, gru.units, training)
    return gru.run(gate_inputs + padding[:, :, None] * closed, initial, backward, state_mask)
