"""Shows a training in TensorBoard: curves, the recipe, the alignment of a few dev sentences.

    python -m model.curves --work work/bible [--port 6006]

What there is to see is written by ``model.training.tensorboard``.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError, as_given
from workspace.layout import WorkDirectory
from workspace.listing import is_directory
from workspace.locations import Location, located
from workspace.machine import LOOPBACK
from workspace.periodically import periodically
from workspace.scratch import scratch_directory
from workspace.signals import asked_to_end
from workspace.storage import copy

SECONDS_BETWEEN_COPIES = 30.0


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "model.curves",
        __doc__,
        reads="training/tensorboard/ of the work directory, also while the training writes it",
        writes="nothing",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory, with a training")
    parser.add_argument("--port", type=int, default=6006, help="of the page, on this machine (default: 6006)")
    options = parser.parse_args(arguments)
    work = WorkDirectory(options.work)
    directory = work.tensorboard.parent
    if not is_directory(directory):
        raise UserError(f"{work.training} holds no training; make one with {work.command('train')}")
    with followed(directory) as here:
        show(work, here, options.port)


def show(work: WorkDirectory, directory: Path, port: int) -> None:
    """Shows the curves in ``directory`` until Ctrl-C."""
    with starting_up():
        # By its presence TensorBoard does without TensorFlow, which has more to say than these pages need.
        sys.modules["tensorboard.compat.notf"] = ModuleType("tensorboard.compat.notf")
        from tensorboard import default, program
        from tensorboard.util import tb_logging
    tb_logging.get_logger().setLevel("ERROR")
    board = program.TensorBoard(default.get_plugins())
    board.configure(logdir=str(directory), host=LOOPBACK, port=port)
    try:
        # It has a note there on how it loads.
        with contextlib.redirect_stderr(io.StringIO()):
            address = board.launch()
    except program.TensorBoardServerException as error:
        raise UserError(f"cannot listen on {LOOPBACK}:{port}; choose another {as_given('--port')}") from error
    ended = asked_to_end()
    print(f"{work.training} in TensorBoard: {address} (Ctrl-C ends it)", flush=True)
    ended.wait()


@contextlib.contextmanager
def followed(directory: Location) -> Iterator[Path]:
    """``directory`` on this machine, while the body runs: of one in a store a copy, which is made anew again and again,
    for TensorBoard looks at paths only."""
    if isinstance(directory, Path):
        yield directory
        return
    with scratch_directory() as scratch:
        here = scratch / directory.name
        copy(directory, here)

        def follow() -> None:
            # A store that is away for a moment is asked again.
            with contextlib.suppress(UserError, OSError):
                copy(directory, here)

        with periodically(SECONDS_BETWEEN_COPIES, follow):
            yield here


if __name__ == "__main__":
    run_command(main)
