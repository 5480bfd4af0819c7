"""One SavedModel in memory, run the way TensorFlow Serving runs it: a graph in a session.

The session is what gives TensorFlow Serving's behaviour for free: kernels that fail say the same thing,
a run can be given a timeout, concurrent runs need no lock, and closing it frees the variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the ops that TensorFlow Serving's stock binary links)
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.status import CODES, StatusError, invalid_argument

# The Python session puts this before the kernel's own message.
_SESSION_PREFIX = "Graph execution error:\n\n"

_LONGEST_MILLISECONDS = 2**31 - 1


class SavedModel:
    """The ``serve`` graph of the SavedModel directory ``path``, initialised and ready to run.

    Raises OSError, ValueError or tf.errors.OpError where the directory holds no SavedModel that loads.
    """

    def __init__(self, path: Path):
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        try:
            with self._graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(path))
        except BaseException:
            self._session.close()
            raise
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)

    def run(
        self, feeds: Mapping[str, np.ndarray], fetches: Mapping[str, str], timeout: float | None
    ) -> dict[str, np.ndarray]:
        """Computes the tensors that ``fetches`` names, keyed as there, with the tensors of ``feeds`` given.

        ``timeout`` is in seconds. Safe to call from many threads. Raises StatusError with the code and
        message of the kernel that failed, DEADLINE_EXCEEDED after ``timeout``, and INVALID_ARGUMENT for
        a tensor that is not in the graph or whose static shape does not admit the value. (This last
        check is stricter than TensorFlow Serving, where a wrong shape is left to the kernels.)
        """
        fed = {self._tensor(name): value for name, value in feeds.items()}
        for tensor, value in fed.items():
            if not tensor.shape.is_compatible_with(value.shape):
                raise invalid_argument(
                    f"Cannot feed value of shape {value.shape} for Tensor {tensor.name}, which has shape {tensor.shape}"
                )
        # In RunOptions 0 stands for no limit, so that no time at all is written 1.
        milliseconds = 0 if timeout is None else max(1, min(int(timeout * 1000), _LONGEST_MILLISECONDS))
        try:
            values = self._session.run(
                {name: self._tensor(fetch) for name, fetch in fetches.items()},
                fed,
                options=tf.compat.v1.RunOptions(timeout_in_ms=milliseconds),
            )
        except tf.errors.OpError as error:
            raise StatusError(CODES[error.error_code], error.message.removeprefix(_SESSION_PREFIX)) from error
        return {name: np.asarray(value) for name, value in values.items()}

    def close(self) -> None:
        """Frees the model; a run under way ends with CANCELLED."""
        self._session.close()

    def _tensor(self, name: str) -> tf.Tensor:
        try:
            return self._graph.get_tensor_by_name(name)
        except (KeyError, ValueError) as error:
            message = f"Tensor {name}, specified in either feed_devices or fetch_devices was not found in the Graph"
            raise invalid_argument(message) from error
