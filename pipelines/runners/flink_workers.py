"""The Python workers of a Flink cluster on this machine: threads of this process, as Beam's LOOPBACK has them.

Beam's own would stop each other. They are told apart by names that every TaskManager gives from the same row,
so the first TaskManager that had finished would stop the worker of another, and the job would fail.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from concurrent import futures

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.bundle_processor import BundleProcessor
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from workspace.machine import LOOPBACK

_SECONDS_TO_STOP = 1.0
# Requests to start and to stop a worker, which are short; the workers have threads of their own.
_THREADS = 4
_started: weakref.WeakSet[SdkHarness] = weakref.WeakSet()


@contextlib.contextmanager
def loopback_workers() -> Iterator[str]:
    """While the body runs, workers can be had at the address given, Beam's ``--environment_config``."""
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS))
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(_Workers(), server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    try:
        yield f"{LOOPBACK}:{port}"
    finally:
        server.stop(_SECONDS_TO_STOP).wait()


def running_bundles() -> list[BundleProcessor]:
    """What the workers that are threads of this process work on just now."""
    active = (list(worker._bundle_processor_cache.active_bundle_processors.values()) for worker in list(_started))
    return [processor for of_worker in active for _, processor in of_worker]


class _Workers(BeamFnExternalWorkerPoolServicer):
    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def StartWorker(  # noqa: N802
        self, start_worker_request: beam_fn_api_pb2.StartWorkerRequest, unused_context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        with self._lock:
            response = super().StartWorker(start_worker_request, unused_context)
            if not response.error:
                # By its name it can be found only until another TaskManager asks for one.
                _started.add(self._worker_threads[start_worker_request.worker_id])
        return response

    def StopWorker(  # noqa: N802
        self, stop_worker_request: beam_fn_api_pb2.StopWorkerRequest, unused_context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """Stops nothing: a worker ends when its TaskManager, which asks only then, has closed the connection."""
        return beam_fn_api_pb2.StopWorkerResponse()
