"""The two gRPC services of TensorFlow Serving: PredictionService and ModelService.

Protocol: tensorflow_serving/apis/prediction_service.proto and model_service.proto.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import NoReturn, TypeVar

import grpc
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from recipes.errors import UserError
from serving.metadata import get_model_metadata, get_model_status
from serving.metrics import Metrics
from serving.models import ModelManager
from serving.predict import predict
from serving.status import StatusError, not_implemented

_Response = TypeVar("_Response")

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # as TensorFlow Serving: no limit of ours
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # else two servers could share a port and halve each other's requests
)


class GrpcServer:
    """Both services on one port. ``port`` 0 takes a free one; the attribute ``port`` says which."""

    def __init__(self, models: ModelManager, metrics: Metrics, host: str, port: int, threads: int):
        """Binds the port and answers nothing yet. Raises UserError where the port is taken."""
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(threads, "grpc"), options=_OPTIONS)
        add_PredictionServiceServicer_to_server(_PredictionService(models, metrics), self._server)
        add_ModelServiceServicer_to_server(_ModelService(models), self._server)
        try:
            self.port: int = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise UserError(
                f"the gRPC port {port} on {host} cannot be opened: {error}; choose another --port"
            ) from error

    def start(self) -> None:
        self._server.start()

    def stop(self, grace_seconds: float) -> None:
        """Takes no new calls, and returns when those under way have ended or the time is up."""
        self._server.stop(grace_seconds).wait()


class _PredictionService(PredictionServiceServicer):
    def __init__(self, models: ModelManager, metrics: Metrics):
        self._models = models
        self._metrics = metrics

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:  # noqa: N802
        timeout = context.time_remaining()
        model = request.model_spec.name

        def answer() -> PredictResponse:
            with self._metrics.request(model, "Predict", "GRPC"):
                prediction = predict(self._models, request, timeout)
                self._metrics.add_runtime_latency(model, "Predict", prediction.seconds)
                return prediction.response()

        return _answer(context, answer)

    def GetModelMetadata(  # noqa: N802
        self, request: GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> GetModelMetadataResponse:
        return _answer(context, lambda: get_model_metadata(self._models, request))

    def Classify(self, request: ClassificationRequest, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        _unimplemented(context, "Classify")

    def Regress(self, request: RegressionRequest, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        _unimplemented(context, "Regress")

    def MultiInference(self, request: MultiInferenceRequest, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        _unimplemented(context, "MultiInference")


class _ModelService(ModelServiceServicer):
    def __init__(self, models: ModelManager):
        self._models = models

    def GetModelStatus(  # noqa: N802
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        return _answer(context, lambda: get_model_status(self._models, request))

    def HandleReloadConfigRequest(self, request: ReloadConfigRequest, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        _unimplemented(context, "HandleReloadConfigRequest")


def _answer(context: grpc.ServicerContext, call: Callable[[], _Response]) -> _Response:
    try:
        return call()
    except StatusError as error:
        _abort(context, error)


def _unimplemented(context: grpc.ServicerContext, method: str) -> NoReturn:
    _abort(context, not_implemented(method))


def _abort(context: grpc.ServicerContext, error: StatusError) -> NoReturn:
    context.abort(error.code, error.truncated_message())
    raise AssertionError("abort returns to nobody")
