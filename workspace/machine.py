"""What this machine offers a process: cores it may use, and free ports."""

from __future__ import annotations

import contextlib
import os
import random
import socket

from workspace.errors import UserError

LOOPBACK = "127.0.0.1"
# Below the range from which systems give ports to clients and to whoever asks for any port: between being chosen and
# being used, none of these is given away.
_PORTS = range(20_000, 32_000)
LAST_PORT = 65_535


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_of_worker() -> int:
    """The same; in one of several workers of a training on this machine, only its share of the cores."""
    # To TensorFlow, 0 means all of them.
    return int(os.environ.get("TF_NUM_INTEROP_THREADS") or 0) or usable_cores()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """``count`` different ports of the loopback interface that nobody listens on."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            port = random.SystemRandom().choice(_PORTS)
            probe = stack.enter_context(socket.socket())
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            found.append(port)
        return found


def host_and_port(host: str, port: int) -> str:
    """As an address has them: an address of IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_port_is_free(host: str, port: int, flag: str) -> None:
    """Raises UserError where nobody can listen there; ``flag`` is the flag to choose another port with, in words.

    For commands that would otherwise find out only after starting much in vain.
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
