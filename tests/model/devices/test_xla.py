"""What a TPU needs of the update: shapes that are fixed, and operations that XLA has. Compiled here, for the CPU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.data.batches import fixed_shapes, training_batches
from model.devices.strategies import has_fixed_shapes
from model.network.network import Network
from model.training.optimizer import Optimizer
from model.training.update import update_functions
from recipes import schema
from tests.model.shards import VOCABULARY, recipe_for, write_data
from workspace.marks import read_manifest

pytestmark = pytest.mark.slow

BATCH_TOKENS = 150  # small enough for buckets of several lengths

NO_DROPOUT: dict[str, Any] = {"dropout": 0.0}
EVERY_OPTION = {
    "dropout": 0.2,
    "recurrent_dropout": 0.2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "layer_norm": True,
    "tied_embeddings": "all",
}

# As XLA writes a dimension that is known to be at most so large.
DYNAMIC = re.compile(r"\[[^\]]*<=")


def updated(
    batches: list[Any], *, options: Mapping[str, Any] = NO_DROPOUT, **settings: Any
) -> tuple[Any, list[float], list[np.ndarray]]:
    """The update's function, and what it makes of a network over some batches: its losses and weights."""
    training = schema.Training(batch_tokens=BATCH_TOKENS, label_smoothing=0.1, **settings)
    sizes = {"embedding_units": 8, "encoder_units": 8, "decoder_units": 8, "alignment_units": 8, "readout_units": 8}
    network = Network(schema.Model.model_validate({**sizes, **options}), VOCABULARY, VOCABULARY, seed=1)
    optimizer = Optimizer(training, 100, network.trainable_variables)
    strategy = tf.distribute.get_strategy()
    fixed = has_fixed_shapes(strategy, training)
    update = update_functions(strategy, network, optimizer, training, fixed_shapes=fixed).update
    losses = [float(update(*batch).loss) for batch in batches]
    return update, losses, [weight.numpy() for weight in network.trainable_variables]


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """One of every fixed shape."""
    work = write_data(tmp_path_factory.mktemp("run"), recipe_for())
    manifest, training = read_manifest(work), schema.Training(batch_tokens=BATCH_TOKENS)
    found = {}
    for batch in training_batches(work, manifest, training, epoch=0, fixed=True):
        found[tuple(batch[0].shape)] = batch
    assert len(found) > 1
    assert sorted(found) == sorted(fixed_shapes(manifest.lengths["train"], training))
    return list(found.values())


@pytest.mark.parametrize("options", [NO_DROPOUT, EVERY_OPTION], ids=["plain", "every option"])
def test_update_is_compiled_for_every_shape_with_no_dynamic_dimension(
    batches: list[Any], options: Mapping[str, Any]
) -> None:
    """All of it, as strategy.run does on a TPU: what XLA cannot compile would be an error."""
    update, _, _ = updated([], options=options)
    compiled = tf.function(update.python_function, jit_compile=True)
    for source, target in batches:
        program = compiled.experimental_get_compiler_ir(source, target)(stage="hlo")
        assert "while" in program
        assert not DYNAMIC.search(program)


def test_compiled_update_is_the_same(batches: list[Any]) -> None:
    twice = batches[:1] * 2
    _, losses, weights = updated(twice)
    update, compiled_losses, compiled_weights = updated(twice, jit_compile=True)
    assert update.experimental_get_tracing_count() == 1  # not once more in the next epoch
    assert compiled_losses == pytest.approx(losses, rel=1e-5)
    for ours, theirs in zip(compiled_weights, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_where_nothing_is_compiled_one_graph_serves_all_shapes(batches: list[Any]) -> None:
    update, _, _ = updated(batches)
    assert update.experimental_get_tracing_count() == 1
