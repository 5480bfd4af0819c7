"""What is said where a port is in use."""

from __future__ import annotations

import socket

import pytest

from workspace.errors import UserError, as_given
from workspace.machine import LOOPBACK, check_port_is_free


def test_a_port_in_use_names_what_chooses_another() -> None:
    """The flag, and what make calls it where make gives it."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        for flag, named in (as_given("--port"), r"--port \(PORT= of make\)"), ("--port", "--port"):
            with pytest.raises(UserError, match=rf"^cannot listen on {LOOPBACK}:{port}: .*; choose another {named}$"):
                check_port_is_free(LOOPBACK, port, flag)
