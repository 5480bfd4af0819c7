"""Small SavedModels, and the real server in this process, on free ports of loopback."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
import tensorflow_text
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.flags import Flags
from serving.stand_in import Server
from workspace.machine import free_port

DEADLINE = 20.0


class TextModel(tf.Module):
    """text -> its prefix before the text, the text's length as score. Uses an op of tensorflow-text."""

    def __init__(self, prefix: str):
        super().__init__()
        self.prefix = tf.Variable(prefix)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        normalised = tensorflow_text.normalize_utf8(text, "NFC")
        score = tf.cast(tf.strings.length(text), tf.float32)
        return {"translation": tf.strings.join([self.prefix, normalised]), "score": score}


class Numbers(tf.Module):
    """A signature for every kind of request."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="a"), tf.TensorSpec([None, 2], tf.float32, name="b")]
    )
    def add(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": a + b, "difference": a - b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def reciprocal(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.constant(1.0) / x * x / x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def total(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def uneven(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"all": tf.identity(x), "first": x[:1]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="data")])
    def blob(self, data: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"data_bytes": data}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="n")])
    def fail(self, n: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.assert_less(n, tf.constant(0, tf.int64), message="x" * 2000)]):
            return {"n": tf.identity(n)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="steps")])
    def slow(self, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        product = tf.ones([50, 50])
        step, product = tf.while_loop(
            lambda step, _: step < steps, lambda step, x: (step + 1, tf.matmul(x, x) * 0.0 + 1.0), (0, product)
        )
        return {"done": step + tf.cast(product[0, 0], tf.int32) * 0}


@dataclass
class Running:
    """A server and the ways to talk to it."""

    server: Server
    rest_port: int
    prediction: PredictionServiceStub
    model: ModelServiceStub

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def rest(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """HTTP status and body; ``body`` is JSON, or text to send as it is."""
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.rest_port}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def eventually(condition: Callable[[], bool]) -> None:
    """Returns when ``condition`` holds; fails where it does not within DEADLINE seconds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def save_text_model(path: Path, prefix: str) -> None:
    """Writes beside ``path`` and renames, as an export does."""
    model = TextModel(prefix)
    temporary = path.with_name(f".{path.name}.partial")
    tf.saved_model.save(model, str(temporary), signatures={"serving_default": model.serve})
    temporary.rename(path)


@contextlib.contextmanager
def running(base_path: Path, name: str, **flags: Any) -> Iterator[Running]:
    """A server of the SavedModels under ``base_path``, stopped at the end."""
    rest_port = free_port()
    given = {"file_system_poll_wait_seconds": 1, "max_num_load_retries": 0, **flags}
    server = Server(
        Flags(model_base_path=base_path, model_name=name, host="127.0.0.1", port=0, rest_api_port=rest_port, **given)
    )
    try:
        assert server.start(threading.Event())
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Running(server, rest_port, PredictionServiceStub(channel), ModelServiceStub(channel))
    finally:
        server.stop(grace_seconds=5)


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with version 1 of the text model."""
    base = tmp_path_factory.mktemp("text")
    save_text_model(base / "1", "one:")
    return base


@pytest.fixture(scope="session")
def text_server(text_model: Path) -> Iterator[Running]:
    with running(text_model, "rnnsearch") as server:
        yield server


@pytest.fixture(scope="session")
def numbers_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with version 7 of the numbers model."""
    base = tmp_path_factory.mktemp("numbers")
    model = Numbers()
    signatures = {name: getattr(model, name) for name in ("reciprocal", "total", "uneven", "blob", "fail", "slow")}
    tf.saved_model.save(model, str(base / "7"), signatures={"serving_default": model.add, **signatures})
    return base


@pytest.fixture(scope="session")
def numbers_server(numbers_model: Path) -> Iterator[Running]:
    with running(numbers_model, "numbers", rest_api_timeout_in_ms=300) as server:
        yield server
