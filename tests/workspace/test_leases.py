"""One command at a time in a directory of a store."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.stores.servers import Store
from workspace import leases
from workspace.errors import UserError
from workspace.listing import exists
from workspace.locations import RemotePath, located
from workspace.lock import locked
from workspace.storage import read_json, write_json

pytestmark = pytest.mark.slow

HOLDS = """
import sys, time
from workspace.locations import located
from workspace.lock import locked
with locked(located(sys.argv[1]), "first"):
    print("has it", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_RENEWALS", 0.1)
    monkeypatch.setattr(leases, "SECONDS_TO_LIVE", 1.0)
    monkeypatch.setattr(leases, "_SECONDS_BETWEEN_LOOKS", 0.05)


@pytest.fixture
def directory(s3: Store) -> RemotePath:
    found = located(s3.root)
    assert isinstance(found, RemotePath)
    return found


def holder(directory: RemotePath) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDS, str(directory)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "has it\n"
    return started


def lock_of(directory: RemotePath) -> RemotePath:
    return directory / ".lock"


def left_behind(directory: RemotePath, **changes: object) -> None:
    """As by a holder on another machine."""
    gone = {"command": "gone", "pid": 1, "machine": "elsewhere", "since": "yesterday", "lease": "abc", "renewed": 3}
    write_json(lock_of(directory), {**gone, **changes})


def test_it_is_there_while_the_body_runs(directory: RemotePath) -> None:
    with locked(directory, "first"):
        assert read_json(lock_of(directory))["command"] == "first"
        with locked(directory, "part of the first"):
            pass
        assert exists(lock_of(directory))
    assert not exists(lock_of(directory))


def test_the_second_is_refused_while_the_first_lives(quick: None, directory: RemotePath) -> None:
    with locked(directory, "first"), ThreadPoolExecutor(1) as threads:

        def second() -> None:
            with locked(directory, "second"):
                pass

        with pytest.raises(UserError, match=rf"^{directory} is in use by first, process \d+ on {socket.gethostname()}"):
            threads.submit(second).result()


@pytest.mark.parametrize("is_zombie", [False, True])
def test_what_a_killed_process_of_this_machine_left_is_taken_at_once(
    is_zombie: bool, directory: RemotePath, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even if whoever started it has not looked at it yet."""
    with holder(directory) as first:
        first.kill()
        os.waitid(os.P_PID, first.pid, os.WEXITED | (os.WNOWAIT if is_zombie else 0))
        assert exists(lock_of(directory))
        with locked(directory, "second"):
            assert read_json(lock_of(directory))["command"] == "second"
    assert capsys.readouterr().err == ""


def test_a_holder_that_is_killed_meanwhile_is_not_waited_for(directory: RemotePath) -> None:
    with holder(directory) as first:
        threading.Timer(1.5, first.kill).start()
        began = time.monotonic()
        with locked(directory, "second"):
            assert 1.5 < time.monotonic() - began < leases.SECONDS_TO_LIVE / 2


def test_what_another_machine_left_is_taken_when_nobody_renews_it(
    quick: None, directory: RemotePath, capsys: pytest.CaptureFixture[str]
) -> None:
    left_behind(directory)
    began = time.monotonic()
    with locked(directory, "second"):
        pass
    assert time.monotonic() - began >= leases.SECONDS_TO_LIVE
    assert capsys.readouterr().err == f"note: {directory} is said to be in use; looking for a minute whether it is\n"


@pytest.mark.parametrize("written", ["{", "[]", json.dumps({"pid": "x"})])
def test_a_damaged_one_is_taken_likewise(quick: None, directory: RemotePath, written: str) -> None:
    write_json(lock_of(directory), written)
    with locked(directory, "second"):
        pass


def test_of_several_who_take_it_one_does(quick: None, directory: RemotePath) -> None:
    left_behind(directory)
    inside, together = [], threading.Barrier(4)

    def take(number: int) -> bool:
        together.wait()
        try:
            with locked(directory, str(number)):
                inside.append(number)
                time.sleep(2)
        except UserError as error:
            return "is in use by" not in str(error)
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(take, range(4))) == [False, False, False, True]
    assert len(inside) == 1


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_who_lost_it_ends_with_that(quick: None, directory: RemotePath, seconds: float) -> None:
    """Also where there was no time to see it before the end: what another has is not taken away."""
    with (
        pytest.raises(UserError, match="was taken by another command while this one stood still"),
        locked(directory, "first"),
    ):
        left_behind(directory)
        time.sleep(seconds)
    assert read_json(lock_of(directory))["command"] == "gone"


def test_a_path_is_locked_by_the_system(tmp_path: Path) -> None:
    with locked(tmp_path, "first"):
        assert read_json(tmp_path / ".lock")["command"] == "first"
