"""What this machine has for a process: ports that nobody listens on."""

from __future__ import annotations

import socket

from recipes.errors import UserError

LAST_PORT = 65_535


def check_port_is_free(host: str, port: int, flag: str) -> None:
    """Raises UserError where nobody can listen there; ``flag`` is what to choose another port with.

    For whoever would else find out only after much has been started for nothing.
    """
    if not 0 <= port <= LAST_PORT:
        raise UserError(f"there is no port {port}; choose one from 1 to {LAST_PORT} as {flag}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror}; choose another {flag}") from error
