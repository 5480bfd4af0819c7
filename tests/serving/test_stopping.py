"""A server that stops answers what is under way, for as long as it is given."""

from __future__ import annotations

import concurrent.futures
import json
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from tests.serving.support import Running, eventually, request, running

pytestmark = pytest.mark.slow

ENDLESS = 2**31 - 1


def ask(server: Running, steps: int) -> PredictResponse:
    return server.prediction.Predict(request(signature="slow", steps=np.int32(steps)), timeout=60)


def ask_rest(server: Running, steps: int) -> tuple[int, str]:
    return server.rest("POST", "/v1/models/numbers:predict", {"signature_name": "slow", "inputs": steps})


def under_way(server: Running) -> int:
    return server.server._models._models["numbers"]._loaded[7].leases


def test_requests_under_way_are_answered(numbers_model: Path) -> None:
    steps = 20_000  # most of a second
    with concurrent.futures.ThreadPoolExecutor() as pool, running(numbers_model, "numbers") as server:
        grpc_answer, rest_answer = pool.submit(ask, server, steps), pool.submit(ask_rest, server, steps)
        eventually(lambda: under_way(server) == 2)
        server.server.stop(grace_seconds=30)
        assert list(grpc_answer.result(timeout=20).outputs["done"].int_val) == [steps]
        status, text = rest_answer.result(timeout=20)
        assert (status, json.loads(text)) == (200, {"outputs": steps})


def test_requests_that_do_not_end_do_not_hold_the_server_up(numbers_model: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool, running(numbers_model, "numbers") as server:
        answers = [pool.submit(ask, server, ENDLESS), pool.submit(ask_rest, server, ENDLESS)]
        eventually(lambda: under_way(server) == 2)
        began = time.monotonic()
        server.server.stop(grace_seconds=0.2)
        assert time.monotonic() - began < 10
        with pytest.raises(grpc.RpcError):
            answers[0].result(timeout=20)
        with pytest.raises(OSError, match=r"closed|reset"):
            answers[1].result(timeout=20)
