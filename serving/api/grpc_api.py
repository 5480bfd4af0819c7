"""The gRPC services of TensorFlow Serving, PredictionService and ModelService, with health and reflection beside them.

Protocol: tensorflow_serving/apis/prediction_service.proto and model_service.proto; grpc.health.v1 and grpc.reflection.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION_SERVICE
from grpc_reflection.v1alpha.reflection import enable_server_reflection
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.api.metadata import get_model_metadata, get_model_status
from serving.api.metrics import Metrics
from serving.api.predict import predict
from serving.models.manager import ModelManager
from serving.protocol.status import StatusError, not_implemented
from workspace.errors import UserError, as_given
from workspace.machine import host_and_port

_Response = TypeVar("_Response")

_OPTIONS: dict[str, str | int] = {
    "grpc.max_receive_message_length": -1,  # no limit, as in TensorFlow Serving
    "grpc.max_send_message_length": -1,
    "grpc.so_reuseport": 0,  # else two servers could share a port, and each get half of the requests
}


# Calls that may wait for a thread; more are answered RESOURCE_EXHAUSTED at once. The real server lets none wait.
MOST_WAITING = 1000


@dataclass(frozen=True)
class GrpcOptions:
    """Where to listen, and how.

    port: 0 takes a free one, or none where there is a socket_path; socket_path: of a UNIX socket, "" for none; threads:
    how many calls are answered at once; credentials: for TLS, None for plain text; arguments: settings of gRPC itself;
    health: whether grpc.health.v1 is answered.
    """

    host: str
    port: int
    threads: int
    socket_path: str = ""
    credentials: grpc.ServerCredentials | None = None
    arguments: tuple[tuple[str, str | int], ...] = ()
    health: bool = False


class GrpcServer:
    """All services. ``port`` is the one they are on, 0 for none."""

    def __init__(self, models: ModelManager, metrics: Metrics, options: GrpcOptions):
        """Binds port and socket, but answers nothing yet. Raises UserError where one of them is taken."""
        threads = concurrent.futures.ThreadPoolExecutor(options.threads, "grpc")
        self._server = grpc.server(
            threads,
            maximum_concurrent_rpcs=options.threads + MOST_WAITING,
            options=list({**_OPTIONS, **dict(options.arguments)}.items()),
        )
        add_PredictionServiceServicer_to_server(_PredictionService(models, metrics), self._server)
        add_ModelServiceServicer_to_server(_ModelService(models), self._server)
        files = (prediction_service_pb2, model_service_pb2)
        names = [service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values()]
        self._health: HealthServicer | None = None
        if options.health:
            self._health = HealthServicer()
            add_HealthServicer_to_server(self._health, self._server)
            # The real server's names, which lack the package, so that one probe suits both servers.
            for service in ("PredictionService", "ModelService"):
                self._health.set(service, HealthCheckResponse.SERVING)
            names.append(HEALTH_SERVICE)
        enable_server_reflection([*names, REFLECTION_SERVICE], self._server, _Described())
        self.port = 0
        if options.port or not options.socket_path:
            where = f"the gRPC port {options.port} on {options.host}"
            self.port = self._listen(
                host_and_port(options.host, options.port), options, f"{where} cannot be opened", "--port"
            )
        if options.socket_path:
            where = f"the socket {options.socket_path}"
            self._listen(f"unix:{options.socket_path}", options, f"{where} cannot be opened", "--grpc_socket_path")

    def start(self) -> None:
        self._server.start()

    def stop(self, grace_seconds: float) -> None:
        """Takes no new calls, and returns when those under way have ended or the time is up."""
        if self._health is not None:
            self._health.enter_graceful_shutdown()
        self._server.stop(grace_seconds).wait()

    def _listen(self, address: str, options: GrpcOptions, failure: str, flag: str) -> int:
        try:
            if options.credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, options.credentials))
        except RuntimeError as error:
            raise UserError(f"{failure}: {error}; choose another {as_given(flag)}") from error


class _Described:
    """What reflection tells: all that protobuf knows, and by the name of a method, as ghz and grpcurl ask, its file."""

    _pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


class _PredictionService(PredictionServiceServicer):
    def __init__(self, models: ModelManager, metrics: Metrics):
        self._models = models
        self._metrics = metrics

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:  # noqa: N802
        timeout = context.time_remaining()
        model = request.model_spec.name

        def answer() -> PredictResponse:
            with self._metrics.request(model, "Predict", "GRPC"):
                prediction = predict(self._models, request, timeout, context.is_active)
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

    def HandleReloadConfigRequest(  # noqa: N802
        self, request: ReloadConfigRequest, context: grpc.ServicerContext
    ) -> ReloadConfigResponse:
        def answer() -> ReloadConfigResponse:
            self._models.reload(request.config, context.is_active)
            response = ReloadConfigResponse()
            response.status.SetInParent()
            for name in request.metric_names:  # this server keeps none of the real one's counters
                response.metric.add(name=name)
            return response

        return _answer(context, answer)


def _answer(context: grpc.ServicerContext, call: Callable[[], _Response]) -> _Response:
    try:
        return call()
    except StatusError as error:
        _abort(context, error)


def _unimplemented(context: grpc.ServicerContext, method: str) -> NoReturn:
    _abort(context, not_implemented(method))


def _abort(context: grpc.ServicerContext, error: StatusError) -> NoReturn:
    context.abort(error.code, error.truncated_message())
    raise AssertionError("context.abort has returned")
