"""Queues of requests that can run together, and the threads that run them: when, how many at once, in which order.

What becomes a batch, which requests are refused and what an error says follow TensorFlow's shared_batch_scheduler.h.
What is in a batch, and how it runs, is up to its model: batcher.py.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from grpc import StatusCode

from serving.batching.parameters import QueueOptions
from serving.protocol.status import StatusError, invalid_argument

Feeds = Mapping[str, np.ndarray]  # by the name of the tensor, all with the same number of rows


class Model(Protocol):
    """What the scheduler needs of a model: how its queues behave, and a way to run a batch."""

    options: QueueOptions

    def run_batch(self, fetches: tuple[str, ...], parts: list[Part]) -> None:
        """Computes the tensors ``fetches`` for ``parts`` together, and ends each part. Never raises."""


class Part:
    """Rows of one request that run together, and what became of them.

    ``deadline`` is on the clock of ``time.monotonic``; infinity stands for none. ``is_waited_for`` says whether the
    caller is still there.
    """

    __slots__ = ("_done", "_outcome", "deadline", "feeds", "is_waited_for", "size", "started")

    def __init__(self, feeds: Feeds, size: int, deadline: float, is_waited_for: Callable[[], bool]):
        self.feeds = feeds
        self.size = size
        self.deadline = deadline
        self.is_waited_for = is_waited_for
        self.started = False
        self._outcome: dict[str, np.ndarray] | Exception = {}
        self._done = threading.Lock()  # the lightest thing that one thread can wait for and another release
        self._done.acquire()

    def end(self, outcome: dict[str, np.ndarray] | Exception) -> None:
        """Releases the waiting thread, with the rows of the outputs or an error to raise."""
        self._outcome = outcome
        self._done.release()

    def result(self) -> dict[str, np.ndarray]:
        """Waits for the end, at most until the deadline. Raises the error it ended with, or DEADLINE_EXCEEDED."""
        left = self.deadline - time.monotonic()
        if not self._done.acquire(timeout=min(max(left, 0.0), threading.TIMEOUT_MAX)):
            queued = "Run() timeout exceeded while waiting in batching queue"
            raise StatusError(
                StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification" if self.started else queued
            )
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class BatchScheduler:
    """The batch threads of a server, and the queues that they take in turn.

    A queue exists while something is in it, the threads while there is a model. Safe to share between threads.
    """

    def __init__(self, threads: int, name: str):
        self._thread_count = threads
        self._thread_name = name
        self._changed = threading.Condition()  # guards all below
        self._models: set[Model] = set()
        self._queues: OrderedDict[Any, _Queue] = OrderedDict()  # in the order of their turns
        self._alive = 0

    def add(self, model: Model) -> None:
        with self._changed:
            self._models.add(model)
            while self._alive < self._thread_count:
                threading.Thread(target=self._run_batches, name=f"{self._thread_name}_{self._alive}").start()
                self._alive += 1

    def remove(self, model: Model) -> None:
        """Ends the queued requests for ``model`` with CANCELLED. A batch under way runs to its end."""
        with self._changed:
            self._models.discard(model)
            for key in [key for key, queue in self._queues.items() if queue.model is model]:
                for batch in self._queues.pop(key).batches:
                    for part in batch.parts:
                        part.end(_closed())
            self._changed.notify_all()

    def submit(
        self,
        model: Model,
        fetches: tuple[str, ...],
        feeds: Feeds,
        size: int,
        deadline: float,
        is_waited_for: Callable[[], bool],
    ) -> list[Part]:
        """Queues a request of ``size`` rows, in one part or several.

        Raises StatusError: INVALID_ARGUMENT for more rows than a request may have, UNAVAILABLE where the queue is
        full, CANCELLED where ``model`` has been removed.
        """
        key = (model, fetches, tuple(sorted(feeds)))
        with self._changed:
            if model not in self._models:
                raise _closed()
            queue = self._queues.get(key) or _Queue(model, fetches)
            expected_at = queue.ready_at()
            parts = queue.add(feeds, size, deadline, is_waited_for)
            self._queues[key] = queue
            if queue.ready_at() != expected_at:
                self._changed.notify()  # else a thread waits for that moment already, or none is free
        return parts

    def _run_batches(self) -> None:
        while (taken := self._next()) is not None:
            queue, batch = taken
            queue.model.run_batch(queue.fetches, batch.parts)
            del taken, queue, batch  # while it waits for work, a thread keeps nobody's arrays

    def _next(self) -> tuple[_Queue, _Batch] | None:
        """Waits for a batch that is due; None when there is no model left."""
        with self._changed:
            while self._models:
                now = time.monotonic()
                wait = math.inf
                for key, queue in self._queues.items():
                    if queue.ready_at() <= now:
                        batch = queue.batches.popleft()
                        self._queues.move_to_end(key)
                        if not queue.batches:
                            del self._queues[key]
                        if self._queues:
                            self._changed.notify()  # another thread looks after the rest
                        return queue, batch
                    wait = min(wait, queue.ready_at() - now)
                self._changed.wait(min(wait, threading.TIMEOUT_MAX))
            self._alive -= 1
            return None


class _Batch:
    __slots__ = ("parts", "ready_at", "size")

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.size = 0
        self.ready_at = math.inf


class _Queue:
    """Batches with the same inputs and outputs. The last is open: more can be put into it."""

    def __init__(self, model: Model, fetches: tuple[str, ...]):
        self.model = model
        self.fetches = fetches
        self.batches = deque([_Batch()])

    def ready_at(self) -> float:
        """When the first batch may run: at once where it is closed or full, else after the timeout."""
        first = self.batches[0]
        closed = len(self.batches) > 1 or first.size >= self.model.options.max_execution_batch_size
        return -math.inf if closed else first.ready_at

    def add(self, feeds: Feeds, size: int, deadline: float, is_waited_for: Callable[[], bool]) -> list[Part]:
        options = self.model.options
        room = options.max_execution_batch_size - self.batches[-1].size
        self._check_room(size, room)
        if size <= room or not options.enable_large_batch_splitting:
            parts = [Part(feeds, size, deadline, is_waited_for)]
        else:
            largest = options.max_execution_batch_size
            cuts = itertools.pairwise([0, *range(room or largest, size, largest), size])
            parts = [
                Part({name: value[start:stop] for name, value in feeds.items()}, stop - start, deadline, is_waited_for)
                for start, stop in cuts
            ]
        for part in parts:
            if self.batches[-1].size + part.size > options.max_execution_batch_size:
                self.batches.append(_Batch())
            batch = self.batches[-1]
            if not batch.parts:
                batch.ready_at = time.monotonic() + options.batch_timeout
            batch.parts.append(part)
            batch.size += part.size
        return parts

    def _check_room(self, size: int, room: int) -> None:
        """``room``: rows that still fit into the open batch."""
        options = self.model.options
        if size > options.max_batch_size:
            raise invalid_argument(f"Task size {size} is larger than maximum input batch size {options.max_batch_size}")
        full = "The batch scheduling queue to which this task was submitted is full; "
        count = len(self.batches)
        if options.enable_large_batch_splitting:
            capacity = (options.max_enqueued_batches - count) * options.max_execution_batch_size + room
            if size > capacity:
                raise StatusError(
                    StatusCode.UNAVAILABLE,
                    f"{full}task size is {size} but scheduling capacity is only {capacity} "
                    f"(num_enqueued_batches={count}, max_enqueued_batches={options.max_enqueued_batches}, "
                    f"open_batch_size={self.batches[-1].size}, "
                    f"max_execution_batch_size={options.max_execution_batch_size})",
                )
        elif size > room and count >= options.max_enqueued_batches:
            raise StatusError(
                StatusCode.UNAVAILABLE,
                f"{full}currently {count} batches enqueued and max_enqueued_batches is {options.max_enqueued_batches}",
            )


def _closed() -> StatusError:
    return StatusError(StatusCode.CANCELLED, "Session has been closed.")
