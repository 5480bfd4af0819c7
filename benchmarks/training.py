"""How fast the network trains: ``python -m benchmarks.training --source train.en --target train.fr``.

The corpus is prepared once; then every number of cores of ``--cores`` trains in a process of its own, bound to
them, and after it another multiplies matrices: how fast this machine can at all. They take turns. A figure is the
median of all turns, and its speed that of stretches of updates, after some that are not counted. FLOP are those of
the matrix products that the equations need for the words that are no padding, one multiplication and one addition
each, three times: forward, and backward for what goes in and for the weights.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from recipes import schema
from recipes.layout import PADDING_ID, WorkDirectory
from recipes.loading import check_recipe, save_recipe

UPDATES_NOT_COUNTED = 20
UPDATES_IN_A_STRETCH = 20
SHAPES = ((2048, 2048, 2048), (64, 512, 1536))
# What is measured, and with how many decimals it is shown.
FIGURES = {
    "parameters": 0,
    "target tokens/s": 0,
    "padding %": 1,
    "MFLOP a target token": 1,
    "GFLOP/s": 1,
    "waiting for batches %": 2,
    "first update s": 1,
    "peak MB": 0,
    **{f"GFLOP/s of {rows} by {inner} by {columns}": 1 for rows, inner, columns in SHAPES},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="source side of a corpus, a sentence a line")
    parser.add_argument("--target", type=Path, required=True, help="target side")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="numbers of cores to measure")
    parser.add_argument("--turns", type=int, default=3, help="how often to measure with each number of cores")
    parser.add_argument("--updates", type=int, default=100, help="updates to measure at a time")
    parser.add_argument("--pairs", type=int, default=64, help="sentence pairs in a batch")
    parser.add_argument("--work", type=Path, help="work directory to keep and use again; default: a temporary one")
    parser.add_argument("--one", choices=["training", "peaks"], help="measure this alone, as JSON (used by itself)")
    parser.add_argument("--profile", type=Path, help="with --one training: directory for a profile of a few updates")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(WorkDirectory(options.work), options) if options.one == "training" else peaks()))
        return
    with tempfile.TemporaryDirectory() as directory:
        compare(options, WorkDirectory(options.work or Path(directory) / "work"))


def compare(options: argparse.Namespace, work: WorkDirectory) -> None:
    """Prepares the corpus, measures with every number of cores, and prints the table."""
    if not work.manifest.exists():
        settings = {
            "name": "benchmark",
            "corpus": {
                "source_language": "en",
                "target_language": "fr",
                "train": {"source": str(options.source), "target": str(options.target)},
            },
            "subwords": {"vocabulary": 6000},
            "training": {"batch_pairs": options.pairs, "sorted_batches": 1000, "label_smoothing": 0.1},
        }
        save_recipe(check_recipe(settings, "benchmark"), work.recipe)
        subprocess.run([sys.executable, "-m", "pipelines.prepare", "--work", str(work.root)], check=True)
    turns = [[measured_apart(cores, options, work) for cores in options.cores] for _ in range(options.turns)]
    table = Table(title=f"{options.pairs} pairs a batch", title_justify="left")
    table.add_column("")
    for cores in options.cores:
        table.add_column(f"{cores} core" + "s" * (cores > 1), justify="right")
    for name in turns[0][0]:
        medians = (statistics.median(figures[name] for figures in found) for found in zip(*turns, strict=True))
        table.add_row(name, *(f"{median:,.{FIGURES[name]}f}" for median in medians))
    Console(width=120).print(table)


def measured_apart(cores: int, options: argparse.Namespace, work: WorkDirectory) -> dict[str, float]:
    """The figures of processes bound to so many cores."""
    usable = sorted(os.sched_getaffinity(0))[-cores:]
    command = [sys.executable, "-m", "benchmarks.training", "--work", str(work.root), "--updates", str(options.updates)]
    command += ["--source", str(options.source), "--target", str(options.target)]
    figures: dict[str, float] = {}
    for what in ("training", "peaks"):
        ran = subprocess.run(
            [*command, "--one", what],
            check=True,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, usable),
        )
        figures |= json.loads(ran.stdout.splitlines()[-1])
    return figures


def measure(work: WorkDirectory, options: argparse.Namespace) -> dict[str, float]:
    """Trains for some updates on ``work``'s corpus, and gives the figures by name."""
    # Only now: TensorFlow takes the number of its threads from the cores it finds when imported.
    import tensorflow as tf  # noqa: PLC0415

    from model.cores import keep_operations_on_one_core, parts_of_batch  # noqa: PLC0415
    from model.network import Network  # noqa: PLC0415
    from model.optimizer import Optimizer  # noqa: PLC0415
    from model.plan import endless_epochs, plan_of  # noqa: PLC0415
    from model.subwords import load_subwords  # noqa: PLC0415
    from model.update import update_functions  # noqa: PLC0415
    from recipes.files import read_json  # noqa: PLC0415
    from recipes.stages import resolved_recipe  # noqa: PLC0415

    keep_operations_on_one_core()
    recipe, manifest = resolved_recipe(work), read_json(work.manifest)
    source, target = load_subwords(work, recipe.subwords.joint)
    strategy = tf.distribute.get_strategy()
    network = Network(
        recipe.model, source.vocabulary, target.vocabulary, recipe.training.seed, recipe.training.precision
    )
    optimizer = Optimizer(recipe.training, 1000, network.trainable_variables)
    parts = parts_of_batch(strategy, recipe.training, plan_of(manifest, recipe.training).batch_pairs)
    update = update_functions(strategy, network, optimizer, recipe.training, parts).update
    batches = itertools.chain.from_iterable(endless_epochs(strategy, work, manifest, recipe.training))
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
        "parameters": network.count_params(),
        **described(recipe.model, target.vocabulary, stretches),
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
    import tensorflow as tf  # noqa: PLC0415

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


if __name__ == "__main__":
    main()
