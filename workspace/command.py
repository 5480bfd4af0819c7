"""How every command of the project starts and ends.

A command reads its command line before it imports what takes time, so that ``--help``, ``--version`` and a wrong flag
are answered at once:

    def main(arguments: list[str]) -> None:
        parser = command_parser("model.train", __doc__, reads="data/", writes="training/")
        options = parser.parse_args(arguments)
        with starting_up():
            from model.training.loop import train
        train(…)

    if __name__ == "__main__":
        run_command(main)
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from workspace.at_once import INTERRUPTED, SIGNALS, become_command, end_at_once, handle, is_command
from workspace.debugging import is_debugging, start_debugging
from workspace.errors import explain
from workspace.foreign_lines import foreign_lines_left_out, quiet_tensorflow


def run_command(main: Callable[[list[str]], None], arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs ``main(arguments)`` as a process: exit code 0, 1 for an error, 130 when interrupted.

    ``arguments`` defaults to the command line; ``--debug`` among them is taken out: it makes an error show its
    traceback, and lets libraries say what they have to. SIGTERM ends the command as Ctrl-C does: at once and silently
    until ``starting_up`` is over, afterwards with a sentence, and with every ``finally`` block run.
    """
    for number in SIGNALS:
        handle(number, end_at_once)
    become_command()
    _print_everything()
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in argv:
        start_debugging()
    quiet_tensorflow()
    try:
        main([argument for argument in argv if argument != "--debug"])
    except BrokenPipeError:
        # Whoever read our output has gone (`… | head`): there is nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (Exception, KeyboardInterrupt) as error:
        for number in SIGNALS:
            handle(number, end_at_once)  # a second signal has nothing to add
        if is_debugging():
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        print(f"error: {explain(error)}", file=sys.stderr)
        if isinstance(error, KeyboardInterrupt):
            _leave(INTERRUPTED)
        sys.exit(1)
    sys.exit(0)


def command_parser(
    module: str, description: str | None, reads: str, writes: str, **more: Any
) -> argparse.ArgumentParser:
    """The parser of ``python -m <module>``, with the flags that every command has. Its help says what the command
    does (the first line of ``description``), reads and writes. ``more`` is passed on to ArgumentParser."""
    first_line = (description or "").partition("\n")[0]
    # The command rnnsearch runs commands by their short names.
    prog = sys.argv[0] if sys.argv[0].startswith("rnnsearch ") else f"python -m {module}"
    parser = argparse.ArgumentParser(prog=prog, description=first_line, **more)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error, and what libraries say")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the project and exit")
    parser.add_argument_group("reads", reads)
    parser.add_argument_group("writes", writes)
    return parser


@contextlib.contextmanager
def starting_up() -> Iterator[None]:
    """Around the late imports of a command: Ctrl-C and SIGTERM end the process at once, silently, with exit code 130.

    A KeyboardInterrupt would not always come through: one raised in a callback of Python's import system is lost, and
    libraries put a bare ``except:`` around optional imports. So early, a process leaves nothing half made behind.
    Afterwards the signals do what they did before, or else raise KeyboardInterrupt.

    Where another program calls a command as a function, the signals stay that program's.
    """
    if not is_command():
        with foreign_lines_left_out():
            yield
        return
    if sys.stdout is not None:
        sys.stdout.flush()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        handle(number, end_at_once)
    try:
        with foreign_lines_left_out():
            yield
    finally:
        for number, handler in before.items():
            handle(number, signal.default_int_handler if handler in (None, end_at_once) else handler)


def say_version(parser: argparse.ArgumentParser) -> NoReturn:
    """Prints the version of the project and ends the process."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        print(f"rnnsearch {version('rnnsearch')}")
    except PackageNotFoundError:  # make runs some commands before there is an environment
        print("rnnsearch, not installed in this Python")
    parser.exit()


def positive(text: str) -> int:
    """The type of a flag that takes a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive; give a whole number from 1 on")
    return int(text)


def _print_everything() -> None:
    """Has what the encoding of standard output cannot say written as \\u4e2d, as it is on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(code: int) -> NoReturn:
    """Ends the process as sys.exit does, but without tearing Python down under threads that libraries left running:
    if one of them were writing to standard error at that moment, the process would abort."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        say_version(parser)
