"""What this machine offers a process: cores it may use, free ports, a temporary directory of its own."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workspace.at_once import is_command
from workspace.errors import UserError, is_full_somewhere

LOOPBACK = "127.0.0.1"
# Below the range from which systems give ports to clients and to whoever asks for any port: between being chosen and
# being used, none of these is given away.
_PORTS = range(20_000, 32_000)
LAST_PORT = 65_535
_LEAST_ROOM = 1 << 20


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


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """A directory for temporary files, which is removed afterwards with all that is in it.

    Raises UserError where none can be made, and where its disk is full when the body fails for want of room.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="rnnsearch-")
    except OSError as error:
        # Python looks through several, and names the last or none.
        raise UserError(
            f"there is no room for temporary files, or no right to write any, in {_temporary_place()}; make room "
            "there, or set TMPDIR to a directory on another disk"
        ) from error
    with made as directory:
        try:
            yield Path(directory)
        except Exception as error:
            # Full is also a disk with some last blocks for nobody. Once the directory is gone, there is room again.
            if is_full_somewhere(error) and shutil.disk_usage(directory).free < _LEAST_ROOM:
                raise UserError(
                    f"the disk of {Path(directory).parent} is full, which is for temporary files; make room there, or "
                    "set TMPDIR to a directory on another disk"
                ) from error
            raise


@contextlib.contextmanager
def own_temporary_directory() -> Iterator[None]:
    """While the body runs, this process has a temporary directory of its own. It is removed afterwards, with all that
    libraries leave in it: what Beam stages, and the functions that TensorFlow's AutoGraph rewrites.

    Where another program calls a command as a function, that program's temporary directory stays.
    """
    if not is_command():
        yield
        return
    with temporary_directory() as directory:
        before, tempfile.tempdir = tempfile.tempdir, str(directory)
        try:
            yield
        finally:
            tempfile.tempdir = before


def _temporary_place() -> str:
    return os.environ.get("TMPDIR") or os.environ.get("TEMP") or os.environ.get("TMP") or "/tmp"
