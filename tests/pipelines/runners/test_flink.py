"""The preparation on a real Flink cluster: one JobManager and two TaskManagers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import compare_runners, flink
from pipelines.corpora.line_files import FilePair
from pipelines.preparation import job
from pipelines.runners import flink_jars as jars_module
from pipelines.runners.flink_cluster import TASK_MANAGERS, FlinkCluster, flink_cluster
from pipelines.runners.flink_jars import flink_jars, java_command
from pipelines.runners.options import ready_runner
from recipes.stages import resolved_recipe
from tests.numbers_corpus import write_corpus
from tests.pipelines.runners.test_progress import PARTS, run_seen
from tests.pipelines.support import hashes, new_work, run
from tests.requirements import missing, only_in_ci
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.machine import free_port

# What serves a Python worker is a thread of the test's process, and fails when its TaskManager is killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.slow,
    only_in_ci,
]


@pytest.fixture(scope="module", autouse=True)
def java_and_jars() -> None:
    """Java and the jars. .ci/run sets the variable: there, a Flink that cannot be had is a failure."""
    try:
        java_command()
        flink_jars()
    except UserError as error:
        missing("flink", str(error))


@pytest.fixture(scope="module")
def cluster() -> Iterator[FlinkCluster]:
    with flink_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def options(cluster: FlinkCluster) -> Iterator[PipelineOptions]:
    """For jobs on the cluster that leave room for the loss of one TaskManager."""
    flags = ["--runner=FlinkRunner", f"--flink_master={cluster.master}", f"--parallelism={TASK_MANAGERS}"]
    with ready_runner(flags) as options:
        yield options


def corpus_in(directory: Path) -> FilePair[Path]:
    """3,000 numbers in English and French words."""
    source, target = write_corpus(directory, 3000)
    return FilePair(source=source, target=target)


@pytest.fixture
def corpus(tmp_path: Path) -> FilePair[Path]:
    return corpus_in(tmp_path / "numbers")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the local runner makes of the corpus."""
    directory = tmp_path_factory.mktemp("local")
    work = new_work(directory / "work", corpus_in(directory / "numbers"))
    run(work)
    return hashes(work)


def run_on(work: WorkDirectory[Path], options: PipelineOptions, chunk_pairs: int) -> None:
    job.prepare(resolved_recipe(work), work, options, chunk_pairs)


def test_shards_are_the_same_bytes_as_on_this_machine(
    tmp_path: Path, corpus: FilePair[Path], expected: dict[str, str], options: PipelineOptions, cluster: FlinkCluster
) -> None:
    work = new_work(tmp_path / "flink", corpus)
    run_on(work, options, chunk_pairs=200)
    assert hashes(work) == expected
    # What the jobs brought with them, which the cluster keeps for an hour: not the classes that it has.
    assert sum(path.stat().st_size for path in cluster.directory.rglob("blob_p-*")) < 1_000_000


