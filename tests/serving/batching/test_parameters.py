"""BatchingParameters: their files, defaults and checks, and the flags of a server that reads them."""

from __future__ import annotations

import concurrent.futures
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus

from serving.api.stand_in import Server
from serving.batching.batcher import Batching
from serving.batching.parameters import (
    PER_MODEL_FILE,
    BatchingParameters,
    QueueOptions,
    queue_options,
    read_parameters,
    thread_pool,
)
from serving.protocol.flags import Flags, parse_flags
from tests.serving.support import Running, eventually, request, running
from workspace.errors import UserError

# The example in TensorFlow Serving's own sources.
EXAMPLE = """\
max_batch_size { value: 128 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 1000000 }
num_batch_threads { value: 8 }
"""


def parsed(text: str, tmp_path: Path) -> Any:
    path = tmp_path / "parameters.txt"
    path.write_text(text)
    return read_parameters(path)


def test_defaults_are_those_of_the_scheduler() -> None:
    assert queue_options(BatchingParameters()) == QueueOptions(
        max_batch_size=1000,
        max_execution_batch_size=1000,
        batch_timeout=0,
        max_enqueued_batches=10,
        enable_large_batch_splitting=False,
        allowed_batch_sizes=(),
        pad_variable_length_inputs=False,
    )
    threads, name = thread_pool(BatchingParameters())
    assert threads >= 1
    assert name == "batch_threads"


def test_a_file(tmp_path: Path) -> None:
    read = parsed(EXAMPLE, tmp_path)
    assert thread_pool(read)[0] == 8
    options = queue_options(read)
    assert (options.max_batch_size, options.batch_timeout, options.max_enqueued_batches) == (128, 0, 1_000_000)


def test_every_field_counts(tmp_path: Path) -> None:
    text = """
        max_batch_size { value: 20 } batch_timeout_micros { value: 1500 } max_enqueued_batches { value: 3 }
        enable_large_batch_splitting { value: true } max_execution_batch_size { value: 8 }
        allowed_batch_sizes: 4  allowed_batch_sizes: 8  allowed_batch_sizes: 20
        pad_variable_length_inputs: true  # a comment
        num_batch_threads { value: 2 } thread_pool_name { value: "pool" }
    """
    read = parsed(text, tmp_path)
    assert thread_pool(read) == (2, "pool")
    assert queue_options(read) == QueueOptions(20, 8, 0.0015, 3, True, (4, 8, 20), True)


def test_the_fields_have_the_numbers_of_the_protocol() -> None:
    numbers = {field.name: field.number for field in BatchingParameters.DESCRIPTOR.fields}
    assert numbers == {
        "max_batch_size": 1,
        "batch_timeout_micros": 2,
        "max_enqueued_batches": 3,
        "num_batch_threads": 4,
        "thread_pool_name": 5,
        "allowed_batch_sizes": 6,
        "pad_variable_length_inputs": 7,
        "enable_large_batch_splitting": 8,
        "max_execution_batch_size": 9,
    }


def test_without_splitting_a_run_is_as_large_as_a_request_and_one_batch_may_always_wait(tmp_path: Path) -> None:
    text = "max_batch_size { value: 20 } max_execution_batch_size { value: 8 } max_enqueued_batches { value: 0 }"
    options = queue_options(parsed(text, tmp_path))
    assert (options.max_execution_batch_size, options.max_enqueued_batches) == (20, 1)


