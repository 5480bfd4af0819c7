"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from tqdm import tqdm
from tqdm.utils import disp_len

from workspace.terminal import columns

SECONDS_BETWEEN_LINES = 15.0
BYTES = "B"


# What a bar shows: all of it, or as much as the terminal has room for.
_FORMATS: tuple[str, ...] = (
    "{desc}: {percentage:3.0f}%|{bar}| {done} [{elapsed}, {remaining} left, {speed}{postfix}]",
    "{desc}: {percentage:.0f}% {done} [{remaining} left, {news}]",
    "{desc}: {percentage:.0f}% [{remaining} left, {news}]",
    "{desc}: {percentage:.0f}% [{remaining} left]",
    "{percentage:.0f}%",
)
_FORMATS_WITHOUT_TOTAL = ("{desc}: {done} [{elapsed}, {speed}{postfix}]", "{desc}: {done} [{elapsed}]")
_LEAST_BAR = 5
_FORMAT_OF_LINES = "{desc}: {done} {percentage:.0f}% [{elapsed}, {remaining} left, {speed}{postfix}]"


class Bar(tqdm):
    """tqdm's bar, with numbers as people write them: ``31,102/40,000 pairs``, ``3.40MB/s``.

    seconds_left, rate_now (units a second): set by a caller that knows them better than the rate so far tells;
    seconds_left is inf while the caller knows any estimate to be wrong.
    """

    seconds_left: float | None = None
    rate_now: float | None = None

    def __init__(self, formats: Sequence[str], **options: Any):
        """formats: the first that the terminal has room for is taken, or else the last."""
        self._formats = formats
        super().__init__(**options)

    def __str__(self) -> str:
        values = self.format_dict
        room = values["ncols"] or math.inf
        for form in self._formats:
            least = form.replace("{bar}", " " * _LEAST_BAR)
            if disp_len(self.format_meter(**{**values, "bar_format": least, "ncols": None})) <= room:
                break
        return self.format_meter(**{**values, "bar_format": form})

    @property
    def format_dict(self) -> dict[str, Any]:
        values = dict(super().format_dict)
        done, total, rate = values["n"], values["total"], values["rate"]
        if rate is None and values["elapsed"]:
            rate = (done - values["initial"]) / values["elapsed"]
        if total and self.seconds_left:
            rate = (total - done) / self.seconds_left
        speed = _speed(self.rate_now or rate, self.unit) if rate else "?"
        return {
            **values,
            "rate": rate,
            "done": _amount(done, total, self.unit),
            "speed": speed,
            "news": values["postfix"] or speed,
        }


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


def progress_bar(total: int | None, description: str, unit: str, initial: int = 0) -> Bar:
    """A bar on standard error over ``total`` units, None if not known, each a ``unit``; close it or use it as a
    context manager.

    An update by 0 shows the time, too, so that work that cannot be counted is seen to go on.
    """
    formats = _FORMATS if total else _FORMATS_WITHOUT_TOTAL
    if columns():
        options: dict[str, Any] = {"dynamic_ncols": True, "mininterval": 0.1}
    else:
        formats = (_FORMAT_OF_LINES,) if total else formats[:1]
        options = {"file": _Lines(sys.stderr), "mininterval": SECONDS_BETWEEN_LINES}
    return Bar(formats, total=total, desc=description, unit=unit, initial=initial, miniters=0, **options)


def _amount(done: float, total: float | None, unit: str) -> str:
    if unit == BYTES:
        return "/".join(f"{tqdm.format_sizeof(number)}B" for number in (done, total) if number is not None)
    return "/".join(f"{number:,.0f}" for number in (done, total) if number is not None) + f" {unit}s"


def _speed(rate: float, unit: str) -> str:
    if unit == BYTES:
        return f"{tqdm.format_sizeof(rate)}B/s"
    if rate < 1:
        return f"{1 / rate:.1f} s/{unit}"
    return f"{rate:,.1f} {unit}s/s" if rate < 10 else f"{rate:,.0f} {unit}s/s"
