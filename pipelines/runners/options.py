"""Beam's options from a command's flags, and what their runner needs while jobs run with them."""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from apache_beam.options.pipeline_options import (
    DebugOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES, FlinkRunner
from apache_beam.runners.runner import create_runner

from pipelines.runners.flink_cluster import TASK_MANAGERS, flink_cluster, free_slots, job_server
from pipelines.runners.flink_workers import loopback_workers
from pipelines.runners.silence import beam_silenced
from workspace.errors import UserError
from workspace.machine import LOOPBACK
from workspace.scratch import own_temporary_directory

LOCAL_RUNNER = "FnApiRunner"
# What Beam calls workers that are threads of the process that starts the job.
_THREADS_OF_THIS_PROCESS = "LOOPBACK"
_THIS_MACHINE = ("localhost", LOOPBACK)


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
        slots = free_slots(flink_master(options))
    if flink.parallelism == -1:
        # Beam's own default is one worker, however large the cluster.
        flink.parallelism = max(1, slots)
    # Beam would have pip list this machine's packages before every job, and send the list with it.
    options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")
    # The name by which the job is found again on the cluster.
    options.view_as(GoogleCloudOptions).job_name = f"rnnsearch-{uuid.uuid4()}"
    if portable.environment_type == _THREADS_OF_THIS_PROCESS:
        portable.environment_type = "EXTERNAL"
        portable.environment_config = needed.enter_context(loopback_workers())
    portable.job_endpoint = needed.enter_context(job_server(flink_master(options), flink.flink_job_server_jar))


def flink_master(options: PipelineOptions) -> str:
    """host:port of the cluster that a job is for."""
    return str(options.view_as(FlinkRunnerOptions).flink_master).removeprefix("http://").rstrip("/")


def _environment(master: str) -> str:
    """How the Python workers of a cluster run: as threads of this process, if the cluster is on this machine."""
    if master in MAGIC_HOST_NAMES or urlsplit(f"//{master.removeprefix('http://')}").hostname in _THIS_MACHINE:
        return _THREADS_OF_THIS_PROCESS
    raise UserError(
        f"the TaskManagers of {master} need Python workers beside them: start worker pools there, and give "
        "--environment_type=EXTERNAL --environment_config=localhost:50000; see docs/scaling.md"
    )


def _unknown_flags(options: PipelineOptions) -> list[str]:
    """The flags that Beam would leave out with a warning; runners on a cluster may know more of them than Beam."""
    try:
        # For one wrong value argparse prints all of Beam's two hundred flags.
        with beam_silenced(), contextlib.redirect_stderr(io.StringIO()) as said:
            everything = options.get_all_options(retain_unknown_options=True)
            return sorted(everything.keys() - options.get_all_options().keys())
    except SystemExit as error:
        raise UserError(said.getvalue().strip().splitlines()[-1].partition("error: ")[2]) from error
