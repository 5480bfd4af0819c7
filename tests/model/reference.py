"""The paper's equations in plain NumPy, float64, one sentence at a time: what the network is held against.

Written from appendix A of the paper, with no code in common with ``model``. Weights are those of a
``Network``, taken by their names.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from model.network.network import Network
from recipes import schema

Weights = dict[str, np.ndarray]
# Of recurrent dropout, [units] for each GRU by its name in the weights; none for one that has no dropout.
Masks = dict[str, np.ndarray]
Pair = tuple[list[int], list[int]]


def variables_of(network: Network) -> dict[str, keras.Variable]:
    """Every variable of the network under the name that the equations below use."""
    encoder: Any = network.encoder
    decoder: Any = network.decoder
    variables = {
        "target_embeddings": network.target_embeddings,
        "initial.kernel": network.initial.kernel,
        "initial.bias": network.initial.bias,
        "context": decoder.context_kernel,
    }
    if network.settings.tied_embeddings != "all":
        variables["source_embeddings"] = network.source_embeddings
    attentive = network.attends
    # The GRUs in the order in which training goes through them.
    grus: list[Any] = [encoder.forward, encoder.backward] if attentive else [encoder.forward]
    upper = [encoder.upper_forward, encoder.upper_backward] if attentive else [encoder.upper_forward]
    grus += [gru for layer in zip(*upper, strict=True) for gru in layer]
    layers: dict[str, Any] = {gru.name: gru for gru in grus}
    layers |= {"decoder": decoder.gru, **{gru.name: gru for gru in network.upper_decoder.grus}}
    layers |= {"readout": network.readout, **({"attention": decoder.attention} if attentive else {})}
    if network.settings.layer_norm:
        layers["annotations"] = encoder.normalization
    for name, layer in layers.items():
        own = [variable for variable in layer.trainable_variables if variable is not network.target_embeddings]
        variables |= {f"{name}.{variable.name}": variable for variable in own}
    return variables


def weights_of(network: Network) -> Weights:
    """The values of ``variables_of``, as float64."""
    return {name: variable.numpy().astype(np.float64) for name, variable in variables_of(network).items()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def normalized(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """Ba et al. 2016, equation 4, where there is a gain; else ``x``. The bias is added by what comes after."""
    gain = w.get(f"{name}.gamma")
    return x if gain is None else (x - x.mean()) / np.sqrt(x.var() + 1e-5) * gain


def softmax(x: np.ndarray) -> np.ndarray:
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum()


def gru(
    w: Weights,
    name: str,
    state: np.ndarray,
    word: np.ndarray,
    context: np.ndarray | None = None,
    mask: np.ndarray | float = 1.0,
) -> np.ndarray:
    """A.1.1: the next state; with a context, A.1.2's. Only the products see the state through the mask."""
    n, seen = len(state), mask * state
    outside = normalized(w, name, word @ w[f"{name}.kernel"]) + w[f"{name}.bias"]
    if context is not None:
        outside = outside + context @ w["context"]
    gates = w[f"{name}.recurrent_gates"]
    z = sigmoid(outside[:n] + seen @ gates[:, :n])
    r = sigmoid(outside[n : 2 * n] + seen @ gates[:, n:])
    candidate = np.tanh(outside[2 * n :] + (r * seen) @ w[f"{name}.recurrent_candidate"])
    return (1 - z) * state + z * candidate


def attention(w: Weights, state: np.ndarray, annotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A.1.2: context and alignment for the state s_{i-1}."""
    energies = [
        w["attention.vector"]
        @ np.tanh(state @ w["attention.state_kernel"] + h @ w["attention.annotation_kernel"] + w["attention.bias"])
        for h in annotations
    ]
    alignment = softmax(np.array(energies))
    return sum(weight * h for weight, h in zip(alignment, annotations, strict=True)), alignment


def logits(
    w: Weights, source: list[int], target: list[int], settings: schema.Model, masks: Masks | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of every word of ``target`` given those before it, and the alignment (zeros without attention)."""
    attentive = settings.architecture == "rnnsearch"

    def mask_of(name: str) -> np.ndarray | float:
        return (masks or {}).get(name, 1.0)

    words = [w["target_embeddings" if settings.tied_embeddings == "all" else "source_embeddings"][i] for i in source]
    n = w["forward.recurrent_candidate"].shape[0]

    def read(name: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
        state, states = np.zeros(n), []
        for vector in inputs:
            state = gru(w, name, state, vector, mask=mask_of(name))
            states.append(state)
        return states

    outputs = words
    for layer in range(settings.encoder_layers):
        number = f"_{layer + 1}" if layer else ""
        states = read(f"forward{number}", outputs)
        if attentive:
            backward = read(f"backward{number}", outputs[::-1])[::-1]
            states = [np.concatenate(both) for both in zip(states, backward, strict=True)]
        outputs = [below + own for below, own in zip(outputs, states, strict=True)] if layer else states
    outputs = [normalized(w, "annotations", output) for output in outputs]
    first = outputs[0][n:] if attentive else outputs[-1]
    states = np.split(np.tanh(first @ w["initial.kernel"] + w["initial.bias"]), settings.decoder_layers)
    softmax_matrix = w["target_embeddings"].T if settings.tied_embeddings else w["readout.vocabulary_kernel"]
    rows, alignments = [], []
    previous = np.zeros(w["target_embeddings"].shape[1])
    for word in target:
        before = states
        if attentive:
            context, alignment = attention(w, before[0], np.array(outputs))
        else:
            context, alignment = first, np.zeros(len(source))
        states = [gru(w, "decoder", before[0], previous, context, mask_of("decoder"))]
        for layer in range(1, settings.decoder_layers):
            name, below = f"decoder_{layer + 1}", np.concatenate([sum(states), context])
            states.append(gru(w, name, before[layer], below, mask=mask_of(name)))
        pieces = (
            sum(states if settings.readout_state == "current" else before) @ w["readout.state_kernel"]
            + previous @ w["readout.embedding_kernel"]
            + context @ w["readout.context_kernel"]
        )
        maxout = (normalized(w, "readout", pieces) + w["readout.bias"]).reshape(2, -1).max(axis=0)
        rows.append(maxout @ softmax_matrix + w["readout.vocabulary_bias"])
        alignments.append(alignment)
        previous = w["target_embeddings"][word]
    return np.array(rows), np.array(alignments)


def negative_log_likelihood(
    w: Weights, pairs: list[Pair], settings: schema.Model, masks: list[Masks] | None = None
) -> float:
    """Sum over the words of all pairs of -log p, in nats, with the masks of each pair."""
    total = 0.0
    for (source, target), of_pair in zip(pairs, masks or [{}] * len(pairs), strict=True):
        rows, _ = logits(w, source, target, settings, of_pair)
        total -= sum(np.log(softmax(row)[word]) for row, word in zip(rows, target, strict=True))
    return total
