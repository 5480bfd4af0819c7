"""Layer normalisation (Ba, Kiros and Hinton 2016, equation 4), always outside the recurrences.

It is applied to the inputs of every GRU, W x with all its gates together, to the annotations, and to the read-out
before its maxout. Unlike in their equations 20 to 22, the product with the previous state is not normalised: it is
what the loops over time compute, and it is bounded by the state itself.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

# Added to the variance, as in the authors' code: the zero vector, which begins a target sentence, stays zero.
EPSILON = 1e-5


class LayerNormalization(keras.layers.Layer):
    """Normalises [..., units], with a gain that begins at one and no bias: whatever reads the result adds its own."""

    def __init__(self, units: int, name: str):
        super().__init__(name=f"{name}_normalization")
        self.gamma = self.add_weight(shape=(units,), initializer="ones", autocast=False, name="gamma")

    def normalized(self, values: tf.Tensor) -> tf.Tensor:
        """g (values - mean) / standard deviation, both over the last axis: float32 [..., units] of the same."""
        units = self.gamma.shape[0]
        rows = _normalized(tf.reshape(values, [-1, units]), tf.convert_to_tensor(self.gamma))
        return tf.ensure_shape(tf.reshape(rows, tf.shape(values)), values.shape)


@tf.custom_gradient
def _normalized(
    values: tf.Tensor, gain: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Of ``values`` [rows, units]. What an operation costs here is its walk through memory: the gradient by hand takes
    half as many as automatic differentiation."""
    centred = values - tf.reduce_mean(values, axis=1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=1, keepdims=True) + EPSILON)
    standard = centred * scale

    def gradients(d_result: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        d_gain = d_result * standard
        d_standard = d_result * gain
        mean = tf.reduce_mean(d_standard, axis=1, keepdims=True)
        # The mean of d_standard * standard.
        slope = tf.linalg.matvec(d_gain, gain)[:, None] / tf.cast(tf.shape(gain)[0], gain.dtype)
        return (d_standard - mean - standard * slope) * scale, tf.reduce_sum(d_gain, axis=0)

    return standard * gain, gradients
