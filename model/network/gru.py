"""The gated recurrent unit of the paper (appendix A.1.1), one step and over a whole sequence.

    z_i = sigmoid(W_z x_i + U_z s_{i-1})                  update gate
    r_i = sigmoid(W_r x_i + U_r s_{i-1})                  reset gate
    c_i = tanh(W x_i + U (r_i * s_{i-1}))                 candidate
    s_i = (1 - z_i) * s_{i-1} + z_i * c_i

All that does not depend on the previous state, W x_i and the biases, is computed for every position at
once and comes in as ``gate_inputs``, with update gate, reset gate and candidate side by side.

With a ``state_mask`` m (model.network.dropout) the products read m * s_{i-1} in place of s_{i-1}; the state that is
kept, (1 - z_i) * s_{i-1}, is the whole one.

The gradient over a sequence is written by hand (``recurrence``): the loop back through time carries only
the state's gradient, and the gradients of the weights follow as one product over all positions, where
automatic differentiation would add up one small product a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from model.network.initialization import Initializers
from model.network.normalization import LayerNormalization
from model.network.operations import by_step, growing, product, summed_outer_product

# Added to the update gate's input, this closes the gate for good: sigmoid(CLOSED) is 0 in float32, so the
# state passes unchanged, and padding is skipped without another operation in the loop.
CLOSED = -1e9


class Step(NamedTuple):
    """What one step computes; ``gates`` is [batch, 2 units]: update, reset."""

    state: tf.Tensor
    gates: tf.Tensor
    candidate: tf.Tensor


def gru_step(
    state: tf.Tensor,
    gate_inputs: tf.Tensor,
    recurrent_gates: tf.Tensor,
    recurrent_candidate: tf.Tensor,
    state_mask: tf.Tensor | None = None,
) -> Step:
    """One step from ``state`` [batch, units] with ``gate_inputs`` [batch, 3 units] (A.1.1)."""
    seen = masked(state, state_mask)
    return step_after(
        state, seen, gate_inputs, product(seen, recurrent_gates), lambda left: product(left, recurrent_candidate)
    )


def step_after(
    state: tf.Tensor,
    seen: tf.Tensor,
    gate_inputs: tf.Tensor,
    of_gates: tf.Tensor,
    candidate_product: Callable[[tf.Tensor], tf.Tensor],
) -> Step:
    """The same where the products of the gates with what is ``seen`` of the state are known, [batch, 2 units], and how
    to make that of the candidate."""
    units = state.shape[1]
    inputs_of_gates, inputs_of_candidate = gate_inputs[:, : 2 * units], gate_inputs[:, 2 * units :]
    gates = tf.sigmoid(inputs_of_gates + of_gates)
    update, reset = tf.split(gates, 2, axis=1)
    candidate = tf.tanh(inputs_of_candidate + candidate_product(reset * seen))
    return Step(state + update * (candidate - state), gates, candidate)


def masked(state: tf.Tensor, state_mask: tf.Tensor | None) -> tf.Tensor:
    """What the products see of ``state`` [..., batch, units]: all of it without a mask, which costs nothing."""
    return state if state_mask is None else state * state_mask


def gru_step_gradients(
    d_state: tf.Tensor,
    local: LocalGradients,
    gates_transposed: tf.Tensor,
    candidate_transposed: tf.Tensor,
    state_mask: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of one step: of its gate inputs [batch, 3 units] and of the state before it [batch, units].

    The recurrent weights come transposed, which a loop does once: on CPU a product with the transpose of a
    matrix takes up to twice as long.
    """
    d_candidate = d_state * local.candidate
    d_reset_state = product(d_candidate, candidate_transposed)
    d_gates = tf.concat([d_state * local.update, d_reset_state * local.reset], axis=1)
    if state_mask is None:
        d_before = d_state * local.kept + d_reset_state * local.reset_gate + product(d_gates, gates_transposed)
    else:
        d_seen = d_reset_state * local.reset_gate + product(d_gates, gates_transposed)
        d_before = d_state * local.kept + d_seen * state_mask
    return tf.concat([d_gates, d_candidate], axis=1), d_before


class LocalGradients(NamedTuple):
    """The element-wise derivatives of a step, [..., units] each; computed for all positions at once.

    candidate: of s_i by the candidate's input; update: of s_i by the update gate's input;
    reset: of r_i * s_{i-1} by the reset gate's input; kept: of s_i by s_{i-1}, the gates held;
    reset_gate: of r_i * s_{i-1} by s_{i-1}. Where a mask hides units, r_i * m * s_{i-1} by m * s_{i-1}.
    """

    candidate: tf.Tensor
    update: tf.Tensor
    reset: tf.Tensor
    kept: tf.Tensor
    reset_gate: tf.Tensor


def local_gradients(
    before: tf.Tensor, gates: tf.Tensor, candidate: tf.Tensor, state_mask: tf.Tensor | None = None
) -> LocalGradients:
    """The derivatives for states ``before`` each step, its gates [..., 2 units] and candidate [..., units]."""
    update, reset = tf.split(gates, 2, axis=-1)
    return LocalGradients(
        candidate=update * (1 - candidate * candidate),
        update=(candidate - before) * update * (1 - update),
        reset=masked(before, state_mask) * reset * (1 - reset),
        kept=1 - update,
        reset_gate=reset,
    )


