"""One command at a time in a work directory: two would spoil what each other makes."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from workspace.errors import UserError
from workspace.layout import WorkDirectory

# Tells a process that the one that started it has locked the work directory, for both.
SHARED = "RNNSEARCH_LOCKED"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)

# By thread: to another one of this process, a directory is as locked as to another process.
_held: set[tuple[Path, int]] = set()


@contextlib.contextmanager
def sole_use(work: WorkDirectory, command: str) -> Iterator[None]:
    """While the body runs, no other process changes what is in ``work``; ``command`` is what others are told of ours.

    The lock is the operating system's (flock), so that it ends with the process, however that ends. The directory is
    locked, too, for whoever removes the file. Within the body it may be asked for again, in the same thread. Where the
    file system has no locks, a warning is printed. Raises UserError that names who has the directory.
    """
    import portalocker  # noqa: PLC0415  so that commands answer --help without it

    root = work.root.resolve()
    ours = root, threading.get_ident()
    if ours in _held or SHARED in os.environ or not root.is_dir():
        yield
        return
    with work.lock.open("a+", encoding="utf-8") as file, _opened(root) as directory:
        try:
            flags = portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
            portalocker.lock(file, flags)
            try:
                portalocker.lock(directory, flags)
            except (portalocker.LockException, OSError) as error:
                # Some file systems, most of those over the network, have locks for files only.
                if isinstance(error, portalocker.AlreadyLocked):
                    raise
        except portalocker.AlreadyLocked as error:
            raise UserError(f"{work.root} is in use{_holder(work.lock)}; wait until it has ended, or end it") from error
        except (portalocker.LockException, OSError) as error:
            if not _has_no_locks(error):
                raise
            print(f"warning: the file system of {work.root} has no locks; start one command at a time", file=sys.stderr)
        file.truncate(0)
        since = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
        holder = {"command": command, "pid": os.getpid(), "machine": socket.gethostname(), "since": since}
        file.write(json.dumps(holder))
        file.flush()
        _held.add(ours)
        try:
            yield
        finally:
            _held.discard(ours)
            file.truncate(0)


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    number = os.open(directory, os.O_RDONLY)
    try:
        yield number
    finally:
        os.close(number)


def _holder(lock: Path) -> str:
    """Who has the lock, in words."""
    try:
        holder = json.loads(lock.read_text(encoding="utf-8"))
        return " by {command}, process {pid} on {machine} since {since}".format(**holder)
    except (OSError, ValueError, KeyError):
        return " by another command"


def _has_no_locks(error: BaseException) -> bool:
    causes = [error, *(argument for argument in error.args if isinstance(argument, BaseException))]
    return any(isinstance(cause, OSError) and cause.errno in _NO_LOCKS for cause in causes)
