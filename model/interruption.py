"""Ctrl-C and SIGTERM during a training: heard at once, acted upon when an update is complete and can be kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruption_put_off() -> Iterator[threading.Event]:
    """Yields an event that the first Ctrl-C or SIGTERM sets, in place of raising KeyboardInterrupt; the second raises.

    Only the main thread is interrupted, so elsewhere nothing is put off.
    """
    asked = threading.Event()

    def ask(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
