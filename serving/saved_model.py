"""One SavedModel in memory, run the way TensorFlow Serving runs it: a graph in a session.

The session is what gives TensorFlow Serving's behaviour for free: kernels that fail say the same thing,
a run can be given a timeout, concurrent runs need no lock, and closing it frees the variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the ops that TensorFlow Serving's stock binary links)
from grpc import StatusCode
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.batching import Batching, batch_size
from serving.status import CODES, StatusError, invalid_argument

# The Python session puts this before the kernel's own message.
_SESSION_PREFIX = "Graph execution error:\n\n"

_LONGEST_MILLISECONDS = 2**31 - 1

_StaticShape = tuple[int | None, ...] | None  # None: not even the rank is known


class SavedModel:
    """The ``serve`` graph of the SavedModel directory ``path``, initialised and ready to run.

    With ``batching``, concurrent runs of the same outputs share a run of the session as far as the parameters say.
    Raises OSError, ValueError or tf.errors.OpError where the directory holds no SavedModel that loads, or parameters
    for batching that will not do.
    """

    def __init__(self, path: Path, batching: Batching | None = None):
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        self._static_shapes: dict[str, _StaticShape] = {}
        try:
            with self._graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(path))
            self._batcher = batching.batcher(path, self._compute) if batching else None
        except BaseException:
            self._session.close()
            raise
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)

    def run(
        self, feeds: Mapping[str, np.ndarray], fetches: Mapping[str, str], timeout: float | None
    ) -> dict[str, np.ndarray]:
        """Computes the tensors that ``fetches`` names, keyed as there, with the tensors of ``feeds`` given.

        ``timeout`` is in seconds; where none are left nothing is computed. Safe to call from many threads. Raises
        StatusError with the code and message of the kernel that failed, DEADLINE_EXCEEDED after ``timeout``,
        INVALID_ARGUMENT for a tensor that is not in the graph or whose static shape does not admit the value, and
        what ``Batcher.run`` raises. (The check of shapes is stricter than TensorFlow Serving, where a wrong shape is
        left to the kernels. It keeps a wrong request from failing those that it would share a run with.)
        """
        if timeout is not None and timeout <= 0:
            raise StatusError(StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")
        names = list(fetches.values())
        batcher = self._batcher
        if batcher is None:
            outputs = dict(zip(names, self._compute(feeds, names, timeout), strict=True))
        else:
            size = batch_size(feeds)
            self._check(feeds, names, from_dimension=1)
            outputs = batcher.run(feeds, size, names, timeout)
        return {alias: outputs[name] for alias, name in fetches.items()}

    def close(self) -> None:
        """Frees the model; a run under way ends with CANCELLED."""
        if self._batcher is not None:
            self._batcher.close()
            self._batcher = None  # it refers back to this model, which would outlive its last user
        self._session.close()

    def _compute(
        self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str], timeout: float | None
    ) -> list[np.ndarray]:
        """One run of the session: the tensors ``fetches``, in that order."""
        self._check(feeds, fetches, from_dimension=0)
        # In RunOptions 0 stands for no limit, so that no time at all is written 1.
        milliseconds = 0 if timeout is None else max(1, min(int(timeout * 1000), _LONGEST_MILLISECONDS))
        try:
            values = self._session.run(fetches, feeds, options=tf.compat.v1.RunOptions(timeout_in_ms=milliseconds))
        except tf.errors.OpError as error:
            raise StatusError(CODES[error.error_code], error.message.removeprefix(_SESSION_PREFIX)) from error
        except RuntimeError as error:  # the Python session's own word for it
            raise StatusError(StatusCode.CANCELLED, "Session has been closed.") from error
        return [np.asarray(value) for value in values]

    def _check(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str], from_dimension: int) -> None:
        """Raises StatusError where a tensor is not there, or cannot have the shape of its value."""
        for name in fetches:
            self._static_shape(name)
        for name, value in feeds.items():
            expected, given = self._static_shape(name), value.shape
            if expected is not None and not (
                len(expected) == len(given)
                and all(
                    size is None or size == other
                    for size, other in zip(expected[from_dimension:], given[from_dimension:], strict=True)
                )
            ):
                shape = self._graph.get_tensor_by_name(name).shape
                raise invalid_argument(f"Cannot feed value of shape {given} for Tensor {name}, which has shape {shape}")

    def _static_shape(self, name: str) -> _StaticShape:
        """The shape of the tensor ``name`` as far as the graph knows it. Asked for at every run, hence remembered."""
        if name not in self._static_shapes:
            try:
                shape = self._graph.get_tensor_by_name(name).shape
            except (KeyError, ValueError) as error:
                message = f"Tensor {name}, specified in either feed_devices or fetch_devices was not found in the Graph"
                raise invalid_argument(message) from error
            self._static_shapes[name] = None if shape.rank is None else tuple(shape.as_list())
        return self._static_shapes[name]
