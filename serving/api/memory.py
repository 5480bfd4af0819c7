"""Gives memory back to the system that requests have taken and left.

The C library keeps what is freed for the next request, apart for every thread: after a few large requests the server
would hold gigabytes that nobody uses.
"""

from __future__ import annotations

import ctypes
import resource
import threading
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.5
MOST_BYTES_KEPT = 16 << 20
LOOKS_AFTER_GROWTH = 10  # at which memory is given back too: the request may have been under way at the first

_PAGES = Path("/proc/self/statm")


class MemoryKeeper:
    """A thread that has free memory given back whenever the process has grown by more than MOST_BYTES_KEPT.

    It does nothing where there is no glibc.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="memory", daemon=True)

    def start(self) -> None:
        if _PAGES.exists() and hasattr(ctypes.CDLL(None), "malloc_trim"):
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _keep(self) -> None:
        least, looks = resident_bytes(), 0
        while not self._stopped.wait(SECONDS_BETWEEN_LOOKS):
            least = min(least, resident_bytes())
            if resident_bytes() > least + MOST_BYTES_KEPT:
                looks = LOOKS_AFTER_GROWTH
            if looks:
                ctypes.CDLL(None).malloc_trim(0)
                least, looks = resident_bytes(), looks - 1


def resident_bytes() -> int:
    """The memory of this process."""
    return int(_PAGES.read_text().split()[1]) * resource.getpagesize()
