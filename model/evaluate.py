"""Translates the test set with the best checkpoint and scores it with sacreBLEU: what ``model.evaluation.scores`` does.

python -m model.evaluate --work work/bible [--precision int8] [--against work/other] [--show 3] [--align-gold verses]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model import compare
from model.exported.loading import check_precision
from recipes.evaluation_flags import add_evaluation_flags, check_gold
from workspace.command import command_parser, run_command, starting_up
from workspace.layout import SPLITS, WorkDirectory
from workspace.locations import Location, located
from workspace.scratch import own_temporary_directory, scratch_directory

if TYPE_CHECKING:
    from workspace.layout import Precision
    from workspace.marks import Scores


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "model.evaluate",
        "Translates the test set with the best checkpoint and scores it with sacreBLEU, on plain text.",
        reads="recipe.yaml, data/ and the best checkpoint in training/ of the work directory",
        writes="evaluation/ of the work directory: test.hypotheses.txt, test.alignments.*, shown.json, report.html, "
        "and scores.json last; with --against comparison.json",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory, with a finished training")
    parser.add_argument(
        "--precision",
        choices=["float32", "int8"],
        default="float32",
        help="int8: by the engine for CPUs that an export would write (default: float32, as servers translate)",
    )
    parser.add_argument(
        "--against", type=located, help="work directory of another run, to compare with (model.compare)"
    )
    add_evaluation_flags(parser)
    options = parser.parse_args(arguments)
    work = WorkDirectory(options.work)
    run(work, options.precision, None, options.show, options.align_gold)
    if options.against is not None:
        compare.run_and_say(work, WorkDirectory(options.against))


def run(
    work: WorkDirectory,
    precision: Precision = "float32",
    against: WorkDirectory | None = None,
    show: Sequence[int] = (),
    align_gold: Location | None = None,
) -> Scores:
    """against: another run, to compare with; the others are those of ``model.evaluation.scores.evaluate``."""
    check_precision(precision)
    if align_gold is not None:
        check_gold(align_gold)
    with starting_up():
        from recipes.stages import resolved_recipe

        recipe = resolved_recipe(work)

        from model.data.staging import data_here
        from model.devices.cores import keep_operations_on_one_core
        from model.evaluation.scores import evaluate
        from model.exported.int8 import in_int8
        from workspace.lock import sole_use
    keep_operations_on_one_core()
    with sole_use(work, "model.evaluate"), own_temporary_directory(), data_here(work, *SPLITS) as here:
        if precision == "float32":
            scores = evaluate(here, recipe, None, show, align_gold)
        else:
            with scratch_directory() as directory:
                scores = evaluate(here, recipe, lambda translator: in_int8(translator, directory), show, align_gold)
        if against is not None:
            compare.run(here, against)
        return scores


if __name__ == "__main__":
    run_command(main)
