"""Something that is done again and again beside other work."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def periodically(seconds: float, look: Callable[[], object]) -> Iterator[None]:
    """While the body runs, another thread calls ``look``, ``seconds`` after the body began and after each call, until
    it gives True. A call that is under way when the body ends comes to its end, too."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(seconds):
            if look() is True:
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
