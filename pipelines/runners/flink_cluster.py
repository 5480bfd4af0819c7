"""A real Flink cluster on this machine, and Beam's job server for one.

The cluster is what Flink calls a standalone session cluster: one JobManager and two TaskManagers, each a Java
process of its own, that listen on 127.0.0.1 only and end with the command or the ``with`` that started them.
Jobs reach it, or a cluster elsewhere, through Beam's job server, one process more:

    FlinkRunner (Python) ──► job server ──► JobManager ──► TaskManagers ──► workers (Python)
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pipelines.runners.flink_jars import JOB_SERVER_CLASS, FlinkJars, flink_jars, java_command
from workspace.errors import UserError
from workspace.machine import LOOPBACK, free_port
from workspace.scratch import directory_to_remove

TASK_MANAGERS = 2
# Twice what a job is given, so that one TaskManager can carry on when the other is lost.
SLOTS = 2
# In the configuration of our clusters: the job server whose classes they have, so that no job need bring them.
_HELD = "rnnsearch.job-server"
_ENDED = ("CANCELED", "FINISHED", "FAILED")
_SECONDS_TO_START = 60.0
_SECONDS_BETWEEN_LOOKS = 0.1
# Flink and Beam look into these packages by reflection, which Java forbids since version 17.
_OPENED = "lang lang.reflect io net nio text time util util.concurrent util.concurrent.atomic util.concurrent.locks"
_JAVA_OPTIONS = [
    "-Xmx512m",
    # The processes live for a minute or so: a quick start is worth more than the fastest code in the end.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPENED.split()),
]


# Reads the ids of processes until whoever writes them is gone, ends these, and removes their directory.
_WATCH = 'while read -r id; do ids="$ids $id"; done; kill -9 $ids; rm -rf "$1"'


@dataclass
class JavaProcesses:
    """Java processes that belong together: their logs in one directory, and one end for all.

    watch: ends them, too, when this process is killed and can no longer.
    """

    directory: Path
    jars: FlinkJars
    java: str
    watch: subprocess.Popen[bytes]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, machine: Sequence[str] = ()) -> None:
        """Starts a process; what it says goes to ``<name>.log``. ``machine`` is put before its command."""
        settings = {"java.io.tmpdir": self.directory, "log4j2.configurationFile": self.directory / "log4j2.properties"}
        command = [self.java, *_JAVA_OPTIONS, *(f"-D{key}={value}" for key, value in settings.items())]
        with self.log(name).open("wb") as log:
            # In a session of its own, Ctrl-C at the terminal does not reach it: we decide when it ends.
            self.running[name] = subprocess.Popen(
                [*machine, *command, *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        assert self.watch.stdin
        self.watch.stdin.write(b"%d\n" % self.running[name].pid)
        self.watch.stdin.flush()

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def check(self) -> None:
        """Raises UserError if one of them has ended."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise UserError(f"Flink's {name} ended with exit code {process.returncode}; see {self.log(name)}")

    def stop(self) -> None:
        # Before their ids can be those of others.
        self.watch.kill()
        self.watch.communicate()
        # All that they would tidy up is in the temporary directory.
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            process.wait()


@dataclass
class FlinkCluster:
    """A running cluster.

    master: the address of its REST interface, Beam's ``--flink_master``.
    machines: what is put before the command of each TaskManager, such as one that has it run where it sees other files.
    """

    processes: JavaProcesses
    master: str
    machines: Sequence[Sequence[str]] = ((),) * TASK_MANAGERS

    @property
    def directory(self) -> Path:
        return self.processes.directory

    def rest(self, path: str) -> Any:
        """What Flink's REST interface answers, such as to ``/jobs/overview``."""
        return ask_flink(self.master, path)

    def start(self) -> None:
        """Returns when all processes run and have found each other. Raises UserError if they do not."""
        self._start("job-manager", "entrypoint.StandaloneSessionClusterEntrypoint")
        for number in range(1, 1 + len(self.machines)):
            self.start_task_manager(number)
        give_up = time.monotonic() + _SECONDS_TO_START
        joined = 0
        while joined < len(self.machines):
            self.processes.check()
            if time.monotonic() > give_up:
                raise UserError(f"Flink did not start within {_SECONDS_TO_START:.0f} s; see {self.directory}/*.log")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            with contextlib.suppress(OSError):
                joined = self.rest("/overview")["taskmanagers"]

    def start_task_manager(self, number: int) -> None:
        """The first is 1; also anew, when it has ended."""
        self._start(f"task-manager-{number}", "taskexecutor.TaskManagerRunner", self.machines[number - 1])

    def wait(self) -> None:
        """Never returns. Raises UserError if a process ends."""
        while True:
            self.processes.check()
            time.sleep(1)

    def _start(self, name: str, main_class: str, machine: Sequence[str] = ()) -> None:
        main_class = f"org.apache.flink.runtime.{main_class}"
        class_path = _class_path(self.processes.jars, self.processes.jars.job_server)
        arguments = ["-cp", class_path, main_class, "--configDir", str(self.directory)]
        self.processes.start(name, *arguments, machine=machine)


@contextlib.contextmanager
def flink_cluster(port: int = 0, machines: Sequence[Sequence[str]] = ((),) * TASK_MANAGERS) -> Iterator[FlinkCluster]:
    """While the body runs, so does a cluster; ``port`` is that of its REST interface, 0 takes a free one.

    Raises UserError if Java or Flink cannot be had or do not start.
    """
    with _java_processes("flink-") as processes:
        cluster = FlinkCluster(processes, f"{LOOPBACK}:{port or free_port()}", machines)
        _write_configuration(cluster)
        cluster.start()
        yield cluster


