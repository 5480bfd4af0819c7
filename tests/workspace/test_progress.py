"""What a bar says, to people on a terminal and where nobody watches: numbers as people write them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest

from workspace.progress import BYTES, progress_bar


@pytest.mark.parametrize(
    ("total", "unit", "done", "expected"),
    [
        (40_000, "pair", 31_102, "work: 31,102/40,000 pairs 78% [00:10, 00:02 left, 3,110 pairs/s]"),
        (None, "sentence", 31_102, "work: 31,102 sentences [00:10, 3,110 sentences/s]"),
        (20, "step", 4, "work: 4/20 steps 20% [00:10, 00:40 left, 2.5 s/step]"),
        (200, "step", 40, "work: 40/200 steps 20% [00:10, 00:40 left, 4.0 steps/s]"),
        (10_000_000_000, BYTES, 5_564_384_660, "work: 5.56GB/10.0GB 56% [00:10, 00:07 left, 556MB/s]"),
        (None, BYTES, 123, "work: 123B [00:10, 12.3B/s]"),
        (None, "line", 0, "work: 0 lines [00:10, ?]"),
    ],
)
def test_numbers_are_for_people(total: int | None, unit: str, done: int, expected: str) -> None:
    with progress_bar(total, "work", unit) as bar:
        # The clock of tqdm, set back: the bar believes that it began ten seconds ago.
        bar.n, bar.start_t = done, time.time() - 10.0
        bar.last_print_t = bar.start_t
        assert str(bar) == expected


def test_the_time_left_may_be_known_better() -> None:
    with progress_bar(1000, "training", "step", initial=500) as bar:
        bar.n, bar.start_t = 510, time.time() - 10.0
        bar.seconds_left = 3600.0
        assert str(bar) == "training: 510/1,000 steps 51% [00:10, 1:00:00 left, 7.3 s/step]"


def test_a_bar_that_cannot_count_shows_that_time_goes_by(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(None, "learning", "sentence") as bar:
        for _ in range(2):
            bar.last_print_t -= 15.0
            bar.update(0)
    assert capsys.readouterr().err.count("learning: 0 sentences [00:00, ?]") >= 3


TRAINING = """
from workspace.progress import progress_bar
bar = progress_bar(104_632, "training", "step", initial=54_490)
bar.seconds_left, bar.rate_now = 4090.0, 12.3
bar.set_postfix_str("loss 3.451, 12,345 words/s", refresh=False)
bar.update(10)
bar.close()
"""
THREE_UPDATES = """
import time
from workspace.progress import progress_bar
with progress_bar(30_000, "cleaning", "pair") as bar:
    for _ in range(3):
        time.sleep(0.2)
        bar.update(10_000)
"""


def on_terminal(width: int, code: str) -> str:
    """What is drawn by the code on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, width, 0, 0))
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stderr=theirs, env={**os.environ, "CI": "false"})
    os.close(theirs)
    drawn = b""
    while True:
        try:
            drawn += os.read(ours, 1 << 16)
        except OSError:  # so ends a terminal whose last process has ended
            break
    os.close(ours)
    assert process.wait() == 0
    return drawn.decode()


@pytest.mark.slow
@pytest.mark.parametrize("width", [30, 80, 200])
def test_a_bar_is_redrawn_in_the_width_of_the_terminal(width: int) -> None:
    drawn = re.split(r"[\r\n]+", on_terminal(width, THREE_UPDATES))
    assert all(len(line) <= width for line in drawn)
    assert sum(line.startswith("cleaning: ") for line in drawn) >= 4
    if width >= 80:
        whole = r"cleaning: 100%\|█+\| 30,000/30,000 pairs \[00:00, 00:00 left, [\d,]+ pairs/s\]"
        assert re.fullmatch(whole, drawn[-2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, r"training:  52%\|█\S+ +\| 54,500/104,632 steps \[00:00, 1:08:10 left, 12 steps/s, loss 3.451, .*\]"),
        (100, r"training: 52% 54,500/104,632 steps \[1:08:10 left, loss 3.451, 12,345 words/s\]"),
        (80, r"training: 52% 54,500/104,632 steps \[1:08:10 left, loss 3.451, 12,345 words/s\]"),
        (60, r"training: 52% \[1:08:10 left, loss 3.451, 12,345 words/s\]"),
    ],
)
def test_a_narrow_terminal_has_loss_speed_and_time_left(width: int, shown: str) -> None:
    assert re.fullmatch(shown, re.split(r"[\r\n]+", on_terminal(width, TRAINING).strip("\r\n"))[-1].strip())


@pytest.mark.slow
def test_a_terminal_without_a_size_gets_lines() -> None:
    """Such as script(1) makes, and docker exec -t."""
    first, last = on_terminal(0, THREE_UPDATES).splitlines()
    assert first == "cleaning: 0/30,000 pairs 0% [00:00, ? left, ?]"
    assert last.startswith("cleaning: 30,000/30,000 pairs 100% [00:00, 00:00 left, ")
