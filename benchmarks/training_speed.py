"""What ``benchmarks.training`` measures in a process of its own.

FLOP are those of the matrix products that the equations need for the words that are no padding, one multiplication and
one addition each, three times: forward, and backward for what goes in and for the weights.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.training import SHAPES
from model.devices.cores import keep_operations_on_one_core
from model.training.training import Training
from recipes import schema
from recipes.stages import resolved_recipe
from workspace.layout import PADDING_ID, WorkDirectory
from workspace.marks import read_manifest

UPDATES_NOT_COUNTED = 20
UPDATES_IN_A_STRETCH = 20


def measure(work: WorkDirectory[Path], options: argparse.Namespace) -> dict[str, float]:
    """Trains for some updates on ``work``'s corpus, and gives the figures by name."""
    keep_operations_on_one_core()
    recipe, manifest = resolved_recipe(work), read_manifest(work)
    training = Training(work, recipe, manifest, tf.distribute.get_strategy())
    update = training.functions.update
    batches = itertools.chain.from_iterable(training.epochs())
    began = time.monotonic()
    update(*next(batches))
    compiling = time.monotonic() - began
    for _ in range(UPDATES_NOT_COUNTED):
        update(*next(batches))
    if options.profile:
        tf.profiler.experimental.start(str(options.profile))
        for _ in range(5):
            update(*next(batches))
        tf.profiler.experimental.stop()
    stretches = []
    for _ in range(options.updates // UPDATES_IN_A_STRETCH):
        stretch = {"seconds": 0.0, "waiting": 0.0, "source": 0, "target": 0, "positions": 0}
        for _ in range(UPDATES_IN_A_STRETCH):
            began = time.monotonic()
            batch = next(batches)
            got = time.monotonic()
            float(update(*batch)[0])
            stretch["seconds"] += time.monotonic() - began
            stretch["waiting"] += got - began
            for name, side in zip(("source", "target"), batch, strict=True):
                stretch[name] += int(tf.math.count_nonzero(side != PADDING_ID))
                stretch["positions"] += int(tf.size(side))
        stretches.append(stretch)
    return {
        "parameters": training.network.count_params(),
        **described(recipe.model, manifest.subwords.vocabulary["target"], stretches),
        "first update s": compiling,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def described(settings: schema.Model, vocabulary: int, stretches: list[dict[str, float]]) -> dict[str, float]:
    """The figures of some stretches of updates."""
    total = {name: sum(stretch[name] for stretch in stretches) for name in stretches[0]}
    speed = statistics.median(stretch["target"] / stretch["seconds"] for stretch in stretches)
    source_words = total["source"] / total["target"]
    flop = 3 * (target_flop(settings, vocabulary) + source_words * source_flop(settings))
    return {
        "target tokens/s": speed,
        "padding %": 100 - 100 * (total["source"] + total["target"]) / total["positions"],
        "MFLOP a target token": flop / 1e6,
        "GFLOP/s": speed * flop / 1e9,
        "waiting for batches %": 100 * total["waiting"] / total["seconds"],
    }


def source_flop(settings: schema.Model) -> int:
    """FLOP forward for a source word: two GRUs in every layer, and U_a h."""
    words, units = settings.embedding_units, settings.encoder_units
    upper = (settings.encoder_layers - 1) * 2 * 3 * units * (2 * units + units)
    return 2 * (2 * 3 * units * (words + units) + upper + 2 * units * settings.alignment_units)


def target_flop(settings: schema.Model, vocabulary: int) -> int:
    """FLOP forward for a target word: W_a s, the GRUs with context, the read-out. Of the attention only that."""
    words, context, units = settings.embedding_units, 2 * settings.encoder_units, settings.decoder_units
    seen = words + context + units
    return 2 * (
        units * settings.alignment_units
        + 3 * units * seen
        + (settings.decoder_layers - 1) * 3 * units * (units + context + units)
        + 2 * settings.readout_units * seen
        + settings.readout_units * vocabulary
    )


def peaks() -> dict[str, float]:
    """GFLOP/s of matrix products of ``SHAPES``, all cores at each: the best of some tries."""
    found = {}
    for rows, inner, columns in SHAPES:
        left, right = tf.random.normal([rows, inner]), tf.random.normal([inner, columns])
        times = max(1, int(2e10 / (2 * rows * inner * columns)))

        @tf.function
        def multiply(left: Any = left, right: Any = right, times: int = times) -> Any:
            def step(index: Any, total: Any) -> tuple[Any, Any]:
                return index + 1, total + tf.matmul(left + total[0, 0] * 1e-30, right)[:1]

            return tf.while_loop(lambda index, _: index < times, step, (0, tf.zeros([1, right.shape[1]])))[1]

        multiply()
        best = 0.0
        for _ in range(5):
            began = time.monotonic()
            multiply().numpy()
            best = max(best, 2 * rows * inner * columns * times / (time.monotonic() - began) / 1e9)
        found[f"GFLOP/s of {rows} by {inner} by {columns}"] = best
    return found