@contextlib.contextmanager
def job_server(master: str, jar: str | None = None) -> Iterator[str]:
    """While the body runs, so does Beam's job server for the cluster; gives the ``--job_endpoint``.

    ``jar`` is one for a cluster of another version than ours. Raises UserError if it cannot be started.
    """
    with _java_processes("flink-job-server-") as processes:
        port = free_port()
        addresses = {
            "--flink-master": master,
            "--job-host": "localhost",
            "--job-port": str(port),
            "--artifact-port": "0",
            "--expansion-port": "-1",
            "--artifacts-dir": str(processes.directory / "artifacts"),
        }
        arguments = [word for pair in addresses.items() for word in pair]
        if jar:
            processes.start("job-server", "-jar", jar, *arguments)
        else:
            jars = processes.jars
            class_path = _class_path(jars, jars.held if _holds(master, jars) else jars.job_server)
            processes.start("job-server", "-cp", class_path, JOB_SERVER_CLASS, *arguments)
        give_up = time.monotonic() + _SECONDS_TO_START
        while not _answers(port):
            processes.check()
            if time.monotonic() > give_up:
                raise UserError(f"Beam's job server did not start; see {processes.log('job-server')}")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        yield f"localhost:{port}"


def free_slots(master: str) -> int:
    """The slots of a cluster that no job holds. Raises UserError if no Flink answers there."""
    try:
        return int(ask_flink(master, "/overview")["slots-available"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise UserError(f"no Flink cluster answers at {master}; start one, or leave FLINK_MASTER= out") from error


def cancel_jobs(master: str, name: str) -> None:
    """Ends the jobs of this name, and returns when nothing of them runs any more, or the cluster is gone."""
    cancelled: set[str] = set()
    with contextlib.suppress(OSError):
        while running := running_jobs(master, name):
            for job in running - cancelled:
                ask_flink(master, f"/jobs/{job}?mode=cancel", "PATCH")
            cancelled |= running
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def running_jobs(master: str, name: str) -> set[str]:
    """Flink's ids of the jobs of this name that have not ended."""
    jobs = ask_flink(master, "/jobs/overview")["jobs"]
    return {job["jid"] for job in jobs if job["name"] == name and job["state"] not in _ENDED}


def ask_flink(master: str, path: str, method: str = "GET") -> Any:
    """What the REST interface of a cluster answers. Raises OSError, HTTPException or ValueError where it does not."""
    with urllib.request.urlopen(urllib.request.Request(f"http://{master}{path}", method=method), timeout=10) as answer:
        return json.load(answer)


def _class_path(jars: FlinkJars, job_server: Path) -> str:
    return os.pathsep.join([f"{jars.flink}/*", str(job_server)])


def _holds(master: str, jars: FlinkJars) -> bool:
    """Whether the processes of a cluster have the classes of the job server, because we started it."""
    try:
        return {"key": _HELD, "value": _version(jars)} in ask_flink(master, "/jobmanager/config")
    except (OSError, HTTPException, ValueError):
        return False


def _version(jars: FlinkJars) -> str:
    return jars.job_server.parent.name


@contextlib.contextmanager
def _java_processes(prefix: str) -> Iterator[JavaProcesses]:
    """In a temporary directory, which stays where an error names a log in it."""
    java, jars = java_command(), flink_jars()
    directory = directory_to_remove(prefix)
    (directory / "log4j2.properties").write_text(_LOGGING)
    watch = subprocess.Popen(
        ["sh", "-c", _WATCH, "sh", str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    processes = JavaProcesses(directory, jars, java, watch)
    keep = False
    try:
        yield processes
    except UserError as error:
        keep = str(directory) in str(error)
        raise
    finally:
        processes.stop()
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def _write_configuration(cluster: FlinkCluster) -> None:
    # All parts of a TaskManager's memory: the scripts of Flink's that would work them out are not used.
    megabytes = {
        "framework.heap.size": 128,
        "framework.off-heap.size": 128,
        "task.heap.size": 256,
        "task.off-heap.size": 0,
        "network.min": 128,
        "network.max": 128,
        "managed.size": 128,
        "jvm-metaspace.size": 256,
        "jvm-overhead.min": 128,
        "jvm-overhead.max": 128,
    }
    settings = {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.bind-host": LOOPBACK,
        "jobmanager.rpc.port": free_port(),
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": cluster.master.rpartition(":")[2],
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.numberOfTaskSlots": SLOTS,
        "taskmanager.cpu.cores": SLOTS,
        # Else one TaskManager would get all of a job that it has the slots for.
        "taskmanager.load-balance.mode": "SLOTS",
        **{f"taskmanager.memory.{part}": f"{size}m" for part, size in megabytes.items()},
        "io.tmp.dirs": cluster.directory,
        # Once for all jobs, and not anew for each, which would take longer than many a job.
        "classloader.resolve-order": "parent-first",
        _HELD: _version(cluster.processes.jars),
        # A lost TaskManager is noticed within seconds, not within Flink's 50.
        "heartbeat.interval": 1000,
        "heartbeat.timeout": 8000,
        # One that nobody listens for any more is lost at its first heartbeat, before the job starts anew: else it would
        # be given its part of the job again.
        "heartbeat.rpc-failure-threshold": 1,
        # What Flink tells of a job, on its page and to who asks, is no older than that; else it would be three seconds.
        "web.refresh-interval": 300,
        # What fails goes wrong again at once, or was an accident.
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 2,
        "restart-strategy.fixed-delay.delay": "2 s",
    }
    text = "".join(f"{key}: {value}\n" for key, value in settings.items())
    (cluster.directory / "config.yaml").write_text(text)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} %m%n
"""
