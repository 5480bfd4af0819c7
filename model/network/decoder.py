"""The decoders: from what the encoder read to the target sentence (paper, section 3.1, appendix A.1.2 and A.2.2).

``AttentionDecoder`` is RNNsearch's: every step attends to all annotations with the state before it, then
takes one GRU step whose every gate also sees the context. ``FixedContextDecoder`` is the RNN
Encoder-Decoder's: the context is the same vector at every step. ``UpperDecoder`` holds the layers above either.

Both run over a whole target sentence at once in training (``run``) and word by word in search (``step``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import keras
import tensorflow as tf

from model.network.attention import EXCLUDED, AdditiveAttention, attend, attend_gradients
from model.network.dropout import Dropouts
from model.network.gru import (
    GRU,
    LocalGradients,
    gru_step,
    gru_step_gradients,
    local_gradients,
    masked,
    recurrent_weight_gradients,
)
from model.network.initialization import Initializers
from model.network.operations import by_step, growing, product, summed_outer_product
from recipes import schema


class Decoded(NamedTuple):
    """What the read-out needs of every target position.

    states: s_i; before: s_{i-1}; contexts: c_i; with the leading shape [target length, batch] in ``run`` and
    [batch * k] in ``step``. alignment: [..., source length], None for the decoder that has none.
    """

    states: tf.Tensor
    before: tf.Tensor
    contexts: tf.Tensor
    alignment: tf.Tensor | None


class Annotated(NamedTuple):
    """A batch of source sentences as the attention decoder reads it.

    annotations: h, [batch, source length, annotation units]; projected: U_a h, [batch, source length,
    alignment units]; exclusion: [batch, source length], 0 or EXCLUDED; initial_state: s_0, [batch, units], with all
    layers of the decoder side by side.
    """

    annotations: tf.Tensor
    projected: tf.Tensor
    exclusion: tf.Tensor
    initial_state: tf.Tensor


class Summarized(NamedTuple):
    """A batch of source sentences as the fixed-context decoder reads it.

    context: c, [batch, context units]; initial_state: as in ``Annotated``.
    """

    context: tf.Tensor
    initial_state: tf.Tensor


class InitialState(keras.layers.Layer):
    """s_0 = tanh(W_s x + b): from the encoder's state to the first state of every decoder layer."""

    def __init__(self, settings: schema.Model, initializers: Initializers):
        super().__init__(name="initial_state")
        layers, units = settings.decoder_layers, settings.decoder_units
        self.kernel = self.add_weight(
            shape=(settings.encoder_units, layers * units),
            initializer=initializers.beside(layers, lambda: initializers.other),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(layers * units,), initializer=initializers.bias, autocast=False, name="bias")

    def of(self, encoder_state: tf.Tensor) -> tf.Tensor:
        """[batch, encoder units] to [batch, decoder layers * decoder units], the layers side by side."""
        return tf.tanh(product(encoder_state, tf.convert_to_tensor(self.kernel)) + self.bias)


Read = TypeVar("Read", Annotated, Summarized)


class Decoder(Protocol[Read]):
    """What the network needs of a decoder's first layer; ``attends``: whether it has an alignment."""

    attends: bool

    def __init__(self, settings: schema.Model, context_units: int, initializers: Initializers, dropouts: Dropouts): ...

    def reading(self, encoded: tf.Tensor, mask: tf.Tensor, initial_state: tf.Tensor, /) -> Read:
        """What the decoder reads, made of what its encoder gives."""

    def run(self, source: Read, embeddings: tf.Tensor, training: bool) -> Decoded:
        """All target positions."""

    def step(self, source: Read, state: tf.Tensor, embedding: tf.Tensor) -> Decoded:
        """One target position."""


