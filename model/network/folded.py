"""RNNsearch as search steps through it: products that do not depend on the decoder's state are made beforehand.

The same equations as in ``model.network.decoder`` and ``model.network.readout``, and sums in another order:

    W E y + b and V_o E y     once a model: a table with a row for every target word
    [C, C_o] h_j              once a sentence, where a beam has several hypotheses that share it
    [W_a, U_z, U_r] s_i       side by side, in one product

The matrices it multiplies with are laid out so that a core's cache holds them well (``Kernel``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, cast

import tensorflow as tf

from model.network.attention import attend
from model.network.decoder import Annotated, AttentionDecoder, Decoded
from model.network.gru import step_after
from model.network.network import Network, Next
from model.network.operations import product

# The most values of the table of words, which an exported model carries: 64 megabytes.
MOST_VALUES = 2**24
# The fewest units of an annotation for which the products of all of them are quicker than those of every context.
FEWEST_UNITS_TO_FOLD = 512
# A row of so many columns of float32, or a multiple, is one of whole pages: all that a product reads of a column then
# falls into the same lines of the cache, and it takes up to twice as long.
COLUMNS_OF_A_PAGE = 1024
COLUMNS_MORE = 16
# As model.search.scores.top_k wants them, so that it need not copy the logits of every step to have them so.
WORDS_OF_A_PART = 128

# What a table of words has: with int8 every row is rounded to 8 bits, and has a scale of its own.
Table: TypeAlias = Literal["float32", "int8"]
UNIT_OF_SCALES = 2.0**-20


def fold(
    network: Network, beam_size: int, table: Table | None = "float32", known_k: int | None = None
) -> Folded | Network:
    """``network`` as a search with so many hypotheses steps through it fastest; the table is left out if it would be
    too large. known_k: as in ``model.network.attention.attend``, if it is the same at every step."""
    if not isinstance(network.decoder, AttentionDecoder):
        return network
    settings, vocabulary = network.settings, network.readout.vocabulary_bias.shape[0]
    values = vocabulary * (3 * settings.decoder_units + 2 * settings.readout_units)
    folds_context = beam_size > 1 and network.encoder.output_units >= FEWEST_UNITS_TO_FOLD
    return Folded(network, folds_context, table if values <= MOST_VALUES else None, known_k)


class FoldedSource(NamedTuple):
    """A batch of source sentences as ``Folded`` reads it.

    annotations: [C, C_o] h, h, or both side by side, [batch, source length, units]; the rest as in
    ``model.network.decoder.Annotated``.
    """

    annotations: tf.Tensor
    projected: tf.Tensor
    exclusion: tf.Tensor
    initial_state: tf.Tensor


class Folded(tf.Module):
    """An attention network for ``model.search``, made of a trained one, of whose weights it joins copies.

    Its vocabulary is filled up with words that never follow.
    """

    attends = True

    def __init__(self, network: Network, folds_context: bool, table: Table | None, known_k: int | None = None):
        """``folds_context``: make the products of the annotations, and none of the contexts; ``table``: have those of
        all words ready; ``known_k``: as in ``fold``."""
        super().__init__(name="folded")
        self.network, self.settings = network, network.settings
        decoder, readout = network.decoder, network.readout
        if not isinstance(decoder, AttentionDecoder):
            raise TypeError(f"a {self.settings.architecture} has no attention, of which this makes use")
        self._decoder = decoder
        self._folds_context, self._known_k = folds_context, known_k
        # The layers above the first read the context itself.
        self._needs_context = self.settings.decoder_layers > 1
        gates, candidate = decoder.gru.recurrent_weights
        self._of_state = Kernel(tf.concat([decoder.attention.state_kernel.value, gates], axis=1))
        self._candidate = Kernel(candidate)
        self._of_context = Kernel(tf.concat([decoder.context_kernel.value, readout.context_kernel.value], axis=1))
        vocabulary = readout.vocabulary_bias.shape[0]
        filling = [[0, 0], [0, -vocabulary % WORDS_OF_A_PART]]
        self._output = _fixed(tf.pad(readout.output_kernel(), filling))
        self._output_bias = _fixed(tf.pad(readout.vocabulary_bias.value, filling[1:], constant_values=-float("inf")))
        self._of_words: tf.Variable | None = None
        self._scales: tf.Variable | None = None
        if table:
            of_words = tf.pad(self._products_of(tf.range(vocabulary)), filling[::-1])
            if table == "int8":
                # Whole numbers: LiteRT's converter would round float32 to 8 bits.
                largest = tf.reduce_max(tf.abs(of_words), axis=1, keepdims=True)
                scales = tf.cast(tf.math.ceil(largest / 127 / UNIT_OF_SCALES), tf.int32) + 1
                of_words = tf.cast(tf.round(of_words / (tf.cast(scales, tf.float32) * UNIT_OF_SCALES)), tf.int8)
                self._scales = _fixed(scales)
            self._of_words = _fixed(of_words)

    def read(self, source: tf.Tensor) -> FoldedSource:
        """What the decoder sees of the sentences ``source``, int32 [batch, source length]."""
        return self.reading(cast(Annotated, self.network.read(source)))

    def reading(self, read: Annotated) -> FoldedSource:
        """The same, of what the network has read."""
        annotations = read.annotations
        if self._folds_context:
            products = self._of_context.times(annotations)
            annotations = tf.concat([products, annotations], axis=2) if self._needs_context else products
        return FoldedSource(annotations, read.projected, read.exclusion, read.initial_state)

    def output_kernel(self) -> tf.Tensor:
        """W_o, [units, vocabulary]."""
        return tf.convert_to_tensor(self._output)

    def step(self, read: FoldedSource, state: tf.Tensor, previous: tf.Tensor, output_kernel: tf.Tensor) -> Next:
        """As ``Network.step``."""
        network, units = self.network, self.settings.decoder_units
        vector = tf.convert_to_tensor(self._decoder.attention.vector)
        first, *upper = network.of_layers(state)
        query, of_gates = _cut(self._of_state.times(first), self.settings.alignment_units)
        attended = attend(query, read.annotations, read.projected, read.exclusion, vector, self._known_k)
        of_context, context = self._of_context_and_context(attended.context)
        gate_inputs, pieces = _cut(self._looked_up(previous) + of_context, 3 * units)
        now = step_after(first, first, gate_inputs, of_gates, self._candidate.times).state
        decoded, following = network.upper_decoder.step(Decoded(now, first, context, attended.alignment), upper)
        pieces += product(network.readout_state(decoded), tf.convert_to_tensor(network.readout.state_kernel))
        logits = product(network.readout.larger(pieces), output_kernel) + self._output_bias
        return Next(logits, tf.concat([now, *following], axis=1), attended.alignment)

    def _products_of(self, words: tf.Tensor) -> tf.Tensor:
        """W E y + b and V_o E y side by side: [words, units]."""
        embedded = self.network.embedded(words)
        of_readout = product(embedded, tf.convert_to_tensor(self.network.readout.embedding_kernel))
        return tf.concat([self._decoder.gru.gate_inputs(embedded), of_readout], axis=1)

    def _looked_up(self, words: tf.Tensor) -> tf.Tensor:
        """The same, from the table where there is one."""
        if self._of_words is None:
            return self._products_of(words)
        of_words = tf.gather(self._of_words, words)
        if self._scales is None:
            return of_words
        scales = tf.cast(tf.gather(self._scales, words), tf.float32) * UNIT_OF_SCALES
        return tf.cast(of_words, tf.float32) * scales

    def _of_context_and_context(self, attended: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """[C, C_o] c, and c itself where a layer reads it, of what was attended to."""
        if not self._folds_context:
            return self._of_context.times(attended), attended
        if not self._needs_context:
            return attended, attended
        products, context = _cut(attended, self._of_context.columns)
        return products, context


class Kernel(tf.Module):
    """A matrix, laid out so that products with it are fast on a CPU."""

    def __init__(self, values: tf.Tensor):
        super().__init__()
        self.columns = values.shape[1]
        self._more = 0 if self.columns % COLUMNS_OF_A_PAGE else COLUMNS_MORE
        self._values = _fixed(tf.pad(values, [[0, 0], [0, self._more]]))

    def times(self, left: tf.Tensor) -> tf.Tensor:
        """``left`` [..., rows] times it: [..., columns]."""
        outputs = product(left, tf.convert_to_tensor(self._values))
        return outputs[..., : self.columns] if self._more else outputs


def _cut(values: tf.Tensor, columns: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The first ``columns`` and the others: slices, which XNNPACK has, while it cannot split into unlike parts."""
    return values[:, :columns], values[:, columns:]


def _fixed(values: tf.Tensor) -> tf.Variable:
    return tf.Variable(values, trainable=False)
