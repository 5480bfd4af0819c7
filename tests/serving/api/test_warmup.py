"""A version answers its own requests before it is asked by others."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.api.warmup import MOST_RECORDS, REQUESTS
from tests.serving.support import DEADLINE, Running, eventually, request, running, states, translation
from workspace.errors import UserError

pytestmark = pytest.mark.slow


class Counting(tf.Module):
    """How many requests it has answered, this one included."""

    def __init__(self) -> None:
        super().__init__()
        self.count = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"count": self.count.assign_add(1) + 0 * tf.size(text)}


@pytest.fixture(scope="module")
def counting_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    version = tmp_path_factory.mktemp("counting") / "1"
    model = Counting()
    tf.saved_model.save(model, str(version), signatures={"serving_default": model.serve})
    return version


def write(version: Path, records: Sequence[bytes]) -> None:
    path = version / REQUESTS
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def log(predict: PredictRequest) -> bytes:
    record = PredictionLog()
    record.predict_log.request.CopyFrom(predict)
    return bytes(record.SerializeToString())


def counted(server: Running) -> int:
    response = server.prediction.Predict(request("m", text=["a"]), timeout=DEADLINE)
    return int(response.outputs["count"].int_val[0])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [({}, 3), ({"enable_model_warmup": False}, 0), ({"num_request_iterations_for_warmup": 4}, 12)],
)
def test_each_request_is_answered(counting_model: Path, tmp_path: Path, flags: dict[str, int], expected: int) -> None:
    shutil.copytree(counting_model, tmp_path / "1")
    classify = PredictionLog()
    classify.classify_log.request.model_spec.name = "m"
    write(tmp_path / "1", [log(request(text=["a"]))] * 3 + [classify.SerializeToString()])
    with running(tmp_path, "m", **flags) as server:
        assert counted(server) == expected + 1


def test_a_version_that_cannot_answer_leaves_the_one_before(tmp_path: Path, text_model: Path) -> None:
    shutil.copytree(text_model / "1", tmp_path / "1")
    with running(tmp_path, "m") as server:
        shutil.copytree(text_model / "1", tmp_path / ".2")
        write(tmp_path / ".2", [log(request(words=["a"]))])
        (tmp_path / ".2").rename(tmp_path / "2")
        eventually(lambda: 2 in states(server.model) and states(server.model)[2].state == ModelVersionStatus.END)
        status = states(server.model)[2].status
        assert status.error_code == tf.errors.INVALID_ARGUMENT
        assert "words" in status.error_message
        assert translation(server) == b"one:t"


def test_a_request_that_no_batch_has_room_for_is_named(text_model: Path, tmp_path: Path) -> None:
    shutil.copytree(text_model / "1", tmp_path / "1")
    write(tmp_path / "1", [log(request(text=["a"])), log(request(text=["a"] * 5))])
    parameters = tmp_path / "batching.config"
    parameters.write_text("max_batch_size { value: 4 }")
    flags = {"enable_batching": True, "batching_parameters_file": parameters}
    sentence = (
        rf"warm-up request 2 of {tmp_path / '1' / REQUESTS} is not answered: Task size 5 is larger than maximum input "
        "batch size 4"
    )
    with pytest.raises(UserError, match=sentence), running(tmp_path, "m", **flags):
        pass


def session_run() -> bytes:
    record = PredictionLog()
    record.session_run_log.SetInParent()
    return bytes(record.SerializeToString())


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([b"\xff\xff"], "Failed to parse warmup record: "),
        ([session_run()], "Unsupported log_type for warmup: 5"),
        ([log(request(text=["a"]))] * (MOST_RECORDS + 1), r"Number of warmup records exceeds the maximum \(1000\) at "),
    ],
    ids=["no record", "a run of a session", "too many"],
)
def test_records_that_will_not_do(text_model: Path, tmp_path: Path, records: list[bytes], message: str) -> None:
    shutil.copytree(text_model / "1", tmp_path / "1")
    write(tmp_path / "1", records)
    with pytest.raises(UserError, match=message), running(tmp_path, "m"):
        pass


def test_a_damaged_file(text_model: Path, tmp_path: Path) -> None:
    shutil.copytree(text_model / "1", tmp_path / "1")
    write(tmp_path / "1", [log(request(text=["a"]))])
    path = tmp_path / "1" / REQUESTS
    path.write_bytes(path.read_bytes()[:-5])
    with (
        pytest.raises(UserError, match=r"version 1 of model m in .* does not load: .*truncated record"),
        running(tmp_path, "m"),
    ):
        pass
