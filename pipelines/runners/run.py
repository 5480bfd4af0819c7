"""How a Beam job runs to its end, or ends in one sentence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkRunner

from pipelines.runners.flink_cluster import cancel_jobs
from pipelines.runners.local_workers import worker_processes
from pipelines.runners.options import flink_master
from pipelines.runners.silence import beam_silenced, silence_threads
from workspace.errors import UserError


@contextlib.contextmanager
def beam_pipeline(options: PipelineOptions) -> Iterator[beam.Pipeline]:
    """As ``with beam.Pipeline(options=options)``: what the body builds runs to its end when the body is left.

    A UserError raised in a worker comes out as itself.
    """
    # Beam would print the traceback of every error in a worker, which then comes here anyway.
    with beam_silenced():
        pipeline = beam.Pipeline(options=options)
        yield pipeline
        with worker_processes(pipeline):
            _run(pipeline)


def _run(pipeline: beam.Pipeline) -> None:
    try:
        pipeline.run().wait_until_finish()
    except KeyboardInterrupt:
        # Flink would go on with the job, also if Beam were asked to cancel it.
        if isinstance(pipeline.runner, FlinkRunner):
            silence_threads("wait_until_finish")  # with which Beam listens to a job
            cancel_jobs(flink_master(pipeline.options), pipeline.options.view_as(GoogleCloudOptions).job_name)
        raise
    except Exception as error:
        if str(error).startswith("KeyboardInterrupt"):
            raise KeyboardInterrupt from error
        if sentence := _user_sentence(error):
            raise UserError(sentence) from error
        raise


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
