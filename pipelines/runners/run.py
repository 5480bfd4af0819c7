"""How a Beam job runs to its end, or ends in one sentence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult

from pipelines.runners.flink_cluster import cancel_jobs
from pipelines.runners.flink_counters import units_on_flink
from pipelines.runners.local_runner import CountingRunner
from pipelines.runners.local_workers import worker_processes
from pipelines.runners.options import flink_master
from pipelines.runners.progress import followed, units_of
from pipelines.runners.silence import beam_silenced, silence_threads
from workspace.errors import UserError
from workspace.progress import Bar


@contextlib.contextmanager
def beam_pipeline(options: PipelineOptions, bar: Bar) -> Iterator[beam.Pipeline]:
    """As ``with beam.Pipeline(options=options)``: what the body builds runs to its end when the body is left.

    ``bar`` shows what its DoFns add to ``pipelines.runners.progress``. A UserError raised in a worker comes out as
    itself.
    """
    # Beam would print the traceback of every error in a worker, which then comes here anyway.
    with beam_silenced():
        pipeline = beam.Pipeline(options=options)
        if isinstance(pipeline.runner, FnApiRunner):
            pipeline.runner = CountingRunner()
        yield pipeline
        with worker_processes(pipeline):
            _run(pipeline, bar)


def _run(pipeline: beam.Pipeline, bar: Bar) -> None:
    result: PipelineResult | None = None

    def count() -> int:
        if isinstance(pipeline.runner, CountingRunner):
            return pipeline.runner.units()
        if isinstance(pipeline.runner, FlinkRunner):
            return units_on_flink(*_on_flink(pipeline))
        return units_of(result) if result else 0

    try:
        with followed(bar, count):
            result = pipeline.run()
            result.wait_until_finish()
    except KeyboardInterrupt:
        # Flink would go on with the job, also if Beam were asked to cancel it.
        if isinstance(pipeline.runner, FlinkRunner):
            silence_threads("wait_until_finish")  # with which Beam listens to a job
            cancel_jobs(*_on_flink(pipeline))
        raise
    except Exception as error:
        if str(error).startswith("KeyboardInterrupt"):
            raise KeyboardInterrupt from error
        if sentence := _user_sentence(error):
            raise UserError(sentence) from error
        raise


def _on_flink(pipeline: beam.Pipeline) -> tuple[str, str]:
    """The cluster that a job is for, and the job's name there."""
    return flink_master(pipeline.options), str(pipeline.options.view_as(GoogleCloudOptions).job_name)


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