class AttentionDecoder(keras.layers.Layer):
    """The GRU with a context in every gate, C c_i, and the alignment model that finds the context."""

    attends = True

    def __init__(self, settings: schema.Model, context_units: int, initializers: Initializers, dropouts: Dropouts):
        super().__init__(name="decoder")
        self.dropouts = dropouts
        self.gru = _first_layer(settings, initializers)
        self.context_kernel = _context_kernel(self, context_units, settings, initializers)
        self.attention = AdditiveAttention(
            settings.decoder_units, context_units, settings.alignment_units, initializers
        )

    def reading(self, annotations: tf.Tensor, mask: tf.Tensor, initial_state: tf.Tensor) -> Annotated:
        """What it reads: annotations [batch, source length, annotation units]; mask: bool [batch, source length], False
        at padding."""
        exclusion = EXCLUDED * (1 - tf.cast(mask, annotations.dtype))
        return Annotated(annotations, self.attention.project(annotations), exclusion, initial_state)

    def run(self, source: Annotated, embeddings: tf.Tensor, training: bool) -> Decoded:
        """All target positions; embeddings: of y_{i-1}, [target length, batch, embedding units]."""
        state_mask = self.dropouts.state_mask(tf.shape(embeddings)[1], self.gru.units, training)
        states, contexts, alignment = attentive_recurrence(
            self.gru.gate_inputs(embeddings), source, self._loop_weights(), state_mask
        )
        before = tf.concat([source.initial_state[None], states[:-1]], axis=0)
        return Decoded(states, before, contexts, alignment)

    def step(self, source: Annotated, state: tf.Tensor, embedding: tf.Tensor) -> Decoded:
        """One target position of k translations of every sentence, side by side, after ``state`` [batch * k, units] and
        the word ``embedding`` [batch * k, embedding units]."""
        return _step(source, state, self.gru.gate_inputs(embedding), self._loop_weights())[0]

    def _loop_weights(self) -> LoopWeights:
        return LoopWeights(
            *self.gru.recurrent_weights,
            tf.convert_to_tensor(self.context_kernel),
            tf.convert_to_tensor(self.attention.state_kernel),
            tf.convert_to_tensor(self.attention.vector),
        )


class FixedContextDecoder(keras.layers.Layer):
    """The GRU whose gates see the same context at every step."""

    attends = False

    def __init__(self, settings: schema.Model, context_units: int, initializers: Initializers, dropouts: Dropouts):
        super().__init__(name="decoder")
        self.dropouts = dropouts
        self.gru = _first_layer(settings, initializers)
        self.context_kernel = _context_kernel(self, context_units, settings, initializers)

    def reading(self, summary: tf.Tensor, _: tf.Tensor, initial_state: tf.Tensor) -> Summarized:
        """What it reads: the summary [batch, context units], from which padding is already left out."""
        return Summarized(summary, initial_state)

    def run(self, source: Summarized, embeddings: tf.Tensor, training: bool) -> Decoded:
        """All target positions; embeddings: of y_{i-1}, [target length, batch, embedding units]."""
        state_mask = self.dropouts.state_mask(tf.shape(embeddings)[1], self.gru.units, training)
        gate_inputs = self._gate_inputs(source.context, embeddings)
        states = self.gru.run(gate_inputs, source.initial_state, state_mask=state_mask)
        before = tf.concat([source.initial_state[None], states[:-1]], axis=0)
        contexts = tf.broadcast_to(source.context, tf.concat([tf.shape(states)[:2], tf.shape(source.context)[1:]], 0))
        return Decoded(states, before, contexts, None)

    def step(self, source: Summarized, state: tf.Tensor, embedding: tf.Tensor) -> Decoded:
        """One target position of k translations of every sentence, side by side, after ``state`` [batch * k, units] and
        the word ``embedding`` [batch * k, embedding units]."""
        k = tf.shape(state)[0] // tf.maximum(1, tf.shape(source.context)[0])
        context = tf.repeat(source.context, k, axis=0)
        following = self.gru.step(state, self._gate_inputs(context, embedding))
        return Decoded(following, state, context, None)

    def _gate_inputs(self, context: tf.Tensor, embeddings: tf.Tensor) -> tf.Tensor:
        return self.gru.gate_inputs(embeddings) + product(context, tf.convert_to_tensor(self.context_kernel))


