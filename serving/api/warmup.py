"""Requests that a version answers before it is available, so that no client waits for work that is done only once.

Protocol: TensorFlow Serving's docs (saved_model_warmup.md) and saved_model_warmup_util.cc. They come with the version,
as PredictionLog records in assets.extra/tf_serving_warmup_requests.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from grpc import StatusCode
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.api.predict import compute
from serving.models.saved_model import SavedModel
from serving.protocol.status import StatusError, invalid_argument

REQUESTS = Path("assets.extra") / "tf_serving_warmup_requests"
MOST_RECORDS = 1000

_UNSUPPORTED = ("predict_streamed_log", "session_run_log")


def warm_up(model: SavedModel, version: Path, iterations: int = 1) -> None:
    """Answers the requests that the directory ``version`` has for ``model``, if any, each ``iterations`` times.

    Raises StatusError or tf.errors.OpError where one cannot be read or answered, or there are more than MOST_RECORDS.
    Requests for Classify, Regress and MultiInference are passed over, as nobody will send any.
    """
    path = version / REQUESTS
    if not path.exists():
        return
    for number, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), start=1):
        if number > MOST_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {path}")
        try:
            log = PredictionLog.FromString(record)
        except DecodeError as error:
            raise invalid_argument(f"Failed to parse warmup record: {record!r} from {path}") from error
        kind = log.WhichOneof("log_type")
        if kind in _UNSUPPORTED:
            field = PredictionLog.DESCRIPTOR.fields_by_name[kind].number
            raise StatusError(StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {field}")
        if kind == "predict_log":
            for _ in range(iterations):
                try:
                    compute(model, log.predict_log.request, timeout=None)
                except StatusError as error:
                    which = f"warm-up request {number} of {path} is not answered"
                    raise StatusError(error.code, f"{which}: {error.message}") from error
