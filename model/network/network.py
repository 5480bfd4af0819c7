"""The whole network: embeddings, encoder, decoder and read-out, for both architectures of the paper.

    rnnsearch   bidirectional encoder, attention decoder             (sections 3.1 and 3.2)
    rnnencdec   forward encoder, its last state the only context     (section 2.2; the baseline)

Training asks for whole target sentences at once (``call``); search asks for one word at a time
(``read``, then ``step``). Both go through the same equations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from model.network.decoder import (
    Annotated,
    AttentionDecoder,
    Decoded,
    Decoder,
    FixedContextDecoder,
    InitialState,
    Summarized,
    UpperDecoder,
)
from model.network.dropout import Dropouts
from model.network.encoder import BidirectionalEncoder, Encoder, ForwardEncoder
from model.network.initialization import Initializer, Initializers
from model.network.readout import Readout, Softmax
from recipes import schema
from workspace.layout import PADDING_ID

Source = Annotated | Summarized

# A decoder reads what the encoder beside it gives.
_ARCHITECTURES: dict[str, tuple[type[Encoder], type[Decoder[Any]]]] = {
    "rnnsearch": (BidirectionalEncoder, AttentionDecoder),
    "rnnencdec": (ForwardEncoder, FixedContextDecoder),
}


class Next(NamedTuple):
    """One target position in search.

    logits: [batch * k, vocabulary]; state: s_i, [batch * k, decoder layers * decoder units], the layers side by side;
    alignment: [batch * k, source length], or [batch * k, 0] where the architecture has none.
    """

    logits: tf.Tensor
    state: tf.Tensor
    alignment: tf.Tensor


class Network(keras.Model):
    """RNNsearch or RNNencdec with the sizes of ``settings``; every weight is made here, from ``seed``.

    precision: of the matrix products in training, as ``schema.Training`` has it; those of search are float32.
    """

    def __init__(
        self,
        settings: schema.Model,
        source_vocabulary: int,
        target_vocabulary: int,
        seed: int,
        precision: str = "float32",
    ):
        policy = precision if precision == "float32" else f"mixed_{precision}"
        super().__init__(name=settings.architecture, dtype=policy)
        self.settings = settings
        initializers = Initializers(settings.initialization, seed)
        self.dropouts = Dropouts(settings, seed)
        tied = settings.tied_embeddings
        if tied != "all":
            embedding = initializers.embedding
            self.source_embeddings = self._embeddings("source_embeddings", source_vocabulary, embedding)
        embedding = initializers.tied_embedding(settings.embedding_units) if tied else initializers.embedding
        self.target_embeddings = self._embeddings("target_embeddings", target_vocabulary, embedding)
        if tied == "all":
            self.source_embeddings = self.target_embeddings
        encoder, decoder = _ARCHITECTURES[settings.architecture]
        self.encoder = encoder(settings, initializers, self.dropouts)
        self.decoder = decoder(settings, self.encoder.output_units, initializers, self.dropouts)
        self.upper_decoder = UpperDecoder(settings, self.encoder.output_units, initializers, self.dropouts)
        self.initial = InitialState(settings, initializers)
        self.readout = Readout(
            settings,
            self.encoder.output_units,
            target_vocabulary,
            initializers,
            self.target_embeddings if tied else None,
        )
        self.built = True
        # What Keras callbacks set to end a training.
        self.stop_training = False

    def call(self, source: tf.Tensor, target: tf.Tensor, training: bool = False) -> Softmax:
        """The softmax that finds every target word given those before it, at [target length, batch].

        source, target: int32 [batch, length], ending in END_ID and padded with PADDING_ID. Its products are in the
        network's precision (model.network.operations), in which Keras hands out the weights of a model being called.
        """
        read = self.read(source, training)
        words = tf.transpose(target)
        previous = self.embedded(tf.concat([tf.fill(tf.shape(words[:1]), PADDING_ID), words[:-1]], axis=0))
        previous = self.dropouts.embeddings(previous, training)
        first_state, *upper_states = self.of_layers(read.initial_state)
        decoded = self.decoder.run(read._replace(initial_state=first_state), previous, training)
        decoded = self.upper_decoder.run(decoded, upper_states, training)
        maxout = self.readout.maxout(self.readout_state(decoded), previous, decoded.contexts)
        return self.readout.softmax(self.dropouts.readout(maxout, training), self.output_kernel())

    def read(self, source: tf.Tensor, training: bool = False) -> Source:
        """What the decoder sees of the sentences ``source``, int32 [batch, source length]."""
        mask = tf.not_equal(source, PADDING_ID)
        embeddings = self.dropouts.embeddings(self.embedded_source(source), training)
        return self.reading(*self.encoder.encode(embeddings, mask, training), mask)

    def embedded_source(self, source: tf.Tensor) -> tf.Tensor:
        """Embeddings of source words: float32 [..., embedding units]."""
        return tf.cast(tf.gather(tf.convert_to_tensor(self.source_embeddings), source), tf.float32)

    def reading(self, encoded: tf.Tensor, state: tf.Tensor, mask: tf.Tensor) -> Source:
        """What the decoder sees of what its encoder gives; mask: bool [batch, source length], False at padding."""
        return self.decoder.reading(encoded, mask, self.initial.of(state))

    @property
    def attends(self) -> bool:
        """Whether the architecture has an alignment."""
        return self.decoder.attends

    def output_kernel(self) -> tf.Tensor:
        """What ``step`` makes logits with, the read-out's W_o; a loop takes it once, before it begins."""
        return self.readout.output_kernel()

    def step(self, read: Source, state: tf.Tensor, previous: tf.Tensor, output_kernel: tf.Tensor) -> Next:
        """The next target word after ``state`` (as in ``Next``) and the words ``previous`` int32 [batch * k], which are
        of k translations of every sentence, side by side.

        PADDING_ID as the previous word stands for the sentence's beginning.
        """
        words = self.embedded(previous)
        first_state, *upper_states = self.of_layers(state)
        first = self.decoder.step(read, first_state, words)
        decoded, following = self.upper_decoder.step(first, upper_states)
        maxout = self.readout.maxout(self.readout_state(decoded), words, decoded.contexts)
        alignment = tf.zeros([tf.shape(previous)[0], 0]) if decoded.alignment is None else decoded.alignment
        logits = self.readout.softmax(maxout, output_kernel).logits
        return Next(logits, tf.concat([first.states, *following], axis=1), alignment)

    def embedded(self, previous: tf.Tensor) -> tf.Tensor:
        """Embeddings of target words; the beginning of a sentence, PADDING_ID, is zero, as E y_0 in the paper."""
        words = tf.cast(tf.gather(tf.convert_to_tensor(self.target_embeddings), previous), tf.float32)
        return words * tf.cast(tf.not_equal(previous, PADDING_ID), words.dtype)[..., None]

    def of_layers(self, state: tf.Tensor) -> list[tf.Tensor]:
        return tf.split(state, self.settings.decoder_layers, axis=1)

    def readout_state(self, decoded: Decoded) -> tf.Tensor:
        return decoded.states if self.settings.readout_state == "current" else decoded.before

    def _embeddings(self, name: str, vocabulary: int, initializer: Initializer) -> keras.Variable:
        shape = (vocabulary, self.settings.embedding_units)
        return self.add_weight(shape=shape, initializer=initializer, name=name)
