"""Keeps Beam from saying on standard error what comes to the caller anyway, as an exception.

With ``--debug``, Beam says what it says.
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Iterator

from workspace.at_once import is_command
from workspace.debugging import is_debugging


@contextlib.contextmanager
def beam_silenced() -> Iterator[None]:
    """While the body runs, neither Beam's loggers nor the root logger say anything, and nothing is printed on standard
    error. A bar that is shown has the stream already."""
    if is_debugging():
        yield
        return
    if not is_command():
        # What others log and print in this process is not ours to keep silent.
        with _logging_at("apache_beam", logging.CRITICAL):
            yield
        return
    with (
        _logging_at("apache_beam", logging.CRITICAL),
        _logging_at("root", logging.CRITICAL),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        yield


def silence_threads(name: str = "") -> None:
    """From now on, threads whose names begin so end without a traceback.

    Those that talk to a worker or listen to a job lose it when the job is interrupted.
    """
    if is_debugging() or not is_command():
        return
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if not (arguments.thread.name if arguments.thread else "").startswith(name):
            before(arguments)

    threading.excepthook = hook


@contextlib.contextmanager
def _logging_at(name: str, level: int) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
