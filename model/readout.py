"""The deep output with one maxout layer (paper, appendix A.2.2): from state, word and context to a distribution.

    u_i = U_o s + V_o E y_{i-1} + C_o c_i
    t_ij = max(u_ij, u_{i,l+j})
    p(y_i | ...) = softmax(W_o t_i)

The paper takes the larger of neighbours, u_{i,2j-1} and u_{i,2j}; with the columns of U_o, V_o and C_o in
another order that is the same model, and halves are quicker to compare. It disagrees with itself on the
state: s_i in equation 4, s_{i-1} in appendix A.2.2; the caller chooses.

W_o may be the target embeddings E (tied weights, Press and Wolf 2017): a word's logit is then the product of
t_i with its embedding.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from model.initialization import Initializers
from model.normalization import layer_normalization


class Readout(keras.layers.Layer):
    """The weights U_o, V_o, C_o and W_o, with biases; ``units`` maxout units over two pieces each.

    tied: E, [vocabulary, units], to be W_o; without it the read-out has a W_o of its own.
    """

    def __init__(
        self,
        state_units: int,
        embedding_units: int,
        context_units: int,
        units: int,
        vocabulary: int,
        initializers: Initializers,
        layer_norm: bool,
        tied: keras.Variable | None = None,
    ):
        super().__init__(name="readout")

        def kernel(inputs: int, outputs: int, name: str) -> keras.Variable:
            return self.add_weight(shape=(inputs, outputs), initializer=initializers.other, name=name)

        self.state_kernel = kernel(state_units, 2 * units, "state_kernel")
        self.embedding_kernel = kernel(embedding_units, 2 * units, "embedding_kernel")
        self.context_kernel = kernel(context_units, 2 * units, "context_kernel")
        self.normalization = layer_normalization(2 * units, "readout") if layer_norm else None
        self.bias = self.add_weight(shape=(2 * units,), initializer=initializers.bias, name="bias")
        self.tied = tied
        if tied is None:
            self.vocabulary_kernel = kernel(units, vocabulary, "vocabulary_kernel")
        self.vocabulary_bias = self.add_weight(
            shape=(vocabulary,), initializer=initializers.bias, name="vocabulary_bias"
        )

    def maxout(self, states: tf.Tensor, embeddings: tf.Tensor, contexts: tf.Tensor) -> tf.Tensor:
        """t: [..., units], of any leading shape that the three share; ``contexts`` may broadcast against it."""
        pieces = (
            tf.tensordot(states, tf.convert_to_tensor(self.state_kernel), 1)
            + tf.tensordot(embeddings, tf.convert_to_tensor(self.embedding_kernel), 1)
            + tf.tensordot(contexts, tf.convert_to_tensor(self.context_kernel), 1)
        )
        if self.normalization is not None:
            pieces = self.normalization(pieces)
        return tf.maximum(*tf.split(pieces + self.bias, 2, axis=-1))

    @property
    def softmax_weights(self) -> tuple[tf.Tensor, tf.Tensor]:
        """W_o [units, vocabulary] and its bias [vocabulary]."""
        if self.tied is None:
            kernel = tf.convert_to_tensor(self.vocabulary_kernel)
        else:
            kernel = tf.transpose(tf.convert_to_tensor(self.tied))
        return kernel, tf.convert_to_tensor(self.vocabulary_bias)

    def logits(self, maxout: tf.Tensor) -> tf.Tensor:
        """[..., units] to [..., vocabulary], before the softmax."""
        kernel, bias = self.softmax_weights
        return tf.tensordot(maxout, kernel, 1) + bias