def test_the_command_that_compares_engines_finds_the_same_bytes(
    tmp_path: Path,
    corpus: FilePair[Path],
    expected: dict[str, str],
    cluster: FlinkCluster,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The default recipe's corpus is compared in ``test_flink_apart``."""
    work = new_work(tmp_path / "work", corpus)
    flags = ["--runner=flink", f"--flink_master={cluster.master}", f"--parallelism={TASK_MANAGERS}"]
    compare_runners.main(["--work", str(work.root), *flags])
    assert capsys.readouterr().out.splitlines()[-1] == f"all {len(expected)} files have the same SHA-256"
    assert [path.name for path in work.root.iterdir()] == ["recipe.yaml"]


def test_a_killed_task_manager_changes_nothing(
    tmp_path: Path, corpus: FilePair[Path], expected: dict[str, str], options: PipelineOptions, cluster: FlinkCluster
) -> None:
    """It is killed while it cleans; the job starts anew on what is left of the cluster."""
    before = {job["jid"] for job in cluster.rest("/jobs/overview")["jobs"]}
    killed: list[str] = []

    def kill() -> None:
        while not (job := cleaning_job(cluster, before)):
            time.sleep(0.05)
        cluster.processes.running["task-manager-1"].kill()
        killed.append(job)

    watcher = threading.Thread(target=kill, daemon=True)
    watcher.start()
    work = new_work(tmp_path / "flink", corpus)
    run_on(work, options, chunk_pairs=10)
    watcher.join(timeout=1)
    assert hashes(work) == expected
    assert state(cluster, killed[0]) == "FINISHED"
    failures = cluster.rest(f"/jobs/{killed[0]}/exceptions")["exceptionHistory"]["entries"]
    assert failures


def test_what_is_done_is_seen_while_the_job_runs(tmp_path: Path, options: PipelineOptions) -> None:
    shown = run_seen(options, tmp_path, total=10 * PARTS)
    assert shown[1] in (10, 20)
    assert shown[-1] == 10 * PARTS


def state(cluster: FlinkCluster, job: str) -> str:
    """The state of a job as it is now; what Flink tells of a single job may be older."""
    jobs = {entry["jid"]: entry["state"] for entry in cluster.rest("/jobs/overview")["jobs"]}
    return str(jobs[job])


def cleaning_job(cluster: FlinkCluster, before: set[str]) -> str | None:
    """The job, none of those before, that reads and cleans just now."""
    for listed in cluster.rest("/jobs/overview")["jobs"]:
        if listed["jid"] not in before:
            vertices = cluster.rest(f"/jobs/{listed['jid']}")["vertices"]
            if any("CleanPairs" in vertex["name"] and vertex["status"] == "RUNNING" for vertex in vertices):
                return str(listed["jid"])
    return None


def test_an_error_in_a_worker_comes_out_as_its_sentence(
    tmp_path: Path,
    corpus: FilePair[Path],
    options: PipelineOptions,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """And nothing else does, though Flink tried again."""
    work = new_work(tmp_path / "work", corpus)
    check = job.check_size

    def cut(*arguments: Any) -> None:
        check(*arguments)
        corpus.target.write_bytes(b"un\n")

    monkeypatch.setattr(job, "check_size", cut)
    # As in a command; in a program that calls one, what Beam says is not ours to keep silent.
    monkeypatch.setattr("workspace.at_once._is_ours", True)
    with pytest.raises(UserError) as error:
        run_on(work, options, chunk_pairs=10_000)
    assert str(error.value) == "a corpus file changed while it was read; run the same command again"
    assert not work.data.exists()
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if not line.startswith(("indexing: ", "cleaning: "))] == []


def test_an_interrupted_job_is_cancelled_on_the_cluster(
    tmp_path: Path, corpus: FilePair[Path], options: PipelineOptions, cluster: FlinkCluster
) -> None:
    before = {job["jid"] for job in cluster.rest("/jobs/overview")["jobs"]}
    interrupted: list[str] = []

    def interrupt() -> None:
        while not (job := cleaning_job(cluster, before)):
            time.sleep(0.05)
        interrupted.append(job)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    work = new_work(tmp_path / "work", corpus)
    with pytest.raises(KeyboardInterrupt):
        run_on(work, options, chunk_pairs=10)
    assert state(cluster, interrupted[0]) == "CANCELED"
    assert not work.data.exists()


def test_an_interrupted_command_takes_its_cluster_and_files_with_it(tmp_path: Path, corpus: FilePair[Path]) -> None:
    work = new_work(tmp_path / "work", corpus)
    command = [sys.executable, "-m", "pipelines.prepare", "--work", str(work.root), "--runner=flink"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    said: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("cleaning: 0/") and not said[-1].startswith("cleaning"):
                assert len(java_processes(temporary)) == TASK_MANAGERS + 2
                process.send_signal(signal.SIGTERM)
            said.append(line)
        assert process.wait() == 130
    assert said[-1].startswith("error: interrupted")
    assert "Traceback" not in "".join(said)
    assert java_processes(temporary) == []
    assert list(temporary.iterdir()) == []
    assert not work.data.exists()


def test_a_cluster_of_its_own_ends_at_ctrl_c_without_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.flink", "--port", str(free_port())]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("Flink runs: http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert (process.wait(), process.stderr.read()) == (0, "")
    assert java_processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_ends_with_a_command_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.flink", "--port", str(free_port())]
    environment = {**os.environ, "SCRATCH": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Flink runs: ")
        assert len(java_processes(tmp_path)) == TASK_MANAGERS + 1
        process.kill()
    until = time.monotonic() + 10
    while left := [*java_processes(tmp_path), *tmp_path.iterdir()]:
        assert time.monotonic() < until, left
        time.sleep(0.1)


def test_a_cluster_of_its_own_is_not_begun_where_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"^cannot listen on 127.0.0.1:{port}: .*; choose another --port$"):
            flink.main(["--port", str(port)])
    with pytest.raises(UserError, match=r"^there is no port 99999; choose one from 1 to 65535 as --port$"):
        flink.main(["--port", "99999"])


def java_processes(temporary: Path) -> list[str]:
    """The Java processes that have a directory below ``temporary`` on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().decode(errors="replace").split("\0")
            if f"-Djava.io.tmpdir={temporary}" in " ".join(command):
                found.append(command[0])
    return found


def test_a_process_that_does_not_start_is_named_with_its_log() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UserError, match=r"^Flink's job-manager ended with exit code \d+; see ") as error,
        flink_cluster(taken.getsockname()[1]),
    ):
        pass
    log = Path(str(error.value).rpartition("see ")[2])
    assert "Could not start rest endpoint" in log.read_text()
    shutil.rmtree(log.parent)


@pytest.mark.parametrize(
    ("master", "sentence"),
    [
        ("127.0.0.1:1", r"^no Flink cluster answers at 127\.0\.0\.1:1; start one"),
        ("localhost:http", r"^no Flink cluster answers at localhost:http; start one"),
        ("jobmanager.example:8081", r"need Python workers beside them: .* --environment_type=EXTERNAL"),
    ],
)
def test_what_is_wrong_with_a_master_is_said(master: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence), ready_runner(["--runner=flink", f"--flink_master={master}"]):
        pass


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("", r"there is none in JAVA_HOME; install Java 11 or newer"),
        ("#!/bin/sh\necho 'openjdk version \"1.8.0_292\"' >&2", r"is Java 8, too old for Flink; install Java 11"),
    ],
)
def test_what_is_wrong_with_java_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
) -> None:
    java = tmp_path / "bin" / "java"
    if script:
        java.parent.mkdir()
        java.write_text(script)
        java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match=sentence):
        java_command()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "0 org.slf4j:slf4j-api:1.7.30",
            r"as downloaded has SHA-256 cdba07964d1bb40a07",
        ),
        ("0 org.slf4j:slf4j-api:0", r"org\.slf4j:slf4j-api:0 could not be downloaded"),
    ],
)
def test_a_wrong_download_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    lock = tmp_path / "lock"
    lock.write_text(line + "\n")
    (tmp_path / "rnnsearch").mkdir()
    (tmp_path / "rnnsearch" / f"flink-{jars_module.FLINK_VERSION}" / "gradle" / "wrapper").mkdir(parents=True)
    monkeypatch.setattr(jars_module, "_LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=sentence):
        flink_jars()
    assert [path.name for path in (tmp_path / "rnnsearch").iterdir()] == [f"flink-{jars_module.FLINK_VERSION}"]
