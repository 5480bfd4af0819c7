"""Trains the network: shards in, the checkpoint with the best dev score out.

    python -m model.train --work work/bible [--strategy mirrored | --workers 2]

Interrupted and started again, it goes on from the newest checkpoint. The training itself is ``model.training.loop``.
"""

from __future__ import annotations

import contextlib

from recipes.spread import add_spread_flags, check_spread
from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.locations import located
from workspace.scratch import own_temporary_directory


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "model.train",
        __doc__,
        reads="recipe.yaml and data/ of the work directory, and training/checkpoints/ to go on from",
        writes="training/ of the work directory, training.json last",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory, with data/ prepared")
    add_spread_flags(parser)
    options = parser.parse_args(arguments)
    check_spread(options)
    work = WorkDirectory(options.work)
    if options.workers is not None:
        _train_in_workers(work, options.workers)
    else:
        run(work, options.strategy)


def run(work: WorkDirectory, strategy: str = "auto") -> None:
    """Trains in this process, spread as ``model.devices.strategies`` has it."""
    with starting_up():
        from recipes.stages import resolved_recipe

        recipe = resolved_recipe(work)

        from model.data.staging import data_here
        from model.devices.cores import keep_operations_on_one_core
        from model.devices.strategies import choose_strategy
        from model.devices.workers import is_first_worker
        from model.training.loop import train
        from workspace.lock import sole_use
    keep_operations_on_one_core()
    # The others only read.
    alone = sole_use(work, "model.train") if is_first_worker() else contextlib.nullcontext()
    with alone, own_temporary_directory(), data_here(work, "train", "dev") as here:
        train(here, recipe, choose_strategy(strategy))


def _train_in_workers(work: WorkDirectory, count: int) -> None:
    with starting_up():
        from model.devices.workers import WorkerError, run_workers
        from recipes.stages import resolved_recipe
        from workspace.lock import sole_use
    resolved_recipe(work)  # what is wrong with it is said once, not by every worker
    try:
        with sole_use(work, "model.train"):
            run_workers(count, "model.train", ["--work", str(work.root), "--strategy", "multi_worker"])
    except WorkerError as error:
        newest = max(work.steps(), default=0)
        raise UserError(f"{error}; start the same command to go on from step {newest}") from error


if __name__ == "__main__":
    run_command(main)
