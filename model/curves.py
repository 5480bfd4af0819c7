"""Shows a training in TensorBoard: curves, the recipe, the alignment of a few dev sentences.

    python -m model.curves --work work/bible [--port 6006]

What there is to see is written by ``model.training.tensorboard``.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from types import ModuleType

from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError, as_given
from workspace.layout import WorkDirectory
from workspace.machine import LOOPBACK
from workspace.signals import asked_to_end


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "model.curves",
        __doc__,
        reads="training/tensorboard/ of the work directory, also while the training writes it",
        writes="nothing",
    )
    parser.add_argument("--work", type=Path, required=True, help="work directory, with a training")
    parser.add_argument("--port", type=int, default=6006, help="of the page, on this machine (default: 6006)")
    options = parser.parse_args(arguments)
    work = WorkDirectory(options.work)
    directory = work.tensorboard.parent
    if not directory.is_dir():
        raise UserError(f"{work.training} holds no training; make one with {work.command('train')}")
    with starting_up():
        # By its presence TensorBoard does without TensorFlow, which has more to say than these pages need.
        sys.modules["tensorboard.compat.notf"] = ModuleType("tensorboard.compat.notf")
        from tensorboard import default, program
        from tensorboard.util import tb_logging
    tb_logging.get_logger().setLevel("ERROR")
    board = program.TensorBoard(default.get_plugins())
    board.configure(logdir=str(directory), host=LOOPBACK, port=options.port)
    try:
        # It has a note there on how it loads.
        with contextlib.redirect_stderr(io.StringIO()):
            address = board.launch()
    except program.TensorBoardServerException as error:
        raise UserError(f"cannot listen on {LOOPBACK}:{options.port}; choose another {as_given('--port')}") from error
    ended = asked_to_end()
    print(f"{work.training} in TensorBoard: {address} (Ctrl-C ends it)", flush=True)
    ended.wait()


if __name__ == "__main__":
    run_command(main)
