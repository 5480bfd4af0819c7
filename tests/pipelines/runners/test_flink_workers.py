"""The Python workers of a cluster's TaskManagers, asked for as Flink does, and put to work by two of them at once."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2 as api
from apache_beam.portability.api import beam_fn_api_pb2_grpc as services
from apache_beam.portability.api import endpoints_pb2

from pipelines.runners.flink_workers import loopback_workers

pytestmark = pytest.mark.slow

WORKER = "1-1"
SECONDS = 20


class TaskManager(services.BeamFnControlServicer):
    """What gives a worker its work: the side of Beam's control service that Flink has."""

    def __init__(self) -> None:
        self.requests: queue.Queue[api.InstructionRequest | None] = queue.Queue()
        self.responses: queue.Queue[api.InstructionResponse] = queue.Queue()
        self.server = grpc.server(futures.ThreadPoolExecutor())
        services.add_BeamFnControlServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def Control(  # noqa: N802
        self, request_iterator: Iterator[api.InstructionResponse], context: grpc.ServicerContext
    ) -> Iterator[api.InstructionRequest]:
        threading.Thread(target=self._listen, args=(request_iterator,), daemon=True).start()
        yield from iter(self.requests.get, None)

    def _listen(self, responses: Iterator[api.InstructionResponse]) -> None:
        for response in responses:
            self.responses.put(response)

    def start_worker(self, workers: services.BeamFnExternalWorkerPoolStub) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=f"127.0.0.1:{self.port}")
        answer = workers.StartWorker(api.StartWorkerRequest(worker_id=WORKER, control_endpoint=control))
        assert not answer.error
        self.ask("is it there")

    def ask(self, instruction: str) -> None:
        """Has the worker do a thing. Raises queue.Empty if it does not answer."""
        request = api.InstructionRequest(
            instruction_id=instruction, monitoring_infos=api.MonitoringInfosMetadataRequest()
        )
        self.requests.put(request)
        assert self.responses.get(timeout=SECONDS).instruction_id == instruction

    def stop_worker(self, workers: services.BeamFnExternalWorkerPoolStub) -> None:
        """In Flink's order: the connection first."""
        self.requests.put(None)
        assert not workers.StopWorker(api.StopWorkerRequest(worker_id=WORKER)).error

    def close(self) -> None:
        self.requests.put(None)
        self.server.stop(None)


@pytest.fixture
def workers() -> Iterator[services.BeamFnExternalWorkerPoolStub]:
    with loopback_workers() as address, grpc.insecure_channel(address) as channel:
        yield services.BeamFnExternalWorkerPoolStub(channel)


def test_a_task_manager_that_is_done_leaves_the_worker_of_another_alone(
    workers: services.BeamFnExternalWorkerPoolStub,
) -> None:
    """Both go by the same name, for every TaskManager counts its workers from one."""
    with contextlib.closing(TaskManager()) as first, contextlib.closing(TaskManager()) as second:
        first.start_worker(workers)
        second.start_worker(workers)
        first.stop_worker(workers)
        time.sleep(1)
        second.ask("is it still there")
        second.stop_worker(workers)
        wait_for_the_end_of_workers()


def wait_for_the_end_of_workers() -> None:
    give_up = time.monotonic() + SECONDS
    while any(thread.name == f"run_worker_{WORKER}" for thread in threading.enumerate()):
        assert time.monotonic() < give_up
        time.sleep(0.05)
