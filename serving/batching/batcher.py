"""Requests for the same outputs of a model, computed together as TensorFlow Serving does with --enable_batching.

The thread of a request leaves its rows with the scheduler and waits; a batch thread puts the rows of several requests
together, runs the model once, and gives each request its own. Errors and padding included, this follows TensorFlow
Serving's batching_session.cc and batching_util.cc, with one difference: a request ends with DEADLINE_EXCEEDED at the
moment its deadline passes, and a batch runs without the rows of such requests, and of those whose clients have gone.
(TensorFlow Serving leaves out whole batches only, and then answers RESOURCE_EXHAUSTED.)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from grpc import StatusCode

from serving.batching.parameters import (
    PER_MODEL_FILE,
    BatchingParameters,
    QueueOptions,
    queue_options,
    read_parameters,
    thread_pool,
)
from serving.batching.scheduler import BatchScheduler, Feeds, Part
from serving.protocol.status import StatusError, invalid_argument
from workspace.errors import UserError

# Takes feeds, names of tensors and the seconds it has (None: any number); gives the tensors, in the names' order.
Compute = Callable[[Feeds, Sequence[str], float | None], Sequence[np.ndarray]]

GONE = "the client has gone"

_LARGEST_PADDED_RANK = 6


class Batching:
    """The batching of a server: where a model's parameters come from, and the threads that all models share."""

    def __init__(self, parameters: Any, per_model: bool = False):
        """parameters: BatchingParameters; per_model: take only the threads from them, and all else from a file in each
        SavedModel; a SavedModel without that file is not batched.

        Raises tf.errors.InvalidArgumentError.
        """
        self._scheduler = BatchScheduler(*thread_pool(parameters))
        self._options = None if per_model else queue_options(parameters)

    @classmethod
    def from_flags(cls, parameters_file: Path | None, per_model: bool) -> Batching:
        """Raises OSError where the file cannot be read, UserError where it holds no valid parameters."""
        try:
            if parameters_file is not None:
                return cls(read_parameters(parameters_file), per_model)
            parameters = BatchingParameters()
            parameters.thread_pool_name.value = "model_server_batch_threads"
            return cls(parameters, per_model)
        except tf.errors.InvalidArgumentError as error:
            reason = f" ({error.__cause__})" if error.__cause__ else ""
            raise UserError(f"{error.message}{reason}; correct --batching_parameters_file={parameters_file}") from error

    def batcher(self, path: Path, compute: Compute) -> Batcher | None:
        """The batcher of the SavedModel in ``path``, to be closed with it; None where it is not batched.

        Raises OSError or tf.errors.InvalidArgumentError where the SavedModel's own parameters cannot be read.
        """
        options = self._options
        if options is None:
            if not (path / PER_MODEL_FILE).exists():
                return None
            options = queue_options(read_parameters(path / PER_MODEL_FILE))
        return Batcher(self._scheduler, options, compute)


