"""One command at a time in a directory: two would spoil what each other makes."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from workspace.layout import WorkDirectory
from workspace.leases import in_use, leased
from workspace.locations import Location

# Tells a process that the one that started it has locked the work directory, for both.
SHARED = "RNNSEARCH_LOCKED"
NAME = ".lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)

# By thread: to another one of this process, a directory is as locked as to another process.
_held: set[tuple[Location, int]] = set()


def sole_use(work: WorkDirectory, command: str) -> AbstractContextManager[None]:
    """While the body runs, no other process changes what is in ``work``: as ``locked`` has it."""
    return locked(work.root, command)


@contextlib.contextmanager
def locked(directory: Location, command: str) -> Iterator[None]:
    """While the body runs, no other process that locks ``directory`` is at it; ``command`` is what others are told of
    ours. Within the body it may be asked for again, in the same thread. A path that is no directory is not locked.

    Raises UserError that names who has it.
    """
    root = directory.resolve() if isinstance(directory, Path) else directory
    ours = root, threading.get_ident()
    if ours in _held or SHARED in os.environ or (isinstance(root, Path) and not root.is_dir()):
        yield
        return
    since = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    holder = {"command": command, "pid": os.getpid(), "machine": socket.gethostname(), "since": since}
    lock = _locked_here(root, directory, holder) if isinstance(root, Path) else leased(root / NAME, root, holder)
    with lock:
        _held.add(ours)
        try:
            yield
        finally:
            _held.discard(ours)


@contextlib.contextmanager
def _locked_here(root: Path, directory: Location, holder: Mapping[str, Any]) -> Iterator[None]:
    """The lock is the operating system's (flock), so that it ends with the process, however that ends. The directory is
    locked, too, for whoever removes the file. Where the file system has no locks, a warning is printed."""
    import portalocker  # noqa: PLC0415  so that commands answer --help without it

    lock = root / NAME
    with lock.open("a+", encoding="utf-8") as file, _opened(root) as number:
        try:
            flags = portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
            portalocker.lock(file, flags)
            try:
                portalocker.lock(number, flags)
            except (portalocker.LockException, OSError) as error:
                # Some file systems, most of those over the network, have locks for files only.
                if isinstance(error, portalocker.AlreadyLocked):
                    raise
        except portalocker.AlreadyLocked as error:
            raise in_use(directory, _read(lock)) from error
        except (portalocker.LockException, OSError) as error:
            if not _has_no_locks(error):
                raise
            print(f"warning: the file system of {directory} has no locks; start one command at a time", file=sys.stderr)
        file.truncate(0)
        file.write(json.dumps(holder))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    number = os.open(directory, os.O_RDONLY)
    try:
        yield number
    finally:
        os.close(number)


def _read(lock: Path) -> str:
    try:
        return lock.read_text(encoding="utf-8")
    except OSError:
        return ""


def _has_no_locks(error: BaseException) -> bool:
    causes = [error, *(argument for argument in error.args if isinstance(argument, BaseException))]
    return any(isinstance(cause, OSError) and cause.errno in _NO_LOCKS for cause in causes)
