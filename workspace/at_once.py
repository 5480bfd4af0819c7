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


def _is_command() -> bool:
    """Whether Python was told to run a module of ours or our console command, not one that merely uses ours."""
    flags = sys.orig_argv
    if any(os.path.basename(flag) == "rnnsearch" for flag in flags[1:2]):  # noqa: PTH119
        return True
    return "-m" in flags[:-1] and flags[flags.index("-m") + 1].partition(".")[0] in _PACKAGES


if _is_command():
    for number in SIGNALS:
        handle(number, end_at_once)