def recurrent_weight_gradients(
    seen: tf.Tensor, gates: tf.Tensor, d_gate_inputs: tf.Tensor, precision: tf.DType
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of recurrent_gates [units, 2 units] and recurrent_candidate [units, units] over all positions.

    seen: the states before each step as the products see them (``masked``), [..., units].
    """
    units = seen.shape[-1]
    reset = gates[..., units:]
    return (
        summed_outer_product(seen, d_gate_inputs[..., : 2 * units], precision),
        summed_outer_product(reset * seen, d_gate_inputs[..., 2 * units :], precision),
    )


def recurrence(
    gate_inputs: tf.Tensor,
    initial_state: tf.Tensor,
    recurrent_gates: tf.Tensor,
    recurrent_candidate: tf.Tensor,
    backward: bool = False,
    state_mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """The states [time, batch, units] of a GRU over ``gate_inputs`` [time, batch, 3 units].

    ``backward`` reads from the last position to the first; states stay in the order of positions.
    state_mask: [batch, units], the same at every step; no gradient flows to it.
    """

    @tf.custom_gradient
    def run(
        gate_inputs: tf.Tensor, initial_state: tf.Tensor, recurrent_gates: tf.Tensor, recurrent_candidate: tf.Tensor
    ) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
        length = tf.shape(gate_inputs)[0]
        units = recurrent_candidate.shape[0]
        inputs = by_step(gate_inputs)

        def position(step: tf.Tensor) -> tf.Tensor:
            return length - 1 - step if backward else step

        def forward_step(
            step: tf.Tensor,
            state: tf.Tensor,
            states: tf.TensorArray,
            gates: tf.TensorArray,
            candidates: tf.TensorArray,
        ) -> tuple[Any, ...]:
            now = position(step)
            result = gru_step(state, inputs.read(now), recurrent_gates, recurrent_candidate, state_mask)
            return (
                step + 1,
                result.state,
                states.write(now, result.state),
                gates.write(now, result.gates),
                candidates.write(now, result.candidate),
            )

        arrays = growing(length, units), growing(length, 2 * units), growing(length, units)
        _, _, *arrays = tf.while_loop(lambda step, *_: step < length, forward_step, (0, initial_state, *arrays))
        states, gates, candidates = (array.stack() for array in arrays)

        def gradients(d_states: tf.Tensor) -> tuple[tf.Tensor, ...]:
            ends = [states[1:], initial_state[None]] if backward else [initial_state[None], states[:-1]]
            before = tf.concat(ends, axis=0)
            local = LocalGradients(*map(by_step, local_gradients(before, gates, candidates, state_mask)))
            d_outside = by_step(d_states)
            gates_transposed, candidate_transposed = tf.transpose(recurrent_gates), tf.transpose(recurrent_candidate)

            def backward_step(step: tf.Tensor, d_state: tf.Tensor, d_inputs: tf.TensorArray) -> tuple[Any, ...]:
                now = position(length - 1 - step)
                here = LocalGradients(*(array.read(now) for array in local))
                d_input, d_before = gru_step_gradients(
                    d_state + d_outside.read(now), here, gates_transposed, candidate_transposed, state_mask
                )
                return step + 1, d_before, d_inputs.write(now, d_input)

            _, d_initial, d_inputs = tf.while_loop(
                lambda step, *_: step < length,
                backward_step,
                (0, tf.zeros_like(initial_state), growing(length, 3 * units)),
            )
            d_gate_inputs = d_inputs.stack()
            d_weights = recurrent_weight_gradients(
                masked(before, state_mask), gates, d_gate_inputs, recurrent_gates.dtype
            )
            return d_gate_inputs, d_initial, *d_weights

        return states, gradients

    return run(gate_inputs, initial_state, recurrent_gates, recurrent_candidate)


class GRU(keras.layers.Layer):
    """The weights of a GRU whose inputs have ``inputs`` units and whose state has ``units``."""

    def __init__(self, inputs: int, units: int, initializers: Initializers, name: str, layer_norm: bool = False):
        super().__init__(name=name)
        self.units = units
        self.kernel = self.add_weight(
            shape=(inputs, 3 * units), initializer=initializers.beside(3, lambda: initializers.other), name="kernel"
        )
        self.normalization = LayerNormalization(3 * units, name) if layer_norm else None
        self.bias = self.add_weight(shape=(3 * units,), initializer=initializers.bias, autocast=False, name="bias")
        self.recurrent_gates = self.add_weight(
            shape=(units, 2 * units),
            initializer=initializers.beside(2, lambda: initializers.recurrent),
            name="recurrent_gates",
        )
        self.recurrent_candidate = self.add_weight(
            shape=(units, units), initializer=initializers.recurrent, name="recurrent_candidate"
        )

    def gate_inputs(self, inputs: tf.Tensor) -> tf.Tensor:
        """W x + b of every gate, W x normalised where the GRU does so: [..., inputs] to [..., 3 units]."""
        projected = product(inputs, tf.convert_to_tensor(self.kernel))
        if self.normalization is not None:
            projected = self.normalization.normalized(projected)
        return projected + self.bias

    def run(
        self,
        gate_inputs: tf.Tensor,
        initial_state: tf.Tensor,
        backward: bool = False,
        state_mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """All states: see ``recurrence``."""
        return recurrence(gate_inputs, initial_state, *self.recurrent_weights, backward, state_mask)

    def step(self, state: tf.Tensor, gate_inputs: tf.Tensor) -> tf.Tensor:
        """The next state, [batch, units]: see ``gru_step``."""
        return gru_step(state, gate_inputs, *self.recurrent_weights).state

    @property
    def recurrent_weights(self) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.convert_to_tensor(self.recurrent_gates), tf.convert_to_tensor(self.recurrent_candidate)
