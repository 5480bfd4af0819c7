"""Ten thousand requests that are nearly right, or not at all: each has an answer, and none does harm."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.client import messages
from tests.requirements import EXHAUSTIVE
from tests.serving.support import DEADLINE, Running, eventually, request

pytestmark = pytest.mark.slow

# Of each kind; all have the same seed, so the few are the first of the many.
MUTATED = 5000 if EXHAUSTIVE else 500

METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"

# Not "slow": its number of steps could become one that takes for ever.
PREDICTIONS = [
    request(a=np.array([[1, 2]], np.float32), b=np.array([[3, 4]], np.float32)),
    request(signature="reciprocal", version=7, x=np.array([4, 8], np.float32)),
    request(signature="total", x=np.array([1, 2, 3], np.float32)),
    request(signature="uneven", x=np.array([1, 2], np.float32)),
    request(signature="blob", data=[b"text", b"\xff\x00"]),
    request(signature="fail", n=np.array([-1], np.int64)),
]
BODIES: list[dict[str, Any]] = [
    {"instances": [{"a": [1, 2], "b": [0.5, 1]}, {"a": [3, 4], "b": [0, 0]}]},
    {"inputs": {"a": [[1, 2]], "b": [[3, 4]]}},
    {"signature_name": "reciprocal", "instances": [4, 8]},
    {"signature_name": "uneven", "inputs": {"x": [1e30, -5]}},
    {"signature_name": "blob", "instances": ["text", {"b64": "/wA="}]},
    {"signature_name": "fail", "instances": [-1]},
]
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    1e308,
    "",
    "\u0000",
    "7",
    [],
    [[]],
    {},
    {"b64": "="},
    {"b64": 1},
    [[[1]]],
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """``data`` with a few bytes changed, taken out, put in, or repeated."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(changed) + 1), chance.randint(0, 8)
        kind = chance.randrange(4)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del changed[at : at + length]
        elif kind == 2:
            changed[at:at] = chance.randbytes(length)
        else:
            changed[at:at] = changed[at : at + length]
    return bytes(changed)


def with_another_value(body: Any, chance: random.Random) -> Any:
    """``body`` with one of its parts, however deep, replaced."""
    if isinstance(body, dict) and body and chance.random() < 0.8:
        key = chance.choice(list(body))
        if chance.random() < 0.2:
            return {**body, chance.choice(["x", "a", "", "extra"]): chance.choice(VALUES)}
        return {**body, key: with_another_value(body[key], chance)}
    if isinstance(body, list) and body and chance.random() < 0.8:
        at = chance.randrange(len(body))
        return [*body[:at], with_another_value(body[at], chance), *body[at + 1 :]]
    return chance.choice(VALUES)


def raw(channel: grpc.Channel, method: str) -> Callable[[bytes], str]:
    """A call with any bytes for a request; gives the name of the status it ended with."""
    call = channel.unary_unary(method)

    def ask(data: bytes) -> str:
        try:
            call(data, timeout=DEADLINE)
        except grpc.RpcError as error:
            # How the library says that our code did not know what to do.
            assert "Exception calling application" not in error.details(), (data, error.details())
            return str(error.code().name)
        return "OK"

    return ask


def threads_of_ours() -> int:
    """Without those of the pool that answers gRPC, which grows with use up to its limit."""
    return sum(not thread.name.startswith("grpc_") for thread in threading.enumerate())


@pytest.fixture
def unharmed(numbers_server: Running) -> Iterator[Running]:
    """A server that answers after the test what it answered before, with as many threads."""
    with grpc.insecure_channel(numbers_server.address) as channel:
        ask = raw(channel, messages.PREDICT)
        assert ask(PREDICTIONS[0].SerializeToString()) == "OK"
        threads = threads_of_ours()
        yield numbers_server
        answer = numbers_server.prediction.Predict(PREDICTIONS[0], timeout=DEADLINE)
        assert list(answer.outputs["sum"].float_val) == [4, 6]
    eventually(lambda: threads_of_ours() <= threads)


def test_requests_over_grpc(unharmed: Running) -> None:
    chance = random.Random(1)
    name = GetModelStatusRequest()
    name.model_spec.name = "numbers"
    metadata = GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "numbers"
    with grpc.insecure_channel(unharmed.address) as channel:
        kinds = [
            *((raw(channel, messages.PREDICT), request.SerializeToString()) for request in PREDICTIONS),
            (raw(channel, messages.GET_MODEL_STATUS), name.SerializeToString()),
            (raw(channel, METADATA), metadata.SerializeToString()),
        ]
        ends = set()
        for number in range(MUTATED):
            ask, data = kinds[number % len(kinds)]
            ends.add(ask(mutated(data, chance) if number % 10 else chance.randbytes(chance.randint(0, 200))))
    # INTERNAL: what is no message at all.
    assert ends >= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL"}
    assert not ends & {"UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}


def test_requests_over_rest(unharmed: Running) -> None:
    chance = random.Random(1)
    connection = http.client.HTTPConnection("127.0.0.1", unharmed.rest_port, timeout=DEADLINE)
    ends = set()
    for number in range(MUTATED):
        body = BODIES[number % len(BODIES)]
        if number % 2:
            sent = json.dumps(with_another_value(body, chance)).encode()
        else:
            sent = mutated(json.dumps(body).encode(), chance)
        connection.request("POST", "/v1/models/numbers:predict", sent)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 400), (sent, answer.status, text)
        parsed = json.loads(text)
        assert set(parsed) & {"predictions", "outputs", "error"}, (sent, text)
        ends.add(answer.status)
    connection.close()
    assert ends == {200, 400}


def test_paths_over_rest(unharmed: Running) -> None:
    chance = random.Random(1)
    for number in range(MUTATED // 10):
        path = mutated(b"/v1/models/numbers/versions/7/metadata", chance)
        with_method = (b"GET ", b"POST ", b"PUT ", b"")[number % 4] + path
        connection = http.client.HTTPConnection("127.0.0.1", unharmed.rest_port, timeout=DEADLINE)
        connection.connect()
        connection.sock.sendall(with_method + b" HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        assert answer.status in (200, 400, 404, 405, 501), (with_method, answer.status, answer.read())
        connection.close()


def of_shape(size: int, values: list[float]) -> PredictRequest:
    made = PredictRequest()
    made.model_spec.name, made.model_spec.signature_name = "numbers", "total"
    made.inputs["x"].dtype = types_pb2.DT_FLOAT
    made.inputs["x"].float_val.extend(values)
    made.inputs["x"].tensor_shape.dim.add(size=size)
    return made


def test_values_left_out_are_as_the_last_one(numbers_server: Running) -> None:
    answer = numbers_server.prediction.Predict(of_shape(5, [1, 2]), timeout=DEADLINE)
    assert list(answer.outputs["total"].float_val) == [9]


@pytest.mark.parametrize("size", [2**31, 2**40, 2**62])
def test_a_few_bytes_that_ask_for_all_memory(unharmed: Running, size: int) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        unharmed.prediction.Predict(of_shape(size, [1]), timeout=DEADLINE)
    assert (caught.value.code(), caught.value.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "tensor parsing error: x",
    )
