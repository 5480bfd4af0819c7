"""Keeps Beam from saying on standard error what comes to the caller anyway, as an exception."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def beam_silenced() -> Iterator[io.StringIO]:
    """While the body runs, neither Beam's loggers nor the root logger say anything; what would be printed on standard
    error goes to the text that this yields. A bar that is shown has the stream already."""
    with _logging_at("apache_beam", logging.CRITICAL), _logging_at("root", logging.CRITICAL):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            yield said


def silence_listeners() -> None:
    """The threads with which Beam listens to a job end in a traceback when the job server does."""
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.thread is None or not arguments.thread.name.startswith("wait_until_finish"):
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
