"""Ports of loopback for servers that must be told theirs."""

from __future__ import annotations

import random
import socket

# Below those that systems give to whoever asks for any: between the test and its server, none of these is given away
# to a client, or to another suite on the machine.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
