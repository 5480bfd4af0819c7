"""Ctrl-C and SIGTERM while work is under way that must come to a good end first.

``workspace.at_once`` ends a command that is interrupted earlier, while it starts up.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from workspace.at_once import SIGNALS


@contextlib.contextmanager
def handled_by(handler: Callable[..., object]) -> Iterator[None]:
    """While the body runs, Ctrl-C and SIGTERM call ``handler``.

    Only the main thread is interrupted, so in any other this changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


@contextlib.contextmanager
def interruption_put_off() -> Iterator[threading.Event]:
    """Yields an event that the first Ctrl-C or SIGTERM sets; the second raises KeyboardInterrupt."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    with handled_by(ask):
        yield asked


def asked_to_end() -> threading.Event:
    """An event that Ctrl-C or SIGTERM sets from now on, for a command that runs until it is told to end."""
    asked = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: asked.set())
    return asked
