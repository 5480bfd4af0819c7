"""Small networks and batches for the tests of the model; two logical CPU devices, so that replicas can be tested."""

from __future__ import annotations

from pathlib import Path

from tests import silent_tensorflow  # noqa: F401

# isort: split

import itertools
import signal
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.data.subwords import load_subwords
from model.network.checkpoint import load_best
from model.network.network import Network
from model.training.state import newest_step
from recipes import schema
from recipes.loading import load_recipe
from tests.numbers_corpus import english
from workspace.history import read_history
from workspace.layout import END_ID, PADDING_ID, WorkDirectory

# What the tests of translation and export translate with, and what they translate.
TINY = load_recipe("tiny", {"training": {"epochs": 2}, "search": {"batch_sentences": 7, "max_request_texts": 6}})
TEXTS = [english(number) for number in (3, 71, 1234, 9876, 500)]

SOURCE_VOCABULARY, TARGET_VOCABULARY = 13, 11
NETWORKS: dict[str, dict[str, Any]] = {
    f"{architecture}-{state}": {"architecture": architecture, "readout_state": state}
    for architecture, state in itertools.product(["rnnsearch", "rnnencdec"], ["current", "previous"])
}
# Between them, with every option of the network.
NETWORKS["rnnsearch-options"] = {
    "tied_embeddings": "target",
    "readout_units": 5,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "layer_norm": True,
}
NETWORKS["rnnencdec-options"] = {
    "architecture": "rnnencdec",
    "readout_state": "previous",
    "tied_embeddings": "all",
    "readout_units": 5,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "layer_norm": True,
}

if not tf.config.get_visible_devices("GPU"):
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def small_network(*, precision: Any = "float32", **more: Any) -> Network:
    """A network with a different size for everything, and weights large enough to matter."""
    settings = schema.Model.model_validate(
        {
            "embedding_units": 5,
            "encoder_units": 4,
            "decoder_units": 6,
            "alignment_units": 7,
            "readout_units": 3,
            "dropout": 0.0,
            **more,
        }
    )
    joint = settings.tied_embeddings == "all"
    network = Network(settings, SOURCE_VOCABULARY, SOURCE_VOCABULARY if joint else TARGET_VOCABULARY, 3, precision)
    random = np.random.default_rng(3)
    for variable in network.trainable_variables:
        variable.assign(random.normal(0, 0.5, variable.shape))
    return network


def padded(sentences: list[list[int]]) -> tf.Tensor:
    """int32 [batch, length]."""
    return tf.ragged.constant(sentences, dtype=tf.int32).to_tensor(PADDING_ID)


def random_pairs(count: int, seed: int = 5) -> list[tuple[list[int], list[int]]]:
    """Sentence pairs of subword ids of many lengths, each ending in END_ID."""
    random = np.random.default_rng(seed)

    def sentence(vocabulary: int) -> list[int]:
        return [int(word) for word in random.integers(2, vocabulary, random.integers(0, 8))] + [END_ID]

    return [(sentence(SOURCE_VOCABULARY), sentence(TARGET_VOCABULARY)) for _ in range(count)]


def best(work: WorkDirectory[Path]) -> Network:
    """The best network of a training of TINY."""
    return load_best(work, TINY, load_subwords(work, joint=True))


def same_training(ours: WorkDirectory[Path], theirs: WorkDirectory[Path]) -> None:
    """Asserts that two trainings were the same, from the loss of the first updates to the last weights."""
    histories = [read_history(work) for work in (ours, theirs)]
    assert [line["step"] for line in histories[0]] == [line["step"] for line in histories[1]]
    for name, tolerance in (("loss", 1e-4), ("dev_bleu", 0.5)):
        curves = [[line[name] for line in history] for history in histories]
        assert curves[0] == pytest.approx(curves[1], abs=tolerance)
    newest = (work.checkpoint(newest_step(work)) / "state" for work in (ours, theirs))
    our_weights, their_weights = map(tf.train.load_checkpoint, map(str, newest))
    names = [name for name in our_weights.get_variable_to_shape_map() if name.startswith("network/")]
    assert len(names) > 10
    for name in names:
        np.testing.assert_allclose(our_weights.get_tensor(name), their_weights.get_tensor(name), atol=1e-4)


TIMES = {"seconds", "evaluation_seconds", "target_words_per_second"}


def history_but_for_times(work: WorkDirectory[Path]) -> list[dict[str, float]]:
    return [{name: value for name, value in line.items() if name not in TIMES} for line in read_history(work)]


class SignalAt(keras.callbacks.Callback):
    """What kill or Ctrl-C sends, at a given update."""

    def __init__(self, step: int, number: signal.Signals):
        super().__init__()
        self._step, self._number = step, number

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == self._step:
            signal.raise_signal(self._number)
