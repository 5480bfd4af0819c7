"""Where a command begins and a program of someone else's ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from workspace.command import starting_up
from workspace.scratch import own_temporary_directory


def test_a_program_that_calls_a_command_keeps_its_signals() -> None:
    """In it, Ctrl-C during an import must not end the process."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with starting_up():
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


PRINTS = r"""
import sys
from rich.console import Console
from rich.table import Table
from workspace.command import run_command
from workspace.errors import UserError
def main(_):
    print("caf\u00e9 \u4e2d \udcff")
    table = Table("\u4e2d", title="\u2192")
    table.add_row("\u00e9")
    Console(markup=False).print(table)
    raise UserError("\u2026")
run_command(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_terminal_cannot_show_is_written_as_its_number(encoding: str) -> None:
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", PRINTS], env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "café 中 \udcff".encode(encoding, "backslashreplace")
    assert done.stderr.strip() == "error: …".encode(encoding, "backslashreplace")


def test_a_program_that_calls_a_command_keeps_its_temporary_directory() -> None:
    before = tempfile.tempdir
    with own_temporary_directory():
        assert tempfile.tempdir == before


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["-m", "model.pt"], ["-m", "recipes.run"], []])
def test_a_program_with_flags_like_ours_keeps_its_signals(flags: list[str], tmp_path: Path) -> None:
    program = tmp_path / "mine.py"
    program.write_text("import signal, rnnsearch; print(signal.getsignal(signal.SIGINT).__name__)\n", encoding="utf-8")
    ran = subprocess.run([sys.executable, str(program), *flags], capture_output=True, text=True, check=True)
    assert ran.stdout == "default_int_handler\n"
