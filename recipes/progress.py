"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tqdm import tqdm

from recipes.terminal import columns

SECONDS_BETWEEN_LINES = 15.0
BYTES = "B"


class Bar(tqdm):
    """tqdm's bar, with numbers as people write them: ``31,102/40,000 pairs``, ``3.40MB/s``.

    seconds_left, rate_now: what whoever works knows better than the rate so far tells, if set, the second in units a
    second; seconds_left is inf while they know it to be wrong.
    """

    seconds_left: float | None = None
    rate_now: float | None = None

    @property
    def format_dict(self) -> dict[str, Any]:
        values = dict(super().format_dict)
        done, total, rate = values["n"], values["total"], values["rate"]
        if rate is None and values["elapsed"]:
            rate = (done - values["initial"]) / values["elapsed"]
        if total and self.seconds_left:
            rate = (total - done) / self.seconds_left
        return {
            **values,
            "rate": rate,
            "done": _amount(done, total, self.unit),
            "speed": _speed(self.rate_now or rate, self.unit) if rate else "?",
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
    """A bar over ``total`` units (one of them is a ``unit``), if that is known, on standard
    error; close it or use it as a context manager.

    It shows the time when it is updated by 0, too: so work that cannot be counted is seen to go on.
    """
    time = "{elapsed}, {remaining} left" if total else "{elapsed}"
    if columns():
        bar = "{desc}: {percentage:3.0f}%|{bar}| {done}" if total else "{desc}: {done}"
        options: dict[str, Any] = {"dynamic_ncols": True, "mininterval": 0.1}
    else:
        bar = "{desc}: {done} {percentage:.0f}%" if total else "{desc}: {done}"
        options = {"file": _Lines(sys.stderr), "mininterval": SECONDS_BETWEEN_LINES}
    return Bar(
        total=total,
        desc=description,
        unit=unit,
        initial=initial,
        miniters=0,
        bar_format=f"{bar} [{time}, {{speed}}{{postfix}}]",
        **options,
    )


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
