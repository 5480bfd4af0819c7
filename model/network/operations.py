"""What all equations are computed with: matrix products in the network's precision, and arrays for loops over time.

Mixed precision (Micikevicius et al. 2018): matrix products are in fewer bits, everything else is in float32: states,
gates, attention, softmax and loss, and the weights that are kept and updated. Keras
hands out the weight matrices in as many bits as the network computes with (``Network.call``), and products go by them.
"""

from __future__ import annotations

import tensorflow as tf


def product(left: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """float32 [..., inputs] times kernel [inputs, outputs], in the kernel's precision: float32 [..., outputs]."""
    left = tf.cast(left, kernel.dtype)
    if left.shape.rank == 2:
        return tf.cast(tf.matmul(left, kernel), tf.float32)
    # As tf.tensordot would, with a third of its operations.
    outputs = tf.matmul(tf.reshape(left, [-1, kernel.shape[0]]), kernel)
    return tf.cast(tf.reshape(outputs, tf.concat([tf.shape(left)[:-1], [kernel.shape[1]]], axis=0)), tf.float32)


def summed_outer_product(left: tf.Tensor, right: tf.Tensor, precision: tf.DType) -> tf.Tensor:
    """Sum over all positions of left [..., a] times right [..., b]: [a, b]; how a weight's gradient is made."""
    left, right = (tf.cast(tf.reshape(side, [-1, side.shape[-1]]), precision) for side in (left, right))
    return tf.cast(tf.matmul(left, right, transpose_a=True), tf.float32)


def growing(length: tf.Tensor, *shape: int | None) -> tf.TensorArray:
    """An array for one [batch, *shape] tensor a step."""
    return tf.TensorArray(tf.float32, length, element_shape=[None, *shape], clear_after_read=False)


def by_step(values: tf.Tensor) -> tf.TensorArray:
    """``values`` [time, ...] as an array from which to read one step at a time."""
    array = tf.TensorArray(values.dtype, tf.shape(values)[0], element_shape=values.shape[1:], clear_after_read=False)
    return array.unstack(values)
