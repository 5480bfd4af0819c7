"""Versions that come and go for a long time cost neither memory nor threads."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.protocol.model_config import single_model
from tests.serving.support import DEADLINE, eventually, request
from workspace.machine import free_port

pytestmark = pytest.mark.slow

RELOADS = 50
WARM = 10  # reloads after which the allocator has what it wants
MEGABYTES = 8


class Large(tf.Module):
    """A model whose weights would be noticed if one were kept."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.random.normal([MEGABYTES << 18]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x + self.weights[0]}


def of_process(pid: int, field: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_fifty_reloads(tmp_path: Path) -> None:
    model, made, base = Large(), tmp_path / "made", tmp_path / "base"
    tf.saved_model.save(model, str(made), signatures={"serving_default": model.serve})
    base.mkdir()
    shutil.copytree(made, base / "1")
    batching = tmp_path / "batching.config"
    batching.write_text("max_batch_size { value: 4 } batch_timeout_micros { value: 0 }")
    port = free_port()
    command = [sys.executable, "-m", "serving.server", f"--port={port}", "--model_name=m", f"--model_base_path={base}"]
    command += ["--grpc_max_threads=1"]  # a second one would come at some time or other
    # Looks for versions when it is told to, so that none has to be waited for longer than it takes.
    command += ["--file_system_poll_wait_seconds=0", "--enable_batching", f"--batching_parameters_file={batching}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    memory, threads = [], []
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith(b"serving m version 1")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for version in range(2, RELOADS + 2):
                (base / str(version - 1)).rename(base / str(version))
                reload(ModelServiceStub(channel), base, version)
                answer = PredictionServiceStub(channel).Predict(
                    request("m", x=np.zeros(1, np.float32)), timeout=DEADLINE
                )
                assert answer.model_spec.version.value == version
                memory.append(of_process(server.pid, "VmRSS"))
                threads.append(of_process(server.pid, "Threads"))
    finally:
        server.terminate()
        server.wait()
    assert memory[-1] <= 1.1 * memory[WARM]
    assert threads[-1] <= threads[WARM], threads


def reload(service: ModelServiceStub, base: Path, version: int) -> None:
    """Returns when ``version`` serves, and the one before no more."""
    config = single_model("m", base)
    service.HandleReloadConfigRequest(ReloadConfigRequest(config=config), timeout=DEADLINE)
    asked = GetModelStatusRequest()
    asked.model_spec.name = "m"

    def is_replaced() -> bool:
        states = service.GetModelStatus(asked, timeout=DEADLINE).model_version_status
        available = [status.version for status in states if status.state != ModelVersionStatus.END]
        return available == [version]

    eventually(is_replaced)
