"""CTranslate2 with a Transformer of about as many parameters: two layers on each side, random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.specs import transformer_spec

from benchmarks.search_ways.turns import SEED, VOCABULARY, WORDS, Translate, Way

LAYERS, HEADS, UNITS, INNER_UNITS = 2, 4, 256, 1024
LONGEST = 128


def way(kind: str) -> Way:
    """``kind``: float32 or int8, what the products are computed in."""
    specification = transformer_spec.TransformerSpec.from_config((LAYERS, LAYERS), HEADS)
    fill(specification)
    words = ["<unk>", "<s>", "</s>", *(str(word) for word in range(3, VOCABULARY))]
    specification.register_source_vocabulary(words)
    specification.register_target_vocabulary(words)
    specification.validate()
    weights = {name: np.asarray(value.numpy()) for name, value in specification.variables().items()}
    learnt = ("weight", "bias", "gamma", "beta")
    parameters = sum(values.size for name, values in weights.items() if name.endswith(learnt))
    with tempfile.TemporaryDirectory() as directory:
        specification.save(directory)
        model = ctranslate2.Translator(directory, compute_type=kind, inter_threads=1, intra_threads=1)

    def translator(beam: int) -> Translate:
        def translate(batch: Sequence[Sequence[int]]) -> None:
            found = model.translate_batch(
                [[words[word] for word in sentence] for sentence in batch],
                beam_size=beam,
                min_decoding_length=WORDS,
                max_decoding_length=WORDS,
            )
            if len(found[0].hypotheses[0]) != WORDS:
                raise AssertionError(f"a translation has {len(found[0].hypotheses[0])} words in place of {WORDS}")

        return translate

    return Way(f"CTranslate2 {ctranslate2.__version__}", parameters, translator)


def fill(specification: Any) -> None:
    """Random weights of a fixed seed."""
    numbers = np.random.default_rng(SEED)

    def matrix(rows: int, columns: int, deviation: float) -> np.ndarray:
        return (numbers.standard_normal((rows, columns)) * deviation).astype(np.float32)

    def linear(layer: Any, inputs: int, outputs: int) -> None:
        layer.weight, layer.bias = matrix(outputs, inputs, inputs**-0.5), np.zeros(outputs, np.float32)

    def normalization(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(UNITS, np.float32), np.zeros(UNITS, np.float32)

    encoder, decoder = specification.encoder, specification.decoder
    for embeddings in (encoder.embeddings[0], decoder.embeddings):
        embeddings.weight = matrix(VOCABULARY, UNITS, UNITS**-0.5)
    for side in (encoder, decoder):
        side.position_encodings.encodings = matrix(LONGEST, UNITS, 0.1)
        normalization(side.layer_norm)
        for layer in side.layer:
            normalization(layer.self_attention.layer_norm)
            linear(layer.self_attention.linear[0], UNITS, 3 * UNITS)
            linear(layer.self_attention.linear[1], UNITS, UNITS)
            if side is decoder:
                normalization(layer.attention.layer_norm)
                linear(layer.attention.linear[0], UNITS, UNITS)
                linear(layer.attention.linear[1], UNITS, 2 * UNITS)
                linear(layer.attention.linear[2], UNITS, UNITS)
            normalization(layer.ffn.layer_norm)
            linear(layer.ffn.linear_0, UNITS, INNER_UNITS)
            linear(layer.ffn.linear_1, INNER_UNITS, UNITS)
    linear(decoder.projection, UNITS, VOCABULARY)
