"""Prepares the corpora of a recipe for training: ``python -m pipelines.prepare --work work/<recipe>``.

Flags that this command does not know are Beam's: ``--direct_running_mode=multi_processing
--direct_num_workers=2`` uses two cores. The jobs and their graphs are in ``pipelines.preparation.job``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.locations import located

if TYPE_CHECKING:
    from workspace.marks import Manifest


def main(arguments: list[str]) -> None:
    """The command: prepares the corpus of the work directory named by ``--work``."""
    parser = command_parser(
        "pipelines.prepare",
        "Cleans, splits, encodes and shards the corpus of a run.",
        reads="recipe.yaml of the work directory, and the corpora that it names or that are in corpus/",
        writes="data/ of the work directory, which appears whole, and intermediate/ on the way there",
        epilog="All other flags are Apache Beam's, such as --runner; without one the job runs on this machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--work", type=located, required=True, help="work directory that holds recipe.yaml")
    known, flags = parser.parse_known_args(arguments)
    run(WorkDirectory(known.work), flags)


def run(work: WorkDirectory, flags: Sequence[str] = ()) -> Manifest:
    """Prepares the corpus of ``work``; flags are Beam's."""
    with starting_up():
        from recipes.corpora import corpora
        from recipes.stages import resolved_recipe

        recipe = resolved_recipe(work)

        from pipelines.cleaning.languages import unknown_languages
        from pipelines.preparation.job import prepare
        from pipelines.preparation.manifest import summary
        from pipelines.reports.preparation_report import render_report
        from pipelines.runners.options import ready_runner
        from workspace.lock import sole_use
    # A file that is not there ends the command before anything else is said or started.
    corpora(recipe, work)
    if unknown := unknown_languages(recipe):
        print(f"warning: {unknown}", file=sys.stderr)
    with sole_use(work, "pipelines.prepare"), ready_runner(flags) as options:
        manifest = prepare(recipe, work, options, render_report=render_report)
    print(summary(manifest, work), flush=True)
    return manifest


if __name__ == "__main__":
    run_command(main)
