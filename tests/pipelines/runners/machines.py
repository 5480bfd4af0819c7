"""Machines of their own, as far as files go: what is started there does not see a directory of this machine's.

They share its network: one on which a name is another address of this machine's has a port of its own there.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.requirements import missing

ROOT = Path(__file__).parents[3]
POOL = "worker-pool"
SECONDS_TO_START = 60.0


@dataclass(frozen=True)
class Machine:
    """command: what to put before a command so that it runs there.

    pool: the address, as it is called there, of a pool of Beam's workers; address is that by which it is found here.
    process: the pool's.
    """

    command: list[str]
    pool: str
    address: str
    process: int

    def wait(self) -> None:
        """Until there are workers to be had."""
        with grpc.insecure_channel(self.address) as channel:
            grpc.channel_ready_future(channel).result(SECONDS_TO_START)


@contextlib.contextmanager
def machine(number: int, port: int, hidden: Path, directory: Path, environment: Mapping[str, str]) -> Iterator[Machine]:
    """While the body runs, there is a machine where ``hidden`` is empty, with a pool of workers on ``port``.

    directory: of the machine's own; its temporary files and home are there. Skips the test where there can be none.
    """
    for name in ("home", "tmp"):
        (directory / name).mkdir(parents=True)
    address = f"127.0.0.{number + 1}"
    hosts = directory / "hosts"
    hosts.write_text(f"{Path('/etc/hosts').read_text()}\n{address} {POOL}\n")
    mounts = f"mount -t tmpfs tmpfs {shlex.quote(str(hidden))} && mount --bind {shlex.quote(str(hosts))} /etc/hosts"
    command = [*unshare(), "sh", "-c", f'{mounts} && cd / && exec "$@"', "sh"]
    of_machine = {
        "HOME": str(directory / "home"),
        "TMPDIR": str(directory / "tmp"),
        # Beam's pool starts plain python. The project is installed on a worker's machine: here, by its source.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    with (directory / "pool.log").open("wb") as log:
        pool = subprocess.Popen(
            [*command, sys.executable, "-m", "tests.pipelines.runners.worker_pool", f"{address}:{port}"],
            env=of_machine,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield Machine(command, f"{POOL}:{port}", f"{address}:{port}", pool.pid)
    finally:
        # With the workers that it has started.
        os.killpg(pool.pid, signal.SIGKILL)
        pool.wait()


def unshare() -> list[str]:
    """What to put before a command that mounts what only it shall see."""
    command = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else []), "--"]
    try:
        subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        missing("unshare", "it takes unshare(1) and the right to mount, as root has it")
    return command
