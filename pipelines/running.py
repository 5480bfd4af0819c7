"""How the project's Beam jobs run: their flags, their progress, and their errors in one sentence."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import re
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES, FlinkRunner
from apache_beam.runners.runner import create_runner

from pipelines.flink_cluster import TASK_MANAGERS, cancel_jobs, flink_cluster, free_slots, job_server
from pipelines.flink_workers import loopback_workers
from pipelines.worker_processes import worker_processes
from workspace.errors import UserError, explain
from workspace.progress import progress_bar
from workspace.storage import own_temporary_directory

LOCAL_RUNNER = "FnApiRunner"
LOOPBACK = "LOOPBACK"
_THIS_MACHINE = ("localhost", "127.0.0.1")
_SECONDS_BETWEEN_LOOKS = 0.5


def pipeline_options(flags: Sequence[str]) -> PipelineOptions:
    """Beam's options from its flags; without ``--runner`` the job runs on this machine.

    The local runner is named always: Beam's default, and its DirectRunner, would first try to download
    the binary of another one. Raises UserError for a flag's wrong value, a runner that there is not, or
    a flag that the local runner does not know.
    """
    options = PipelineOptions(list(flags))
    standard = options.view_as(StandardOptions)
    unknown = _unknown_flags(options)
    if standard.runner is None or standard.runner.lower() in ("direct", "directrunner"):
        standard.runner = LOCAL_RUNNER
    try:
        create_runner(standard.runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise UserError(f"--runner={standard.runner}: {' '.join(str(error).split())}") from error
    if unknown and standard.runner == LOCAL_RUNNER:
        raise UserError(f"neither this command nor Beam's local runner has a flag --{unknown[0]}; see --help")
    return options


@contextlib.contextmanager
def ready_runner(flags: Sequence[str]) -> Iterator[PipelineOptions]:
    """Beam's options from its flags; while the body runs jobs with them, there is what their runner needs.

    That is nothing, save for ``--runner=FlinkRunner``: it needs Beam's job server, and without
    ``--flink_master`` a cluster, which is then one on this machine.
    """
    options = pipeline_options(flags)
    with contextlib.ExitStack() as needed:
        is_flink = isinstance(create_runner(options.view_as(StandardOptions).runner), FlinkRunner)
        if is_flink and not options.view_as(PortableOptions).job_endpoint:
            _start_for_flink(options, needed)
        needed.enter_context(own_temporary_directory())
        yield options


def _start_for_flink(options: PipelineOptions, needed: contextlib.ExitStack) -> None:
    portable, flink = options.view_as(PortableOptions), options.view_as(FlinkRunnerOptions)
    if portable.environment_type is None:
        portable.environment_type = _environment(flink.flink_master)
    slots = TASK_MANAGERS
    if flink.flink_master in MAGIC_HOST_NAMES:
        flink.flink_master = needed.enter_context(flink_cluster()).master
    else:
        slots = free_slots(_flink_master(options))
    if flink.parallelism == -1:
        # Beam's own default is one worker, however large the cluster.
        flink.parallelism = max(1, slots)
    # The name by which the job is found again on the cluster.
    options.view_as(GoogleCloudOptions).job_name = f"rnnsearch-{uuid.uuid4()}"
    if portable.environment_type == LOOPBACK:
        portable.environment_type = "EXTERNAL"
        portable.environment_config = needed.enter_context(loopback_workers())
    portable.job_endpoint = needed.enter_context(job_server(_flink_master(options), flink.flink_job_server_jar))


def run_pipeline(pipeline: beam.Pipeline) -> None:
    """Runs the pipeline to its end. A UserError raised in a worker comes out as itself."""
    silent = io.StringIO()
    # Beam would print the traceback of every error in a worker, which then comes here anyway: by its loggers, by the
    # root logger, and by print. A bar that is shown has the stream already.
    with (
        _logging_at("apache_beam", logging.CRITICAL),
        _logging_at("root", logging.CRITICAL),
        contextlib.redirect_stderr(silent),
        worker_processes(pipeline),
    ):
        try:
            pipeline.run().wait_until_finish()
        except KeyboardInterrupt:
            # Flink would go on with the job, also if Beam were asked to cancel it.
            if isinstance(pipeline.runner, FlinkRunner):
                _silence_listeners()
                cancel_jobs(_flink_master(pipeline.options), pipeline.options.view_as(GoogleCloudOptions).job_name)
            raise
        except Exception as error:
            if str(error).startswith("KeyboardInterrupt"):
                raise KeyboardInterrupt from error
            if sentence := _user_sentence(error):
                raise UserError(sentence) from error
            raise


@contextlib.contextmanager
def explained_errors() -> Iterator[None]:
    """For the body of a DoFn: what the disk or the file system has against it becomes a UserError.

    Beam hands on an exception's type and text only, and an OSError's sentence needs more than those.
    """
    try:
        yield
    except OSError as error:
        raise UserError(explain(error)) from error


@contextlib.contextmanager
def without_cycle_collection() -> Iterator[None]:
    """For the body of a DoFn that makes many small objects at once, none of them in cycles.

    To look for cycles among them again and again would take an eighth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Progress:
    """Units of work finished by workers of any process, noted in a file that the main process looks at."""

    def __init__(self, path: Path):
        self._path = path

    def add(self, units: int) -> None:
        """Called by a worker when it has finished ``units`` more."""
        with self._path.open("ab") as file:
            file.write(b"%d\n" % units)

    @contextlib.contextmanager
    def shown(self, total: int, description: str, unit: str) -> Iterator[None]:
        """Shows a bar of what was added since, while the body runs."""
        self._path.write_bytes(b"")
        finished = threading.Event()
        with progress_bar(total, description, unit) as bar:

            def watch() -> None:
                while not finished.wait(_SECONDS_BETWEEN_LOOKS):
                    look()

            def look() -> None:
                # A bundle that Beam tried twice counts twice.
                bar.update(min(total, sum(map(int, self._path.read_bytes().split()))) - bar.n)

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            try:
                yield
            finally:
                finished.set()
                watcher.join()
            look()


