"""How fast the network trains: ``python -m benchmarks.training --source train.en --target train.fr``.

The corpus is prepared once; then every number of cores of ``--cores`` trains in a process of its own, bound to
them, and beside it the same process multiplies matrices: how fast this machine can at all. A figure is a median
of stretches of updates, after some that are not counted. FLOP are those of the matrix products that the equations
need for the words that are no padding, one multiplication and one addition each, three times: forward, and
backward for what goes in and for the weights.
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="source side of a corpus, a sentence a line")
    parser.add_argument("--target", type=Path, required=True, help="target side")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="numbers of cores to measure")
    parser.add_argument("--updates", type=int, default=200, help="updates to measure")
    parser.add_argument("--pairs", type=int, default=64, help="sentence pairs in a batch")
    parser.add_argument("--work", type=Path, help="work directory to keep and use again; default: a temporary one")
    parser.add_argument("--one", action="store_true", help="measure on the cores given, as JSON (used by itself)")
    parser.add_argument("--profile", type=Path, help="with --one: directory for a profile of a few updates")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(WorkDirectory(options.work), options)))
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
    found = [measured_apart(cores, options, work) for cores in options.cores]
    table = Table(title=f"{options.pairs} pairs a batch", title_justify="left")
    table.add_column("")
    for cores in options.cores:
        table.add_column(f"{cores} core" + "s" * (cores > 1), justify="right")
    for name in found[0]:
        table.add_row(name, *(figures[name] for figures in found))
    Console(width=120).print(table)


def measured_apart(cores: int, options: argparse.Namespace, work: WorkDirectory) -> dict[str, str]:
    """The figures of a process bound to so many cores."""
    command = [sys.executable, "-m", "benchmarks.training", "--one", "--work", str(work.root)]
    command += ["--source", str(options.source), "--target", str(options.target), "--cores", str(cores)]
    command += ["--updates", str(options.updates)]
    usable = sorted(os.sched_getaffinity(0))[-cores:]
    ran = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, usable)
    )
    figures: dict[str, str] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def measure(work: WorkDirectory, options: argparse.Namespace) -> dict[str, str]:
    """Trains for some updates on ``work``'s corpus, and gives the figures by name."""
    # Only now: TensorFlow takes the number of its threads from the cores it finds when imported.
    import tensorflow as tf  # noqa: PLC0415

    from model.network import Network  # noqa: PLC0415
    from model.optimizer import Optimizer  # noqa: PLC0415
    from model.plan import endless_epochs  # noqa: PLC0415
    from model.subwords import load_subwords  # noqa: PLC0415
    from model.update import update_functions  # noqa: PLC0415
    from recipes.files import read_json  # noqa: PLC0415
    from recipes.stages import resolved_recipe  # noqa: PLC0415

    recipe, manifest = resolved_recipe(work), read_json(work.manifest)
    source, target = load_subwords(work, recipe.subwords.joint)
    strategy = tf.distribute.get_strategy()
    network = Network(
        recipe.model, source.vocabulary, target.vocabulary, recipe.training.seed, recipe.training.precision
    )
    optimizer = Optimizer(recipe.training, 1000, network.trainable_variables)
    update = update_functions(strategy, network, optimizer, recipe.training).update
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
    return described(recipe.model, target.vocabulary, network.count_params(), stretches, compiling, peaks())


def described(
    settings: schema.Model,
    vocabulary: int,
    parameters: int,
    stretches: list[dict[str, float]],
    compiling: float,
    peak: list[float],
) -> dict[str, str]:
    """The figures in words."""
    total = {name: sum(stretch[name] for stretch in stretches) for name in stretches[0]}
    speed = statistics.median(stretch["target"] / stretch["seconds"] for stretch in stretches)
    source_words = total["source"] / total["target"]
    flop = 3 * (target_flop(settings, vocabulary) + source_words * source_flop(settings))
    shapes = [" by ".join(map(str, shape)) for shape in SHAPES]
    return {
        "parameters": f"{parameters:,}",
        "target tokens/s": f"{speed:,.0f}",
        "padding %": f"{100 - 100 * (total['source'] + total['target']) / total['positions']:.1f}",
        "MFLOP a target token": f"{flop / 1e6:.1f}",
        "GFLOP/s": f"{speed * flop / 1e9:.1f}",
        **{f"GFLOP/s of {shape}": f"{speed:.1f}" for shape, speed in zip(shapes, peak, strict=True)},
        "waiting for batches %": f"{100 * total['waiting'] / total['seconds']:.2f}",
        "first update s": f"{compiling:.1f}",
        "peak MB": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}",
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


def peaks() -> list[float]:
    """GFLOP/s of matrix products of ``SHAPES``: the best of some tries."""
    import tensorflow as tf  # noqa: PLC0415

    found = []
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
        found.append(best)
    return found


if __name__ == "__main__":
    main()