class Batcher:
    """The batching of one SavedModel; safe to call from many threads."""

    def __init__(self, scheduler: BatchScheduler, options: QueueOptions, compute: Compute):
        self.options = options
        self._scheduler = scheduler
        self._compute = compute
        scheduler.add(self)

    def run(
        self,
        feeds: Feeds,
        size: int,
        fetches: Sequence[str],
        timeout: float | None,
        is_waited_for: Callable[[], bool] = lambda: True,
    ) -> dict[str, np.ndarray]:
        """The tensors ``fetches`` for the ``size`` rows of ``feeds``, within ``timeout`` seconds.

        Raises StatusError: INVALID_ARGUMENT for more rows than a request may have, UNAVAILABLE at once where the queue
        is full, DEADLINE_EXCEEDED, CANCELLED when the model is closed, or when its batch's turn comes and nobody waits
        for it any more, and whatever its batch as a whole fails with.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        names = tuple(sorted(set(fetches)))
        parts = self._scheduler.submit(self, names, feeds, size, deadline, is_waited_for)
        results = [part.result() for part in parts]
        if len(results) == 1:
            return results[0]
        return {name: _joined([result[name] for result in results]) for name in names}

    def run_batch(self, fetches: tuple[str, ...], parts: list[Part]) -> None:
        now = time.monotonic()
        parts = [part for part in parts if part.deadline > now and _is_waited_for(part)]
        if not parts:
            return
        for part in parts:
            part.started = True
        try:
            outputs = self._outputs(fetches, parts, max(part.deadline for part in parts) - now)
        except Exception as error:  # those who wait must learn of any error, and this thread go on
            for part in parts:
                part.end(error)
            return
        start = 0
        for part in parts:
            stop = start + part.size
            part.end({name: output[start:stop] for name, output in outputs.items()})
            start = stop

    def close(self) -> None:
        """Ends the queued requests with CANCELLED."""
        self._scheduler.remove(self)

    def _outputs(self, fetches: tuple[str, ...], parts: list[Part], timeout: float) -> dict[str, np.ndarray]:
        """The outputs for the rows of all ``parts``, one after the other."""
        rows = sum(part.size for part in parts)
        padding = _rounded(rows, self.options.allowed_batch_sizes) - rows
        feeds = {name: self._merged(name, parts, padding) for name in parts[0].feeds}
        outputs = self._compute(feeds, fetches, None if math.isinf(timeout) else timeout)
        for output in outputs:
            if output.ndim == 0:
                raise _failed_precondition("Batched output tensor has 0 dimensions")
            if len(output) != rows + padding:
                raise _failed_precondition(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors"
                )
        return dict(zip(fetches, outputs, strict=True))

    def _merged(self, name: str, parts: list[Part], padding: int) -> np.ndarray:
        """The rows that ``parts`` have for the tensor ``name``, and ``padding`` more."""
        arrays = [part.feeds[name] for part in parts]
        if self.options.pad_variable_length_inputs:
            arrays = _padded(arrays)
        elif any(array.shape[1:] != arrays[0].shape[1:] for array in arrays):
            raise _failed_precondition(
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. "
                "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                "dimensions starting with the first dim."
            )
        if padding:
            last = next(array for array in reversed(arrays) if len(array))
            arrays += [last[:1]] * padding
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def batch_size(feeds: Feeds) -> int:
    """The number of rows of all ``feeds``. Raises StatusError INVALID_ARGUMENT where they have none or differ."""
    if not feeds:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    if any(value.ndim == 0 for value in feeds.values()):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {len(value) for value in feeds.values()}
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def _is_waited_for(part: Part) -> bool:
    """Whether anybody wants to know; ends the part where nobody does."""
    if part.is_waited_for():
        return True
    part.end(StatusError(StatusCode.CANCELLED, GONE))
    return False


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """An output of a split request, from those of its parts; padding may have given these different widths."""
    shapes = sorted({array.shape[1:] for array in arrays})
    if len(shapes) > 1:
        raise _failed_precondition(
            f"The parts of a split request have outputs of different shapes: rows of {' and '.join(map(str, shapes))}. "
            "Set max_execution_batch_size to max_batch_size, or give all requests inputs of equal dimensions."
        )
    return np.concatenate(arrays)


def _rounded(rows: int, allowed: tuple[int, ...]) -> int:
    """The smallest allowed number of rows that holds ``rows``; 0 stays 0, as there is no row to repeat."""
    return next((size for size in allowed if size >= rows), rows) if rows else 0


def _padded(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays made equal in shape, save for their rows; a shorter one is filled up with its own first element."""
    ranks = {array.ndim for array in arrays}
    if max(ranks) > _LARGEST_PADDED_RANK:
        raise invalid_argument(f"Only tensors with rank from 1 to {_LARGEST_PADDED_RANK} can be padded.")
    if len(ranks) > 1:
        raise invalid_argument("Only tensors with equal rank can be padded to equal shapes.")
    shape = tuple(max(sizes) for sizes in zip(*(array.shape[1:] for array in arrays), strict=True))
    return [_filled(array, (len(array), *shape)) for array in arrays]


def _filled(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape == shape:
        return array
    if math.prod(shape) == 0:
        return array.reshape(shape)
    if array.size == 0:
        raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
    filled = np.full(shape, array.flat[0], array.dtype)
    filled[tuple(slice(size) for size in array.shape)] = array
    return filled


def _failed_precondition(message: str) -> StatusError:
    return StatusError(StatusCode.FAILED_PRECONDITION, message)