def _flink_master(options: PipelineOptions) -> str:
    return str(options.view_as(FlinkRunnerOptions).flink_master).removeprefix("http://").rstrip("/")


def _environment(master: str) -> str:
    """How the Python workers of a cluster run: as threads of this process, if the cluster is on this machine."""
    if master in MAGIC_HOST_NAMES or urlsplit(f"//{master.removeprefix('http://')}").hostname in _THIS_MACHINE:
        return LOOPBACK
    raise UserError(
        f"the TaskManagers of {master} need Python workers beside them: start worker pools there, and give "
        "--environment_type=EXTERNAL --environment_config=localhost:50000; see docs/scaling.md"
    )


def _unknown_flags(options: PipelineOptions) -> list[str]:
    """The flags that Beam would leave out with a warning; runners on a cluster may know more of them than Beam."""
    said = io.StringIO()
    try:
        # For one wrong value argparse prints all of Beam's two hundred flags.
        with _logging_at("apache_beam", logging.CRITICAL), contextlib.redirect_stderr(said):
            everything = options.get_all_options(retain_unknown_options=True)
            return sorted(everything.keys() - options.get_all_options().keys())
    except SystemExit as error:
        raise UserError(said.getvalue().strip().splitlines()[-1].partition("error: ")[2]) from error


def _user_sentence(error: Exception) -> str | None:
    """The sentence of the UserError within ``error``, as a runner may have wrapped it, if there is one."""
    text = str(error) if isinstance(error, UserError) else ""
    if not text:
        names = "|".join(kind.__name__ for kind in _kinds_of(UserError))
        wrapped = re.findall(rf"\b(?:{names}): (.+)", str(error))
        text = wrapped[-1] if wrapped else ""
    return text.partition(" [while running")[0].strip() or None


def _kinds_of(error: type[UserError]) -> list[type[UserError]]:
    return [error, *(kind for direct in error.__subclasses__() for kind in _kinds_of(direct))]


def _silence_listeners() -> None:
    """The threads with which Beam listens to a job end in a traceback when the job server does."""
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.thread is None or not arguments.thread.name.startswith("wait_until_finish"):
            before(arguments)

    threading.excepthook = hook


@contextlib.contextmanager
def _logging_at(name: str, level: int) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
