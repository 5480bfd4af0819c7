"""What translates, as a job hands it to its workers: ``model_engine`` or ``server_engine``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pipelines.translation.batching import Ready


class Engine(Protocol):
    """What translates, as it is handed to workers."""

    def identity(self) -> dict[str, Any]:
        """What another one is told by."""

    def made_ready(self) -> Ready:
        """For a worker."""

    def for_workers(self, identity: dict[str, Any], are_here: bool) -> AbstractContextManager[Engine]:
        """What workers are given, who are on this machine or not: it translates as what had this identity when the job
        began, or raises UserError."""

    def watched(self, say: Callable[[str], object]) -> AbstractContextManager[None]:
        """While the body runs, there is said what holds it up."""
