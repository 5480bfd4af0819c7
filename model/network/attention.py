"""The alignment model: additive attention (paper, section 3.1, equations 5 and 6, and appendix A.1.2).

    e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j)
    alpha_ij = exp(e_ij) / sum_k exp(e_ik)
    c_i = sum_j alpha_ij h_j

U_a h_j does not depend on the target position and is computed once a sentence (``project``).
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from model.network.initialization import Initializers
from model.network.operations import product

# Added to the energy of a padded position; its weight is 0 in float32.
EXCLUDED = -1e9


class Attended(NamedTuple):
    """What one target position sees of the source; k as in ``attend``.

    context: [batch * k, annotation units]; alignment: [batch * k, source length], rows sum to 1;
    hidden: tanh(W_a s + U_a h), [batch * k, source length, alignment units].
    """

    context: tf.Tensor
    alignment: tf.Tensor
    hidden: tf.Tensor


def attend(
    query: tf.Tensor,
    annotations: tf.Tensor,
    projected: tf.Tensor,
    exclusion: tf.Tensor,
    vector: tf.Tensor,
    known_k: int | None = None,
) -> Attended:
    """Attention for one target position of k translations of every sentence: one in training, a beam in search.

    query: W_a s_{i-1}, [batch * k, alignment units], those of a sentence side by side; annotations: h, [batch, source
    length, annotation units]; projected: U_a h, [batch, source length, alignment units]; exclusion: [batch, source
    length], 0 or EXCLUDED; vector: v_a, [alignment units]; known_k: k, for LiteRT, which then knows all shapes before
    it begins, and which makes sums faster than it makes products by a vector.
    """
    units = vector.shape[0]
    batch, length = tf.unstack(tf.shape(exclusion))
    if known_k:
        k = known_k
        hidden = tf.tanh(tf.expand_dims(projected, 1) + tf.reshape(query, [-1, k, 1, units]))
        energies = tf.reduce_sum(hidden * vector, axis=3)
    else:
        k = tf.shape(query)[0] // tf.maximum(1, batch)
        hidden = tf.tanh(tf.expand_dims(projected, 1) + tf.reshape(query, [batch, k, 1, units]))
        energies = tf.reshape(tf.linalg.matvec(tf.reshape(hidden, [-1, units]), vector), [batch, k, length])
    alignment = tf.nn.softmax(energies + tf.expand_dims(exclusion, 1))
    context = tf.matmul(alignment, annotations)
    return Attended(
        tf.reshape(context, [-1, annotations.shape[2]]),
        tf.reshape(alignment, [batch * k, length]),
        tf.reshape(hidden, [batch * k, length, units]),
    )


def attend_gradients(
    d_context: tf.Tensor, attended_alignment: tf.Tensor, hidden: tf.Tensor, annotations: tf.Tensor, vector: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of one target position: of tanh's argument [batch, source length, alignment units] and of v_a."""
    d_alignment = tf.linalg.matvec(annotations, d_context)
    mean = tf.reduce_sum(attended_alignment * d_alignment, axis=1, keepdims=True)
    d_energies = attended_alignment * (d_alignment - mean)
    d_vector = tf.matmul(tf.reshape(d_energies, [1, -1]), tf.reshape(hidden, [-1, vector.shape[0]]))[0]
    return tf.raw_ops.TanhGrad(y=hidden, dy=d_energies[:, :, None] * vector), d_vector


class AdditiveAttention(keras.layers.Layer):
    """The alignment model's weights W_a, U_a, v_a and a bias inside the tanh."""

    def __init__(self, state_units: int, annotation_units: int, units: int, initializers: Initializers):
        super().__init__(name="attention")
        self.units = units
        self.state_kernel = self.add_weight(
            shape=(state_units, units), initializer=initializers.alignment, name="state_kernel"
        )
        self.annotation_kernel = self.add_weight(
            shape=(annotation_units, units), initializer=initializers.alignment, name="annotation_kernel"
        )
        self.bias = self.add_weight(shape=(units,), initializer=initializers.bias, autocast=False, name="bias")
        self.vector = self.add_weight(
            shape=(units,), initializer=initializers.alignment_vector, autocast=False, name="vector"
        )

    def project(self, annotations: tf.Tensor) -> tf.Tensor:
        """U_a h + b: [batch, source length, annotation units] to [batch, source length, units]."""
        return product(annotations, tf.convert_to_tensor(self.annotation_kernel)) + self.bias
