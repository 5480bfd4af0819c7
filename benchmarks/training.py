"""How fast the network trains: ``python -m benchmarks.training --source train.en --target train.fr``.

The corpus is prepared once; then every number of cores of ``--cores`` trains in a process of its own, bound to
them, and after it another multiplies matrices: how fast this machine can at all. They take turns. A figure is the
median of all turns, and its speed that of stretches of updates, after some that are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError
from workspace.layout import WorkDirectory

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


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "benchmarks.training",
        "How fast the network trains, on one core and on several.",
        reads="the corpus",
        writes="the table to standard output, and the work directory or the profile where one is asked for",
    )
    parser.add_argument("--source", type=Path, required=True, help="source side of a corpus, a sentence a line")
    parser.add_argument("--target", type=Path, required=True, help="target side")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="numbers of cores to measure")
    parser.add_argument("--turns", type=int, default=3, help="how often to measure with each number of cores")
    parser.add_argument("--updates", type=int, default=100, help="updates to measure at a time")
    parser.add_argument("--pairs", type=int, default=64, help="sentence pairs in a batch")
    parser.add_argument("--work", type=Path, help="work directory to keep and use again; default: a temporary one")
    parser.add_argument("--one", choices=["training", "peaks"], help="measure this alone, as JSON (used by itself)")
    parser.add_argument("--profile", type=Path, help="with --one training: directory for a profile of a few updates")
    options = parser.parse_args(arguments)
    if options.one:
        with starting_up():
            from benchmarks.training_speed import measure, peaks
        print(json.dumps(measure(WorkDirectory(options.work), options) if options.one == "training" else peaks()))
        return
    with tempfile.TemporaryDirectory() as directory:
        compare(options, WorkDirectory(options.work or Path(directory) / "work"))


def compare(options: argparse.Namespace, work: WorkDirectory[Path]) -> None:
    """Prepares the corpus, measures with every number of cores, and prints the table."""
    with starting_up():
        from rich.console import Console
        from rich.table import Table

        from recipes.loading import check_recipe, save_recipe
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
        prepared = subprocess.run([sys.executable, "-m", "pipelines.prepare", "--work", str(work.root)], check=False)
        if prepared.returncode:
            raise UserError(
                "the corpus cannot be prepared, for the reason above; give one of some ten thousand pairs, for 6,000 "
                "subwords are learnt from it, and 2,000 pairs are split off"
            )
    turns = [[measured_apart(cores, options, work) for cores in options.cores] for _ in range(options.turns)]
    table = Table(title=f"{options.pairs} pairs a batch", title_justify="left")
    table.add_column("")
    for cores in options.cores:
        table.add_column(f"{cores} core" + "s" * (cores > 1), justify="right")
    for name in turns[0][0]:
        medians = (statistics.median(figures[name] for figures in found) for found in zip(*turns, strict=True))
        table.add_row(name, *(f"{median:,.{FIGURES[name]}f}" for median in medians))
    Console(width=120).print(table)


def measured_apart(cores: int, options: argparse.Namespace, work: WorkDirectory[Path]) -> dict[str, float]:
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


if __name__ == "__main__":
    run_command(main)
