"""The progress of a job whose workers are other processes: they note it in a file, and the main process shows a bar."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from workspace.progress import progress_bar

_SECONDS_BETWEEN_LOOKS = 0.5


class Progress:
    """Units of work finished by workers of any process, noted in a file that the main process looks at."""

    def __init__(self, path: Path):
        self._path = path

    def add(self, units: int) -> None:
        """Called by a worker when it has finished ``units`` more."""
        with self._path.open("ab") as file:
            file.write(b"%d\n" % units)

    @contextlib.contextmanager
    def shown(self, total: int, description: str, unit: str) -> Iterator[None]:
        """Shows a bar of what was added since, while the body runs."""
        self._path.write_bytes(b"")
        finished = threading.Event()
        with progress_bar(total, description, unit) as bar:

            def watch() -> None:
                while not finished.wait(_SECONDS_BETWEEN_LOOKS):
                    look()

            def look() -> None:
                # A bundle that Beam tried twice counts twice.
                bar.update(min(total, sum(map(int, self._path.read_bytes().split()))) - bar.n)

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            try:
                yield
            finally:
                finished.set()
                watcher.join()
            look()
