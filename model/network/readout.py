"""The deep output with one maxout layer (paper, appendix A.2.2): from state, word and context to a distribution.

    u_i = U_o s + V_o E y_{i-1} + C_o c_i
    t_ij = max(u_ij, u_{i,l+j})
    p(y_i | ...) = softmax(W_o t_i)

The paper takes the larger of neighbours, u_{i,2j-1} and u_{i,2j}; with the columns of U_o, V_o and C_o in
another order that is the same model, and halves are quicker to compare. The paper disagrees with itself on
the state: s_i in equation 4, s_{i-1} in appendix A.2.2; the caller chooses.

W_o may be the target embeddings E (tied weights, Press and Wolf 2017): a word's logit is then the product of
t_i with its embedding.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from model.network.initialization import Initializers
from model.network.normalization import LayerNormalization
from model.network.operations import product
from recipes import schema


class Softmax(NamedTuple):
    """What a softmax is taken of: readouts [..., units], kernel W_o [units, vocabulary] and bias [vocabulary]."""

    readouts: tf.Tensor
    kernel: tf.Tensor
    bias: tf.Tensor

    @property
    def logits(self) -> tf.Tensor:
        """[..., vocabulary]."""
        return product(self.readouts, self.kernel) + self.bias


class Readout(keras.layers.Layer):
    """The weights U_o, V_o, C_o and W_o, with biases; ``readout_units`` maxout units over two pieces each.

    tied: E, [vocabulary, units], to be W_o; without it the read-out has a W_o of its own.
    """

    def __init__(
        self,
        settings: schema.Model,
        context_units: int,
        vocabulary: int,
        initializers: Initializers,
        tied: keras.Variable | None = None,
    ):
        super().__init__(name="readout")
        units = settings.readout_units

        def kernel(inputs: int, outputs: int, name: str) -> keras.Variable:
            return self.add_weight(shape=(inputs, outputs), initializer=initializers.other, name=name)

        self.state_kernel = kernel(settings.decoder_units, 2 * units, "state_kernel")
        self.embedding_kernel = kernel(settings.embedding_units, 2 * units, "embedding_kernel")
        self.context_kernel = kernel(context_units, 2 * units, "context_kernel")
        self.normalization = LayerNormalization(2 * units, "readout") if settings.layer_norm else None
        self.bias = self.add_weight(shape=(2 * units,), initializer=initializers.bias, autocast=False, name="bias")
        self.tied = tied
        if tied is None:
            self.vocabulary_kernel = kernel(units, vocabulary, "vocabulary_kernel")
        self.vocabulary_bias = self.add_weight(
            shape=(vocabulary,), initializer=initializers.bias, autocast=False, name="vocabulary_bias"
        )

    def maxout(self, states: tf.Tensor, embeddings: tf.Tensor, contexts: tf.Tensor) -> tf.Tensor:
        """t: [..., units], of any leading shape that the three share; ``contexts`` may broadcast against it."""
        pieces = (
            product(states, tf.convert_to_tensor(self.state_kernel))
            + product(embeddings, tf.convert_to_tensor(self.embedding_kernel))
            + product(contexts, tf.convert_to_tensor(self.context_kernel))
        )
        return self.larger(pieces)

    def larger(self, pieces: tf.Tensor) -> tf.Tensor:
        """t of the sum of the three products, [..., 2 units]."""
        if self.normalization is not None:
            pieces = self.normalization.normalized(pieces)
        return tf.maximum(*tf.split(pieces + self.bias, 2, axis=-1))

    def output_kernel(self) -> tf.Tensor:
        """W_o, [units, vocabulary].

        A loop over the words takes it once: tied, it is a transpose, and on CPU a product with the transpose of a
        matrix takes several times as long where there are few rows.
        """
        if self.tied is None:
            return tf.convert_to_tensor(self.vocabulary_kernel)
        return tf.transpose(tf.convert_to_tensor(self.tied))

    def softmax(self, maxout: tf.Tensor, output_kernel: tf.Tensor) -> Softmax:
        """The softmax over the vocabulary, of what it reads [..., units]."""
        return Softmax(maxout, output_kernel, tf.convert_to_tensor(self.vocabulary_bias))
