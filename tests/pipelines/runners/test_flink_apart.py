"""The preparation on a Flink cluster whose workers share nothing with this machine but its network: no directory of
the process that submits a job is there. Work directories are in stores."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.corpora import fetching
from pipelines.preparation import job
from pipelines.runners.flink_cluster import TASK_MANAGERS, FlinkCluster, flink_cluster
from pipelines.runners.flink_jars import cache_directory, flink_jars, java_command
from pipelines.runners.options import ready_runner
from pipelines.translation import chunks
from pipelines.translation.asked import Asked
from pipelines.translation.inputs import find_files
from pipelines.translation.job import translate_files
from pipelines.translation.model_engine import ModelEngine
from recipes.loading import load_recipe, save_recipe
from recipes.stages import resolved_recipe
from tests.numbers_corpus import english, french
from tests.pipelines.runners.machines import ROOT, Machine, machine
from tests.pipelines.runners.test_flink import cleaning_job, state
from tests.pipelines.support import as_settings, hashes, new_work, run, write_lines, write_pair
from tests.requirements import missing, only_in_ci
from tests.serving.support import save_text_model
from tests.stores.fixtures import in_use
from tests.stores.proxy import Proxy, proxy_of
from tests.stores.servers import Store
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import files_under
from workspace.locations import Location, located
from workspace.machine import free_port
from workspace.storage import copy, read_text

pytestmark = [pytest.mark.slow, only_in_ci]


@dataclass(frozen=True)
class Apart:
    """A cluster whose TaskManagers and their workers do not see ``hidden``.

    hidden: of the processes that submit jobs: what they have of this machine is below it.
    flags: Beam's, for jobs on the cluster.
    s3, hdfs: stores that the workers have the rights to; ``proxy`` is before s3.
    """

    cluster: FlinkCluster
    machines: list[Machine]
    hidden: Path
    flags: list[str]
    s3: Store
    proxy: Proxy
    hdfs: Store


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, s3_server: Store, hdfs_server: Store) -> Iterator[Apart]:
    try:
        java_command()
        flink_jars()
    except UserError as error:
        missing("flink", str(error))
    directory, port = tmp_path_factory.mktemp("apart"), free_port()
    hidden = directory / "hidden"
    hidden.mkdir()
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(proxy_of(s3_server.endpoint))
        s3 = s3_server.behind(proxy.endpoint)
        environment = {**s3.environment, **hdfs_server.environment}
        machines = [
            stack.enter_context(machine(number, port, hidden, directory / f"machine-{number}", environment))
            for number in range(1, TASK_MANAGERS + 1)
        ]
        cluster = stack.enter_context(flink_cluster(machines=[pool.command for pool in machines]))
        for started in machines:
            started.wait()
        flags = ["--runner=flink", f"--flink_master={cluster.master}", f"--parallelism={TASK_MANAGERS}"]
        flags += ["--environment_type=EXTERNAL", f"--environment_config={machines[0].pool}"]
        yield Apart(cluster, machines, hidden, flags, s3, proxy, hdfs_server)


def test_what_is_to_be_hidden_from_workers_is_hidden(apart: Apart) -> None:
    (apart.hidden / "file").touch()
    running = apart.cluster.processes.running
    processes = [process.pid for name, process in running.items() if name.startswith("task-manager")]
    processes += [pool.process for pool in apart.machines]
    for process in processes:
        seen = Path(f"/proc/{process}/root{apart.hidden}")
        assert seen.is_dir()
        assert list(seen.iterdir()) == []


@pytest.fixture(scope="module")
def bible(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    """A work directory of this machine in which the local runner has prepared the default recipe's corpus."""
    work = WorkDirectory(tmp_path_factory.mktemp("here"))
    save_recipe(load_recipe("bible", {"subwords": {"sample_pairs": 3000}}), work.recipe)
    fetching.fetch(resolved_recipe(work), work)
    run(work)
    assert len(hashes(work)) == 21
    return work


def test_the_bible_is_the_same_bytes_by_way_of_a_busy_s3(apart: Apart, bible: WorkDirectory[Path]) -> None:
    """It answers every twentieth request with 503."""
    with in_use(apart.s3.with_own_root()) as store:
        work = with_corpus_of(bible, store)
        apart.proxy.every = 20
        try:
            submit(work, apart)
        finally:
            apart.proxy.every = 0
        assert hashes(work) == hashes(bible)
    assert apart.proxy.refused > 4


def test_the_bible_is_the_same_bytes_by_way_of_hdfs(apart: Apart, bible: WorkDirectory[Path]) -> None:
    with in_use(apart.hdfs.with_own_root()) as store:
        work = with_corpus_of(bible, store)
        submit(work, apart)
        assert hashes(work) == hashes(bible)


