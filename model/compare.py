"""Compares the translations of two evaluated runs, whose test sets are the same: what ``model.evaluation.comparison``
does.

python -m model.compare --work work/bible --against work/other
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.locations import located

if TYPE_CHECKING:
    from model.evaluation.comparison import Comparison


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "model.compare",
        "Says by how much the scores of a run differ from another's, how likely chance alone does so, and in which "
        "sentences.",
        reads="recipe.yaml, data/ and evaluation/ of the work directory, and evaluation/ of the other",
        writes="evaluation/comparison.json and report.html of the work directory",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory of an evaluated run")
    parser.add_argument("--against", type=located, required=True, help="work directory of the other, the baseline")
    options = parser.parse_args(arguments)
    run_and_say(WorkDirectory(options.work), WorkDirectory(options.against))


def run_and_say(work: WorkDirectory, other: WorkDirectory) -> None:
    comparison = run(work, other)
    from model.evaluation.comparison import summary

    print(summary(comparison, work))


def run(work: WorkDirectory, other: WorkDirectory) -> Comparison:
    with starting_up():
        from recipes.stages import resolved_recipe

        recipe = resolved_recipe(work)

        from model.data.staging import data_here
        from model.evaluation.comparison import compare
        from model.evaluation.report import write_report
        from workspace.lock import sole_use
        from workspace.marks import read_scores
    with sole_use(work, "model.compare"), data_here(work, "test") as here:
        comparison = compare(here, recipe, other)
        write_report(here, recipe, read_scores(here))
    return comparison


if __name__ == "__main__":
    run_command(main)
