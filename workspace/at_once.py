"""How a command ends that is interrupted while it starts up: at once.

Every package imports this first, so that it holds from the first line of ours that a command runs; and this imports
next to nothing, for until it is done Ctrl-C ends in a traceback.
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
    """Sets a signal's handler, but where it is ignored, as in a script's background, or this is no main thread."""
    try:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    except ValueError:
        pass


def _is_command() -> bool:
    """Whether Python was told to run a module of ours, or our console command, and not one that uses ours."""
    flags = sys.orig_argv
    if any(os.path.basename(flag) == "rnnsearch" for flag in flags[1:2]):  # noqa: PTH119
        return True
    return "-m" in flags[:-1] and flags[flags.index("-m") + 1].partition(".")[0] in _PACKAGES


if _is_command():
    for number in SIGNALS:
        handle(number, end_at_once)
