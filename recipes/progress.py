"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class _Lines:
    """Turns the carriage returns with which a bar redraws itself into lines of a log."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> None:
        text = text.strip("\r\n ")
        if text:
            self._stream.write(text + "\n")

    def flush(self) -> None:
        self._stream.flush()


def is_interactive() -> bool:
    """Whether a person watches: standard error is a terminal and CI is not set to true."""
    return sys.stderr.isatty() and os.environ.get("CI") != "true"


def progress_bar(total: int | None, description: str, unit: str, **options: Any) -> tqdm:
    """A tqdm bar over ``total`` units, if that is known, on standard error; close it or use it as a context manager."""
    if is_interactive():
        return tqdm(total=total, desc=description, unit=unit, dynamic_ncols=True, **options)
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        file=_Lines(sys.stderr),
        mininterval=SECONDS_BETWEEN_LINES,
        maxinterval=SECONDS_BETWEEN_LINES,
        bar_format="{desc}: {n_fmt}/{total_fmt} {unit} {percentage:.0f}% "
        "[{elapsed}, {remaining} left, {rate_fmt}{postfix}]",
        **options,
    )
