"""One SavedModel in memory, run the way TensorFlow Serving runs it: a graph in a session.

The session is what gives TensorFlow Serving's behaviour for free: kernels that fail say the same thing,
a run can be given a timeout, concurrent runs need no lock, and closing it frees the variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the ops that TensorFlow Serving's stock binary links)
from grpc import StatusCode
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from serving.batching.batcher import GONE, Batching, batch_size
from serving.protocol.status import CODES, StatusError, invalid_argument
from workspace.locations import Location

# The Python session puts this before the kernel's own message.
_SESSION_PREFIX = "Graph execution error:\n\n"

_LONGEST_MILLISECONDS = 2**31 - 1


class SavedModel:
    """The ``serve`` graph of the SavedModel directory ``path``, initialised and ready to run.

    origin: what that is a copy of, and stays when it goes. With ``batching``, concurrent runs of the same outputs share
    a run of the session as far as the parameters say. Raises OSError, ValueError or tf.errors.OpError where the
    directory holds no SavedModel that loads, or parameters for batching that will not do.
    """

    def __init__(self, path: Path, batching: Batching | None = None, origin: Location | None = None):
        self.origin = origin or path
        self._graph = tf.Graph()
        self._session = _Session(graph=self._graph, config=_optimized_once())
        self._tensors: dict[str, tf.Tensor] = {}
        try:
            with self._graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(path))
            self._batcher = batching.batcher(path, self._compute) if batching else None
        except BaseException:
            self._session.close()
            raise
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: Mapping[str, str],
        timeout: float | None,
        is_waited_for: Callable[[], bool] = lambda: True,
    ) -> dict[str, np.ndarray]:
        """Computes the tensors that ``fetches`` names, keyed as there, with the tensors of ``feeds`` given.

        ``timeout`` is in seconds; where none are left nothing is computed, nor where ``is_waited_for`` says so before
        the run begins. A run ends with its timeout, between two operations. Safe to call from many threads. Raises
        StatusError with the code and message of the kernel that failed, which is also who judges shapes,
        DEADLINE_EXCEEDED after ``timeout``, INVALID_ARGUMENT for a tensor that is not in the graph, and what
        ``Batcher.run`` raises. (With TensorFlow Serving a shape that the graph does not admit fails all who share its
        run; here it shares none.)
        """
        if timeout is not None and timeout <= 0:
            raise StatusError(StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")
        if not is_waited_for():
            raise StatusError(StatusCode.CANCELLED, GONE)
        names = list(fetches.values())
        for name in (*names, *feeds):
            self._tensor(name)
        batcher = self._batcher
        if batcher is not None:
            size = batch_size(feeds)
            if all(_admits(self._tensor(name).shape, value.shape) for name, value in feeds.items()):
                outputs = batcher.run(feeds, size, names, timeout, is_waited_for)
                return {alias: outputs[name] for alias, name in fetches.items()}
        return dict(zip(fetches, self._compute(feeds, names, timeout), strict=True))

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
        # In RunOptions 0 stands for no limit, so that no time at all is written 1.
        milliseconds = 0 if timeout is None else max(1, min(int(timeout * 1000), _LONGEST_MILLISECONDS))
        try:
            values = self._session.run(
                [self._tensor(name) for name in fetches],
                {self._tensor(name): value for name, value in feeds.items()},
                options=tf.compat.v1.RunOptions(timeout_in_ms=milliseconds),
            )
        except tf.errors.OpError as error:
            raise StatusError(CODES[error.error_code], error.message.removeprefix(_SESSION_PREFIX)) from error
        except RuntimeError as error:  # the Python session's own word for it
            raise StatusError(StatusCode.CANCELLED, "Session has been closed.") from error
        return [np.asarray(value) for value in values]

    def _tensor(self, name: str) -> tf.Tensor:
        """Asked for at every run, hence remembered. Raises StatusError where there is none."""
        if name not in self._tensors:
            try:
                self._tensors[name] = self._graph.get_tensor_by_name(name)
            except (KeyError, ValueError) as error:
                message = f"Tensor {name}, specified in either feed_devices or fetch_devices was not found in the Graph"
                raise invalid_argument(message) from error
        return self._tensors[name]


def _optimized_once() -> tf.compat.v1.ConfigProto:
    """TensorFlow goes through a graph twice before its first run. The second time takes a third of all that loading
    takes, and leaves the graph of a search as it is."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.meta_optimizer_iterations = RewriterConfig.ONE
    return config


class _Session(tf.compat.v1.Session):
    """A session that takes values of any shape, as those of C++ do; Python's own looks at the graph first."""

    def _run(self, handle: Any, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        if not feed_dict or not all(isinstance(fed, tf.Tensor) for fed in feed_dict):  # as loading does
            return super()._run(handle, fetches, feed_dict, options, run_metadata)
        feeds = {tensor.ref(): value for tensor, value in feed_dict.items()}
        return self._do_run(handle, [], fetches, feeds, options, run_metadata)


def _admits(shape: tf.TensorShape, given: tuple[int, ...]) -> bool:
    """Whether a batch of a tensor of this static shape can hold values of the ``given`` one, however many they are."""
    return shape.rank is None or (shape.rank == len(given) and shape[1:].is_compatible_with(given[1:]))
