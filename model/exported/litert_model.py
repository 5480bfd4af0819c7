"""A translator as LiteRT models, for ``model.exported.engine``: encoder, search and subwords, without TensorFlow.

    layer-N.inputs.tflite     what layer N of the encoder reads -> the inputs of its gates, all positions at once
    layer-N.step.tflite       its states -> those one position on, in both directions
    annotations.tflite        what the highest layer gives -> what the decoder reads
    search.tflite             a beam -> that with one word more (model.search.beam.advance)
    forced.tflite             a given translation's next word -> its log-probability, and what it attended to
    source.model, target.model, engine.json, and unknown-words.tsv where there is a dictionary

LiteRT has no loops over sequences of any length, so the loops are the engine's. All else, the search's bookkeeping
included, is the same code that makes the SavedModel's graph. With int8, the weights of the matrix products and the
tables of words have 8 bits, and what is multiplied with them is rounded to 8 bits row by row, so that no sentence
depends on others; the rest is float32 (TensorFlow's converter, dynamic range quantization).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import tensorflow as tf

from model.exported.files import (
    ANNOTATIONS,
    DICTIONARY,
    FORCED,
    SEARCH,
    EngineMark,
    Precision,
    layer_inputs,
    layer_step,
    subword_model,
)
from model.network.decoder import Annotated
from model.network.encoder import gate_inputs_of
from model.network.folded import Folded, fold
from model.network.gru import GRU
from model.network.network import Network
from model.search.beam import Beam, Hypotheses, advance
from model.search.translator import TextTranslator
from recipes import schema
from workspace.foreign_lines import warnings_left_out
from workspace.layout import PADDING_ID, SIDES
from workspace.locations import located
from workspace.storage import copy, write_bytes


def write_litert_model(translator: TextTranslator, directory: Path, precision: Precision) -> None:
    """Writes all of the above into ``directory``, which is there; ``translator`` is of a trained network."""
    model = translator.model
    if not isinstance(model, Folded | Network):
        raise TypeError(f"{type(model).__name__} is no network")
    network = model if isinstance(model, Network) else model.network
    write_functions(network, translator.search, translator.silent, directory, precision)
    for side, subwords in zip(SIDES, (translator.source_subwords, translator.target_subwords), strict=True):
        write_bytes(directory / subword_model(side), subwords.model)
    if translator.search.unknown_dictionary is not None:
        copy(located(translator.search.unknown_dictionary), directory / DICTIONARY)


def write_functions(
    network: Network, search: schema.Search, silent: Sequence[int], directory: Path, precision: Precision
) -> None:
    """All but the subwords, for who begins with ids; silent: as in ``model.search.beam.beam_search``."""
    k = search.beam_size
    model = fold(network, k, table=None, known_k=1)
    _write_encoder(network, directory, precision)
    read = _write_annotations(model, network, directory, precision)
    _write_search(fold(network, k, table=precision, known_k=k), search, silent, read, directory, precision)
    _write_forced(model, read, directory, precision)
    EngineMark(
        precision,
        network.attends,
        len(network.encoder.layers),
        search.beam_size,
        search.length_normalization,
        search.max_length_ratio,
        search.max_length_extra,
        search.max_source_length,
        search.length_penalty,
        search.coverage_penalty,
        search.min_length_ratio,
        search.beam_groups,
        search.unknown_words,
    ).write(directory)


def _write_encoder(network: Network, directory: Path, precision: Precision) -> None:
    for number, grus in enumerate(network.encoder.layers, start=1):

        def inputs(source: tf.Tensor, below: tf.Tensor | None = None, grus: tuple[GRU, ...] = grus) -> list[tf.Tensor]:
            mask = source != PADDING_ID
            if below is None:
                below = tf.transpose(network.embedded_source(source), [1, 0, 2])
            return [gate_inputs_of(gru, below, mask) for gru in grus]

        def step(grus: tuple[GRU, ...] = grus, **values: tf.Tensor) -> list[tf.Tensor]:
            return [gru.step(values[f"state_{way}"], values[f"inputs_{way}"]) for way, gru in enumerate(grus)]

        specs = {"source": tf.TensorSpec([None, None], tf.int32)}
        if number > 1:
            specs["below"] = tf.TensorSpec([None, None, network.encoder.output_units])
        _convert(inputs, specs, directory / layer_inputs(number), precision)
        specs = {}
        for way, gru in enumerate(grus):
            specs[f"state_{way}"] = tf.TensorSpec([None, gru.units])
            specs[f"inputs_{way}"] = tf.TensorSpec([None, 3 * gru.units])
        _convert(step, specs, directory / layer_step(number), precision)


def _write_annotations(model: Folded | Network, network: Network, directory: Path, precision: Precision) -> Any:
    """Returns what the decoder reads, symbolically."""

    def annotations(source: tf.Tensor, outputs: tf.Tensor) -> Any:
        read = network.reading(*network.encoder.encoded(outputs), source != PADDING_ID)
        return model.reading(cast(Annotated, read)) if isinstance(model, Folded) else read

    specs = {
        "source": tf.TensorSpec([None, None], tf.int32),
        "outputs": tf.TensorSpec([None, None, network.encoder.output_units]),
    }
    return _convert(annotations, specs, directory / ANNOTATIONS, precision)


def _write_search(
    model: Folded | Network,
    search: schema.Search,
    silent: Sequence[int],
    read: Any,
    directory: Path,
    precision: Precision,
) -> None:
    """``read``: what the decoder reads, symbolically."""
    k, units = search.beam_size, read.initial_state.shape[1]

    def spec(*shape: int | None, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
        return tf.TensorSpec([None, *shape], dtype)

    specs = {name: spec(*value.shape[1:]) for name, value in read._asdict().items()}
    specs |= {
        "longest": spec(dtype=tf.int32),
        **({"shortest": spec(dtype=tf.int32)} if search.min_length_ratio else {}),
        "previous": spec(k, dtype=tf.int32),
        "words": spec(k, None, dtype=tf.int32),
        "has_spoken": spec(k, dtype=tf.bool),
        "log_probability": spec(k),
        "state": spec(k, units),
        **({"attention": spec(k, None)} if search.coverage_penalty else {}),
        "ended_words": spec(k, None, dtype=tf.int32),
        "ended_scores": spec(k),
    }

    def advanced(step: tf.Tensor, **values: tf.Tensor) -> Any:
        read_here = type(read)(*(values[name] for name in read._fields))
        ended = Hypotheses(values.pop("ended_words"), values.pop("ended_scores"))
        beam = Beam(**{name: values.get(name, ()) for name in Beam._fields if name != "ended"}, ended=ended)
        beam = advance(model, read_here, model.output_kernel(), step, beam, search, silent)
        return beam._replace(longest=(), shortest=())

    _convert(advanced, {"step": tf.TensorSpec([], tf.int32), **specs}, directory / SEARCH, precision)


def _write_forced(model: Folded | Network, read: Any, directory: Path, precision: Precision) -> None:
    """``read``: as in ``_write_search``."""

    def forced(state: tf.Tensor, previous: tf.Tensor, word: tf.Tensor, **values: tf.Tensor) -> Any:
        read_here = type(read)(*(values[name] for name in read._fields))
        following = model.step(read_here, state, previous, model.output_kernel())
        log_p = tf.gather(tf.nn.log_softmax(following.logits), word, axis=1, batch_dims=1)
        # LiteRT has no arrays without any elements.
        return (log_p, following.state, following.alignment) if model.attends else (log_p, following.state)

    specs = {name: tf.TensorSpec([None, *value.shape[1:]]) for name, value in read._asdict().items()}
    specs["state"] = tf.TensorSpec([None, read.initial_state.shape[1]])
    specs["previous"] = specs["word"] = tf.TensorSpec([None], tf.int32)
    _convert(forced, specs, directory / FORCED, precision)


def _convert(function: Callable[..., Any], specs: Mapping[str, tf.TensorSpec], path: Path, precision: Precision) -> Any:
    """Writes ``function`` as a LiteRT model whose inputs are called as in ``specs``, and returns its outputs, symbolic;
    the model has them in the order of tf.nest.flatten."""
    graph = tf.function(function, autograph=False).get_concrete_function(**specs)
    # Without an object to track, which TensorFlow wants, the weights become constants, which XNNPACK wants.
    with warnings_left_out():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
        if precision == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converted = converter.convert()
    write_bytes(path, converted)
    return graph.structured_outputs