class UpperDecoder(keras.layers.Layer):
    """The layers above a decoder's first: GRUs that read the output below and the context, side by side.

    Only the first layer attends; the context it finds goes to all (Wu et al. 2016, section 3). A layer's output
    is its state added to the output below (there, section 3.1).
    """

    def __init__(self, settings: schema.Model, context_units: int, initializers: Initializers, dropouts: Dropouts):
        super().__init__(name="upper_decoder")
        self.dropouts = dropouts
        units = settings.decoder_units
        self.grus = [
            GRU(units + context_units, units, initializers, f"decoder_{number}", settings.layer_norm)
            for number in range(2, settings.decoder_layers + 1)
        ]

    def run(self, first: Decoded, initial_states: Sequence[tf.Tensor], training: bool) -> Decoded:
        """What the read-out needs after all layers, from the ``first`` and s_0 [batch, units] of each of the others."""
        outputs, before = first.states, first.before
        for gru, initial_state in zip(self.grus, initial_states, strict=True):
            below = self.dropouts.between_layers(outputs, training)
            state_mask = self.dropouts.state_mask(tf.shape(initial_state)[0], gru.units, training)
            gate_inputs = gru.gate_inputs(tf.concat([below, first.contexts], axis=2))
            states = gru.run(gate_inputs, initial_state, state_mask=state_mask)
            outputs += states
            before += tf.concat([initial_state[None], states[:-1]], axis=0)
        return first._replace(states=outputs, before=before)

    def step(self, first: Decoded, states: Sequence[tf.Tensor]) -> tuple[Decoded, list[tf.Tensor]]:
        """The same for one target position, and the next states of these layers, after ``states`` [batch, units]."""
        outputs, before, following = first.states, first.before, []
        for gru, state in zip(self.grus, states, strict=True):
            following.append(gru.step(state, gru.gate_inputs(tf.concat([outputs, first.contexts], axis=1))))
            outputs += following[-1]
            before += state
        return first._replace(states=outputs, before=before), following


class LoopWeights(NamedTuple):
    """The weights used inside the decoder's loop: U of the gates and the candidate, C, W_a and v_a."""

    recurrent_gates: tf.Tensor
    recurrent_candidate: tf.Tensor
    context_kernel: tf.Tensor
    query_kernel: tf.Tensor
    vector: tf.Tensor