def with_corpus_of(work: WorkDirectory[Path], store: Store) -> WorkDirectory:
    """A work directory in a store, with the same recipe and fetched corpora."""
    there = WorkDirectory(located(store.root))
    copy(work.recipe, there.recipe)
    copy(work.corpus, there.corpus)
    return there


def submit(work: WorkDirectory, apart: Apart) -> None:
    """Has a process prepare the corpora that has its home, temporary files and working directory where no worker is."""
    directories = {name: apart.hidden / name for name in ("HOME", "TMPDIR", "work")}
    for directory in directories.values():
        directory.mkdir(exist_ok=True)
    cwd = directories.pop("work")
    environment = {**os.environ, **{name: str(directory) for name, directory in directories.items()}}
    environment |= {"XDG_CACHE_HOME": str(cache_directory().parent), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipelines.prepare", "--work", str(work.root), *apart.flags]
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_text_of_this_machine_is_translated_by_a_model_in_a_store_though_a_task_manager_is_killed(
    apart: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers see neither the text nor the model's files here; each copies the model to its own scratch. The
    TaskManager is killed when some chunks are done; others are left."""
    monkeypatch.setattr(chunks, "CHUNK_RECORDS", 75)
    before = job_ids(apart.cluster)
    killed: list[int] = []
    lines = [f"line {number}" if number % 100 else "" for number in range(3_000)]
    text, here = apart.hidden / "text", tmp_path / "here"
    text.write_text("".join(f"{line}\n" for line in lines))
    save_text_model(apart.hidden / "1", "one:")

    def kill(run: Location) -> None:
        while len(done := [file for file in files_under(run) if file.parent.name == "done"]) < 5:
            time.sleep(0.1)
        apart.cluster.processes.running["task-manager-2"].kill()
        killed.append(len(done))

    def translated(output: Location, version: Location, options: PipelineOptions) -> dict[str, Any]:
        files = find_files(str(text), output, False, None)
        return translate_files(files, Asked(), ModelEngine(version), options)

    with ready_runner([]) as options:
        expected = translated(here, apart.hidden / "1", options)
    with in_use(apart.s3.with_own_root()) as store, ready_runner(apart.flags) as options:
        version, output = (located(f"{store.root}/{name}") for name in ("export/1", "out"))
        copy(apart.hidden / "1", version)
        threading.Thread(target=kill, args=(located(f"{store.root}/.out.run"),), daemon=True).start()
        manifest = translated(output, version, options)
        assert read_text(output) == read_text(here) == "".join(f"one:{line}\n" if line else "\n" for line in lines)
    assert manifest["counts"] == expected["counts"]
    assert manifest["translated_by_this_command"] == 3_000
    assert killed[0] < 3_000 // 75
    (job,) = job_ids(apart.cluster) - before
    assert apart.cluster.rest(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]
    apart.cluster.start_task_manager(2)


def test_a_corpus_of_this_machine_and_a_killed_task_manager_change_nothing(apart: Apart, tmp_path: Path) -> None:
    """Only this process can read one corpus, any worker the other. The TaskManager is killed while it cleans: this is
    the last test, for the cluster has one TaskManager less."""
    before = job_ids(apart.cluster)
    killed: list[str] = []

    def kill() -> None:
        while not (job := cleaning_job(apart.cluster, before)):
            time.sleep(0.05)
        apart.cluster.processes.running["task-manager-1"].kill()
        killed.append(job)

    with in_use(apart.s3.with_own_root()) as store, ready_runner(apart.flags) as options:
        near = write_pair(apart.hidden / "near", *texts(range(1500)))
        far = {side: located(f"{store.root}/far.{side}.gz") for side in ("source", "target")}
        for file, lines in zip(far.values(), texts(range(1500, 3000)), strict=True):
            copy(write_lines(tmp_path / file.name, lines), file)
        pairs = {"near": as_settings(near), "far": {side: str(file) for side, file in far.items()}}
        corpus = {"train": [{"name": name, **files} for name, files in pairs.items()]}
        here = new_work(tmp_path / "work", None, corpus=corpus)
        run(here)
        there = new_work(located(f"{store.root}/work"), None, corpus=corpus)
        threading.Thread(target=kill, daemon=True).start()
        job.prepare(resolved_recipe(there), there, options, chunk_pairs=10)
        assert hashes(there) == hashes(here)
    assert state(apart.cluster, killed[0]) == "FINISHED"
    assert apart.cluster.rest(f"/jobs/{killed[0]}/exceptions")["exceptionHistory"]["entries"]


def job_ids(cluster: FlinkCluster) -> set[str]:
    return {job["jid"] for job in cluster.rest("/jobs/overview")["jobs"]}


def texts(numbers: range) -> tuple[list[str], list[str]]:
    return [english(number) for number in numbers], [french(number) for number in numbers]
