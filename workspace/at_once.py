"""A command that is interrupted while it starts up ends at once.

Every package imports this module first, so that this holds from the first line of ours that a command runs. It imports
next to nothing itself, for until it is loaded Ctrl-C ends in a traceback.
"""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PACKAGES = ("rnnsearch", "recipes", "pipelines", "model", "serving", "benchmarks")


def end_at_once(*_: object) -> None:
    os._exit(INTERRUPTED)


def handle(number: int, handler: signal._HANDLER) -> None:
    """Sets a signal's handler, unless it is ignored (in the background of a script) or this is not the main thread."""
    try:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    except ValueError:
        pass


def _is_started_as_command() -> bool:
    """Whether Python was told to run a module of ours or our console command, not one that merely uses ours."""
    program, flags = sys.argv[0], sys.orig_argv
    # That is what it is called as long as Python looks for the module.
    if program == "-m":
        return flags[flags.index("-m") + 1].partition(".")[0] in _PACKAGES
    return os.path.basename(program) == "rnnsearch"  # noqa: PTH119


def become_command() -> None:
    """From now on this process is a command of ours, and not a program that calls one as a function."""
    global _is_ours  # noqa: PLW0603
    _is_ours = True


def is_command() -> bool:
    """Whether what belongs to the whole process is ours: signals, standard error, the temporary directory."""
    return _is_ours


_is_ours = False

if _is_started_as_command():
    for number in SIGNALS:
        handle(number, end_at_once)