def attentive_recurrence(
    gate_inputs: tf.Tensor, source: Annotated, weights: LoopWeights, state_mask: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """States [target length, batch, units], contexts [target length, batch, annotation units] and alignment
    [target length, batch, source length] for ``gate_inputs`` [target length, batch, 3 units].

    The gradient is written by hand for the reasons given in ``model.network.gru``; none flows through the alignment
    that is returned, which is for looking at, only through the contexts that it makes. state_mask: as in
    ``model.network.gru``; the alignment model sees the whole state.
    """

    @tf.custom_gradient
    def run(
        gate_inputs: tf.Tensor, source: Annotated, weights: LoopWeights
    ) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
        length = tf.shape(gate_inputs)[0]
        units = weights.recurrent_candidate.shape[0]
        annotation_units, alignment_units = source.annotations.shape[2], source.projected.shape[2]
        inputs = by_step(gate_inputs)

        def forward_step(step: tf.Tensor, state: tf.Tensor, *arrays: tf.TensorArray) -> tuple[Any, ...]:
            values = _step(source, state, inputs.read(step), weights, state_mask)
            decoded, gru, hidden = values
            saved = (decoded.states, decoded.contexts, decoded.alignment, gru.gates, gru.candidate, hidden)
            return (
                step + 1,
                decoded.states,
                *(array.write(step, value) for array, value in zip(arrays, saved, strict=True)),
            )

        arrays = (
            growing(length, units),
            growing(length, annotation_units),
            growing(length, None),
            growing(length, 2 * units),
            growing(length, units),
            growing(length, None, alignment_units),
        )
        _, _, *arrays = tf.while_loop(lambda step, *_: step < length, forward_step, (0, source.initial_state, *arrays))
        states, contexts, alignment, gates, candidates = (array.stack() for array in arrays[:-1])
        hidden = arrays[-1]

        def gradients(d_states: tf.Tensor, d_contexts: tf.Tensor, _: Any) -> tuple[Any, ...]:
            before = tf.concat([source.initial_state[None], states[:-1]], axis=0)
            local = LocalGradients(*map(by_step, local_gradients(before, gates, candidates, state_mask)))
            gates_transposed, candidate_transposed, context_transposed, query_transposed = map(
                tf.transpose, weights[:4]
            )
            d_states_outside, d_contexts_outside, alignments = (
                by_step(d_states),
                by_step(d_contexts),
                by_step(alignment),
            )

            def backward_step(
                step: tf.Tensor,
                d_state: tf.Tensor,
                d_projected: tf.Tensor,
                d_vector: tf.Tensor,
                d_inputs: tf.TensorArray,
                d_contexts: tf.TensorArray,
                d_queries: tf.TensorArray,
            ) -> tuple[Any, ...]:
                now = length - 1 - step
                here = LocalGradients(*(array.read(now) for array in local))
                d_input, d_before = gru_step_gradients(
                    d_state + d_states_outside.read(now), here, gates_transposed, candidate_transposed, state_mask
                )
                d_context = d_contexts_outside.read(now) + product(d_input, context_transposed)
                d_argument, d_vector_here = attend_gradients(
                    d_context, alignments.read(now), hidden.read(now), source.annotations, weights.vector
                )
                d_query = tf.reduce_sum(d_argument, axis=1)
                return (
                    step + 1,
                    d_before + product(d_query, query_transposed),
                    d_projected + d_argument,
                    d_vector + d_vector_here,
                    d_inputs.write(now, d_input),
                    d_contexts.write(now, d_context),
                    d_queries.write(now, d_query),
                )

            _, d_initial, d_projected, d_vector, d_inputs, d_contexts, d_queries = tf.while_loop(
                lambda step, *_: step < length,
                backward_step,
                (
                    0,
                    tf.zeros_like(source.initial_state),
                    tf.zeros_like(source.projected),
                    tf.zeros_like(weights.vector),
                    growing(length, 3 * units),
                    growing(length, annotation_units),
                    growing(length, alignment_units),
                ),
            )
            d_gate_inputs, d_all_contexts = d_inputs.stack(), d_contexts.stack()
            d_annotations = tf.matmul(tf.transpose(alignment, [1, 2, 0]), tf.transpose(d_all_contexts, [1, 0, 2]))
            d_source = Annotated(d_annotations, d_projected, tf.zeros_like(source.exclusion), d_initial)
            precision = weights.recurrent_gates.dtype
            d_weights = LoopWeights(
                *recurrent_weight_gradients(masked(before, state_mask), gates, d_gate_inputs, precision),
                summed_outer_product(contexts, d_gate_inputs, precision),
                summed_outer_product(before, d_queries.stack(), precision),
                d_vector,
            )
            return d_gate_inputs, d_source, d_weights

        return (states, contexts, alignment), gradients

    return run(gate_inputs, source, weights)


def _step(
    source: Annotated,
    state: tf.Tensor,
    gate_inputs: tf.Tensor,
    weights: LoopWeights,
    state_mask: tf.Tensor | None = None,
) -> tuple[Any, Any, Any]:
    """One target position: what the read-out needs, the GRU's step, and tanh's values in the alignment model."""
    query = product(state, weights.query_kernel)
    attended = attend(query, source.annotations, source.projected, source.exclusion, weights.vector)
    gru = gru_step(
        state,
        gate_inputs + product(attended.context, weights.context_kernel),
        weights.recurrent_gates,
        weights.recurrent_candidate,
        state_mask,
    )
    return Decoded(gru.state, state, attended.context, attended.alignment), gru, attended.hidden


def _first_layer(settings: schema.Model, initializers: Initializers) -> GRU:
    return GRU(settings.embedding_units, settings.decoder_units, initializers, "gru", settings.layer_norm)


def _context_kernel(
    layer: keras.layers.Layer, context_units: int, settings: schema.Model, initializers: Initializers
) -> keras.Variable:
    """C of the three gates, side by side as ``model.network.gru`` has them."""
    return layer.add_weight(
        shape=(context_units, 3 * settings.decoder_units),
        initializer=initializers.beside(3, lambda: initializers.other),
        name="context_kernel",
    )
