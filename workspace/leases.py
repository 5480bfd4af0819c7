"""One command at a time in a directory of a store, which has no locks that end with a process.

There is a file that says who has the directory, written where there was none, and written anew every now and then
while its holder lives. One that stays as it is for longer is of a holder that is gone, and may be taken.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workspace.errors import UserError
from workspace.locations import Location, RemotePath
from workspace.periodically import periodically
from workspace.storage import create, read_bytes, remove, write_bytes

SECONDS_BETWEEN_RENEWALS = 15.0
# After so long without renewal the holder is gone: three times failed, or its process ended.
SECONDS_TO_LIVE = 60.0
_SECONDS_BETWEEN_LOOKS = 1.0


@contextlib.contextmanager
def leased(file: RemotePath, directory: Location, holder: Mapping[str, Any]) -> Iterator[None]:
    """While the body runs, ``file`` says that ``directory`` is ours; ``holder`` is what others are told: its command,
    pid and machine, and since when.

    Raises UserError where another has it, and after the body where another took it meanwhile, because this process
    was stopped for so long that it seemed to be gone.
    """
    lease = _Lease(file, {**holder, "lease": uuid.uuid4().hex})
    lease.take(directory)
    try:
        with periodically(SECONDS_BETWEEN_RENEWALS, lease.renew):
            yield
    except BaseException:
        # What went wrong may go wrong with this, too.
        with contextlib.suppress(UserError, OSError):
            lease.give_back()
        raise
    lease.give_back()
    if lease.is_lost:
        raise UserError(f"{directory} was taken by another command while this one stood still; run it again")


def in_use(directory: Location, holder: str | bytes) -> UserError:
    """The error to raise where another command has a directory; ``holder`` is what its lock says."""
    try:
        by = "{command}, process {pid} on {machine} since {since}".format(**json.loads(holder))
    except (ValueError, KeyError, TypeError):
        by = "another command"
    return UserError(f"{directory} is in use by {by}; wait until it has ended, or end it")


class _Lease:
    """What is written, and whether it is still ours."""

    def __init__(self, file: RemotePath, holder: dict[str, Any]):
        self._file, self._holder = file, holder
        self._times = 0
        self.is_lost = False

    def take(self, directory: Location) -> None:
        """Returns when it is ours. Raises UserError where its holder lives."""
        while not create(self._file, self._written()):
            with contextlib.suppress(FileNotFoundError):
                before = read_bytes(self._file)
                if not _is_of_a_dead_process(before):
                    self._wait_for_its_end(before, directory)
                self._clear(before)

    def renew(self) -> bool:
        """Writes it anew; gives whether it is lost."""
        # What fails now may do the next time; the body has the same store, and ends with its error.
        with contextlib.suppress(UserError, OSError):
            self.is_lost = not self._is_ours()
            if not self.is_lost:
                self._times += 1
                write_bytes(self._file, self._written())
        return self.is_lost

    def give_back(self) -> None:
        """Takes it away, unless it is lost: it may have been since it was last written."""
        self.is_lost = self.is_lost or not self._is_ours()
        if not self.is_lost:
            remove(self._file)

    def _is_ours(self) -> bool:
        try:
            return bool(json.loads(read_bytes(self._file))["lease"] == self._holder["lease"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return False

    def _written(self) -> bytes:
        return json.dumps({**self._holder, "renewed": self._times}).encode()

    def _wait_for_its_end(self, before: bytes, directory: Location) -> None:
        """Returns when the holder of ``before`` is gone. Raises UserError when it has written anew."""
        print(f"note: {directory} is said to be in use; looking for a minute whether it is", file=sys.stderr)
        began = time.monotonic()
        while time.monotonic() - began < SECONDS_TO_LIVE:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            if (now := read_bytes(self._file)) != before:
                raise in_use(directory, now)
            if _is_of_a_dead_process(before):
                return

    def _clear(self, before: bytes) -> None:
        """Takes away what a holder that is gone has left; of several who try, one does."""
        taken = self._file.with_name(f"{self._file.name}.{_name_of(before)}")
        if not create(taken, b""):
            # Another one is at it, or was killed at it.
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        # Of the one who came first, it is already another.
        elif read_bytes(self._file) == before:
            remove(self._file)
        remove(taken)


def _name_of(written: bytes) -> str:
    try:
        return str(json.loads(written)["lease"])
    except (ValueError, KeyError, TypeError):
        return "damaged"


def _is_of_a_dead_process(written: bytes) -> bool:
    """Whether it was left by a process of this machine that has ended."""
    try:
        holder = json.loads(written)
        return bool(holder["machine"] == socket.gethostname() and _has_ended(int(holder["pid"])))
    except (ValueError, KeyError, TypeError):
        return False


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # One that was killed is there until whoever started it looks at it. Not every system has such files.
        return read_bytes(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()[0] == b"Z"
    except ProcessLookupError:
        return True
    except OSError:
        return False
