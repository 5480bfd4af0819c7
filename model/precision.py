"""Mixed precision (Micikevicius et al. 2018): matrix products in fewer bits, everything else in float32.

States, gates, attention, softmax and loss stay float32, and so do the weights that are kept and updated. A weight
matrix that a product reads has as many bits as the network computes with: Keras hands it out so (``Network.call``).
"""

from __future__ import annotations

import tensorflow as tf


def product(left: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """float32 [..., inputs] times kernel [inputs, outputs], in the kernel's precision: float32 [..., outputs]."""
    left = tf.cast(left, kernel.dtype)
    return tf.cast(tf.matmul(left, kernel) if left.shape.rank == 2 else tf.tensordot(left, kernel, 1), tf.float32)


def summed_outer_product(left: tf.Tensor, right: tf.Tensor, precision: tf.DType) -> tf.Tensor:
    """Sum over all positions of left [..., a] times right [..., b]: [a, b]; how a weight's gradient is made."""
    left, right = (tf.cast(tf.reshape(side, [-1, side.shape[-1]]), precision) for side in (left, right))
    return tf.cast(tf.matmul(left, right, transpose_a=True), tf.float32)
