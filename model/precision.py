"""Mixed precision (Micikevicius et al. 2018): matrix products in fewer bits, everything else in float32.

float16 also has a smaller range: there the loss is multiplied before its gradient is taken (``LossScale``).

States, gates, attention, softmax and loss stay float32, and so do the weights that are kept and updated. A weight
matrix that a product reads has as many bits as the network computes with: Keras hands it out so (``Network.call``).
"""

from __future__ import annotations

import tensorflow as tf

UPDATES_BEFORE_GROWTH = 2000


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


class LossScale(tf.Module):
    """What the loss is multiplied by for float16, so that its gradients are neither 0 nor infinite (section 3.2 there).

    value: float32; halved after every update whose gradient is not finite, doubled after ``UPDATES_BEFORE_GROWTH``
    without one. Make it under the strategy of the weights.
    """

    def __init__(self) -> None:
        super().__init__(name="loss_scale")
        aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
        # The loss is a sum over words, whose gradients are larger than those of a mean.
        self.value = tf.Variable(2.0**8, trainable=False, aggregation=aggregation)
        self._finite_updates = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=aggregation)

    def adjust(self, finite: tf.Tensor) -> None:
        """After an update whose gradient was ``finite``, a bool scalar, or not; every replica for itself."""
        updates = tf.where(finite, self._finite_updates + 1, 0)
        grows = tf.equal(updates, UPDATES_BEFORE_GROWTH)
        value = self.value * tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        tf.raw_ops.AssignVariableOp(resource=self.value.handle, value=value)
        tf.raw_ops.AssignVariableOp(
            resource=self._finite_updates.handle, value=tf.where(grows, tf.zeros_like(updates), updates)
        )
