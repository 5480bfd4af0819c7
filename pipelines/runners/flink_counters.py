"""What the workers of a job on Flink have counted, while it runs.

Beam's job server tells a job's metrics when it is done. Flink has those of every subtask that is done, and its REST
interface tells their sum; a subtask is all that one slot does of a step of the job. Of subtasks that still run only the
workers know, and of those only the ones that are threads of this process can be asked.
"""

from __future__ import annotations

from apache_beam.portability.api import beam_job_api_pb2
from google.protobuf import json_format

from pipelines.runners.flink_cluster import ask_flink, running_jobs
from pipelines.runners.flink_workers import running_bundles
from pipelines.runners.progress import units_in

# Beam's name for them.
_METRICS = "__metricscontainers"


def units_on_flink(master: str, name: str) -> int:
    """The units of ``pipelines.runners.progress`` that the job of this name has done by now, as far as is known."""
    done = 0
    for job in running_jobs(master, name):
        for accumulator in ask_flink(master, f"/jobs/{job}/accumulators")["user-task-accumulators"]:
            if accumulator["name"] == _METRICS:
                response = json_format.Parse(accumulator["value"], beam_job_api_pb2.GetJobMetricsResponse())
                done += units_in(response.metrics.attempted)
    return done + sum(units_in(bundle.monitoring_infos()) for bundle in running_bundles())
