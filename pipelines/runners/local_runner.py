"""Beam's local runner, which also tells while a job runs what its workers have counted.

Beam's own returns when the job is done, and knows its metrics only then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.execution import BundleContextManager

from pipelines.runners.progress import units_in

_SECONDS_TO_ANSWER = 2.0


@dataclass
class _Bundle:
    """A part of the job that one worker does at a time: how to ask the worker for things, and what will come of it."""

    push: Callable[[Any], Any]
    instruction: str
    response: Any = None
    units: int = 0

    def look(self) -> None:
        """Notes the units that are done by now."""
        if self.response is not None and self.response.is_done():
            self.units = units_in(self.response.get().process_bundle.monitoring_infos)
        else:
            request = beam_fn_api_pb2.ProcessBundleProgressRequest(instruction_id=self.instruction)
            answer = self.push(beam_fn_api_pb2.InstructionRequest(process_bundle_progress=request)).get(
                _SECONDS_TO_ANSWER
            )
            self.units = max(self.units, units_in(answer.process_bundle_progress.monitoring_infos))


class CountingRunner(FnApiRunner):
    """Runs one job."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._bundles: list[_Bundle] = []
        self._listened_to: set[Any] = set()

    def units(self) -> int:
        """The units of ``pipelines.runners.progress`` that are done by now; for one thread."""
        for bundle in self._bundles:
            bundle.look()
        return sum(bundle.units for bundle in self._bundles)

    def _get_bundle_manager(self, bundle_context_manager: BundleContextManager) -> Any:
        for worker in bundle_context_manager.worker_handlers:
            self._listen(worker.control_conn)
        return super()._get_bundle_manager(bundle_context_manager)

    def _listen(self, connection: Any) -> None:
        """Notes the bundles that the runner gives a worker over a connection."""
        if connection in self._listened_to:
            return
        self._listened_to.add(connection)
        push = connection.push

        def noted(request: Any) -> Any:
            if not isinstance(request, beam_fn_api_pb2.InstructionRequest) or not request.HasField("process_bundle"):
                return push(request)
            bundle = _Bundle(push, request.instruction_id)
            # Before it is given: a worker in this process answers when all is done.
            self._bundles.append(bundle)
            bundle.response = push(request)
            return bundle.response

        connection.push = noted
