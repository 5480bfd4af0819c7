"""Translates the test set with the best checkpoint and scores it with sacreBLEU: what ``model.evaluation.scores`` does.

python -m model.evaluate --work work/bible
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.machine import own_temporary_directory

if TYPE_CHECKING:
    from workspace.marks import Scores


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "model.evaluate",
        "Translates the test set with the best checkpoint and scores it with sacreBLEU, on plain text.",
        reads="recipe.yaml, data/ and the best checkpoint in training/ of the work directory",
        writes="evaluation/ of the work directory: test.hypotheses.txt, and scores.json last",
    )
    parser.add_argument("--work", type=Path, required=True, help="work directory, with a finished training")
    run(WorkDirectory(parser.parse_args(arguments).work))


def run(work: WorkDirectory) -> Scores:
    with starting_up():
        from recipes.stages import resolved_recipe

        recipe = resolved_recipe(work)

        from model.devices.cores import keep_operations_on_one_core
        from model.evaluation.scores import evaluate
        from workspace.lock import sole_use
    keep_operations_on_one_core()
    with sole_use(work, "model.evaluate"), own_temporary_directory():
        return evaluate(work, recipe)


if __name__ == "__main__":
    run_command(main)
