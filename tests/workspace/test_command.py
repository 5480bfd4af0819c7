"""Where a command begins and a program of someone else's ends."""

from __future__ import annotations

import signal

from workspace.command import starting_up


def test_a_program_that_calls_a_command_keeps_its_signals() -> None:
    """In it, Ctrl-C during an import must not end the process."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with starting_up():
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