SPLITTING = "enable_large_batch_splitting { value: true } "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size { value: 0 }", "input_batch_size_limit must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        (SPLITTING + "max_enqueued_batches { value: 0 }", "max_enqueued_batches must be positive; was 0"),
        (
            SPLITTING + "max_batch_size { value: 4 } max_execution_batch_size { value: 8 }",
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
            "max_execution_batch_size.",
        ),
        (
            "max_batch_size { value: 16 } allowed_batch_sizes: [4, 8]",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 16",
        ),
        (
            "allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 1000",
        ),
        (
            SPLITTING + "max_batch_size { value: 16 } max_execution_batch_size { value: 8 } allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 16",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: [4, 2, 8]",
            "allowed_batch_sizes entries must be monotonically increasing",
        ),
    ],
)
def test_parameters_that_will_not_do(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        queue_options(parsed(text, tmp_path))
    assert caught.value.message == message


def test_no_threads(tmp_path: Path) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_batch_threads must be positive; was 0"):
        Batching(parsed("num_batch_threads { value: 0 }", tmp_path))


@pytest.mark.parametrize("text", ["max_batch_size: 4", "colour { value: 1 }", "max_batch_size {", "\xff"])
def test_a_file_that_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "parameters.txt"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        read_parameters(path)
    assert caught.value.message == f"Invalid protobuf file: '{path}'"


def test_flags(capsys: pytest.CaptureFixture) -> None:
    assert not parse_flags(["--model_base_path=m"]).enable_batching
    for written, expected in [("", True), ("=true", True), ("=1", True), ("=false", False), ("=0", False)]:
        assert parse_flags(["--model_base_path=m", f"--enable_batching{written}"]).enable_batching is expected
    flags = parse_flags(["--model_base_path=m", "--enable_batching", "--batching_parameters_file=f"])
    assert flags.batching_parameters_file == Path("f")
    for wrong in ("--enable_batching=yes", "--batching_parameters_file=f"):
        with pytest.raises(SystemExit):
            parse_flags(["--model_base_path=m", wrong])
    errors = capsys.readouterr().err
    assert "yes is neither true nor false" in errors
    assert "--batching_parameters_file is given without --enable_batching" in errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "max_batch_size: 4",
            r"^Invalid protobuf file: '.*parameters.txt' \(1:.*\); correct --batching_parameters_file=",
        ),
        (
            "num_batch_threads { value: 0 }",
            r"^num_batch_threads must be positive; was 0; correct --batching_parameters",
        ),
        (
            "allowed_batch_sizes: 8",
            r"^Last entry in allowed_batch_sizes must match max_batch_size; .*; correct --batch",
        ),
    ],
)
@pytest.mark.slow
def test_a_server_does_not_start_with_a_wrong_file(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "parameters.txt"
    path.write_text(text)
    flags = Flags(tmp_path, host="127.0.0.1", port=0, enable_batching=True, batching_parameters_file=path)
    with pytest.raises(UserError, match=message):
        Server(flags)


# Nobody is answered before four rows have come together.
FOUR_ROWS = "max_batch_size { value: 4 } batch_timeout_micros { value: 3600000000 }"


def row(n: float) -> np.ndarray:
    return np.array([[n, n]], np.float32)


@pytest.mark.slow
def test_calls_of_both_protocols_share_a_run(numbers_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "parameters.txt"
    path.write_text(FOUR_ROWS)
    flags = {"enable_batching": True, "batching_parameters_file": path, "grpc_max_threads": 8}
    with running(numbers_model, "numbers", **flags) as server, concurrent.futures.ThreadPoolExecutor() as pool:
        # One waits without a deadline, and one that is wrong does not count.
        grpc_calls = [
            pool.submit(server.prediction.Predict, request(a=row(n), b=row(10)), timeout=timeout)
            for n, timeout in enumerate((None, 20))
        ]
        with pytest.raises(grpc.RpcError, match="Incompatible shapes"):
            server.prediction.Predict(request(a=row(1), b=np.ones([1, 3], np.float32)), timeout=20)
        rest_calls = [
            pool.submit(server.rest, "POST", "/v1/models/numbers:predict", {"inputs": {"a": [[n, n]], "b": [[10, 10]]}})
            for n in (2, 3)
        ]
        assert [list(call.result(timeout=20).outputs["sum"].float_val) for call in grpc_calls] == [[10, 10], [11, 11]]
        answers = [call.result(timeout=20) for call in rest_calls]
        assert [(status, json.loads(text)["outputs"]["sum"]) for status, text in answers] == [
            (200, [[12, 12]]),
            (200, [[13, 13]]),
        ]


@pytest.mark.slow
def test_batching_without_a_file_does_not_keep_a_lone_call_waiting(numbers_model: Path) -> None:
    with running(numbers_model, "numbers", enable_batching=True) as server:
        answer = server.prediction.Predict(request(a=row(1), b=row(2)), timeout=20)
        assert list(answer.outputs["sum"].float_val) == [3, 3]
        assert "model_server_batch_threads_0" in {thread.name for thread in threading.enumerate()}


@pytest.mark.slow
def test_each_model_can_have_parameters_of_its_own(numbers_model: Path, tmp_path: Path) -> None:
    """What the common file says of queues is ignored, and a version without a file is not batched."""
    common = tmp_path / "parameters.txt"
    common.write_text("max_batch_size { value: 1 } num_batch_threads { value: 1 }")
    base = tmp_path / "numbers"
    shutil.copytree(numbers_model / "7", base / "7")
    flags = {
        "enable_batching": True,
        "batching_parameters_file": common,
        "enable_per_model_batching_parameters": True,
        "grpc_max_threads": 8,
    }
    with running(base, "numbers", **flags) as server, concurrent.futures.ThreadPoolExecutor() as pool:
        two_rows = request(version=7, a=np.ones([2, 2], np.float32), b=np.ones([2, 2], np.float32))
        assert len(server.prediction.Predict(two_rows, timeout=20).outputs["sum"].float_val) == 4

        add_version(numbers_model, base, 8, FOUR_ROWS)
        eventually(lambda: state(server, 8).state == ModelVersionStatus.AVAILABLE)
        calls = [
            pool.submit(server.prediction.Predict, request(version=8, a=row(n), b=row(0)), timeout=20) for n in range(4)
        ]
        assert [list(call.result(timeout=20).outputs["sum"].float_val) for call in calls] == [[n, n] for n in range(4)]

        add_version(numbers_model, base, 9, "max_batch_size { value: 8 } allowed_batch_sizes: 4")
        eventually(lambda: state(server, 9).state == ModelVersionStatus.END)
        assert state(server, 9).status.error_code == StatusCode.INVALID_ARGUMENT.value[0]
        assert state(server, 9).status.error_message == (
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8"
        )
        assert state(server, 8).state == ModelVersionStatus.AVAILABLE


def add_version(model: Path, base: Path, version: int, parameters: str) -> None:
    partial = base / f".{version}.partial"
    shutil.copytree(model / "7", partial)
    (partial / PER_MODEL_FILE).write_text(parameters)
    partial.rename(base / str(version))


def state(server: Running, version: int) -> ModelVersionStatus:
    asked = GetModelStatusRequest()
    asked.model_spec.name = "numbers"
    statuses = server.model.GetModelStatus(asked, timeout=20).model_version_status
    return next((status for status in statuses if status.version == version), ModelVersionStatus())
