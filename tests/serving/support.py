"""Small SavedModels, the real server in this process, on free ports of loopback, and what is asked of it."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import contextlib
import datetime
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
import trustme
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.api.stand_in import Server
from serving.protocol.flags import Flags
from workspace.locations import Location
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

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def identity(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"weights": tf.fill(tf.shape(text), self.prefix)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def at_most_four(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        refusal = "a request has more than 4 texts; ask for fewer at a time"
        with tf.control_dependencies([tf.debugging.assert_less_equal(tf.size(text), 4, message=refusal)]):
            return self.serve(tf.identity(text))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def at_most_twenty_letters(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        translated, is_long = self.serve(text), tf.strings.length(text, "UTF8_CHAR") > 20
        return {
            "translation": tf.where(is_long, "", translated["translation"]),
            "score": tf.where(is_long, -float("inf"), translated["score"]),
        }


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

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def endless(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Waits for what never comes, and keeps no core at work."""
        queue = tf.raw_ops.FIFOQueueV2(component_types=[tf.float32])
        (never,) = tf.raw_ops.QueueDequeueV2(handle=queue, component_types=[tf.float32])
        return {"x": x + never}


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
def running(base_path: Location, name: str, **flags: Any) -> Iterator[Running]:
    """A server of the SavedModels under ``base_path``, stopped at the end."""
    rest_port = free_port()
    given = {"file_system_poll_wait_seconds": 1, "max_num_load_retries": 0, "host": "127.0.0.1", **flags}
    server = Server(Flags(model_base_path=base_path, model_name=name, port=0, rest_api_port=rest_port, **given))
    try:
        assert server.start(threading.Event())
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Running(server, rest_port, PredictionServiceStub(channel), ModelServiceStub(channel))
    finally:
        server.stop(grace_seconds=5)


def request(name: str = "numbers", signature: str = "", version: int | None = None, **inputs: Any) -> PredictRequest:
    made = PredictRequest()
    made.model_spec.name = name
    made.model_spec.signature_name = signature
    if version is not None:
        made.model_spec.version.value = version
    for key, value in inputs.items():
        made.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return made


TEXT = request("rnnsearch", text=["a"])


def translated(channel: grpc.Channel) -> bytes:
    with channel:
        response = PredictionServiceStub(channel).Predict(TEXT, timeout=DEADLINE)
    (translation,) = response.outputs["translation"].string_val
    return bytes(translation)


class Certificates:
    """Of a server, of a client, and of one that nobody knows."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.server = self.ca.issue_cert("localhost")
        self.client = self.ca.issue_cert("client")
        yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
        self.expired = self.ca.issue_cert("localhost", not_after=yesterday)
        self.stranger = trustme.CA().issue_cert("client")

    def config(self, path: Path, server: trustme.LeafCert | None = None, client_verify: bool = False) -> Path:
        """An ssl_config_file."""
        server = server or self.server
        fields = {
            "server_key": server.private_key_pem.bytes(),
            "server_cert": server.cert_chain_pems[0].bytes(),
            "custom_ca": self.ca.cert_pem.bytes(),
        }
        lines = [f"{name}: {json.dumps(value.decode())}" for name, value in fields.items()]
        path.write_text("\n".join([*lines, f"client_verify: {json.dumps(client_verify)}"]))
        return path

    def channel(self, port: int, client: trustme.LeafCert | None = None) -> grpc.Channel:
        mine = (client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()) if client else (None, None)
        return grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(self.ca.cert_pem.bytes(), *mine))


def refused(channel: grpc.Channel) -> bool:
    with pytest.raises(grpc.RpcError) as raised:
        translated(channel)
    return raised.value.code() is grpc.StatusCode.UNAVAILABLE


def states(service: ModelServiceStub) -> dict[int, ModelVersionStatus]:
    asked = GetModelStatusRequest()
    asked.model_spec.name = "m"
    answer = service.GetModelStatus(asked, timeout=20)
    assert [s.version for s in answer.model_version_status] == sorted(
        (s.version for s in answer.model_version_status), reverse=True
    )
    return {status.version: status for status in answer.model_version_status}


def translation(server: Running, version: int | None = None) -> bytes:
    response = server.prediction.Predict(request("m", version=version, text=["t"]), timeout=20)
    return bytes(response.outputs["translation"].string_val[0])


def model(name: str, base_path: Path, more: str = "", platform: str = "tensorflow") -> str:
    return f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "{platform}" {more} }}'


def labels(**versions: int) -> str:
    return " ".join(f'version_labels {{ key: "{label}" value: {version} }}' for label, version in versions.items())


def config_of(*models: str) -> str:
    return f"model_config_list {{ {' '.join(models)} }}"
