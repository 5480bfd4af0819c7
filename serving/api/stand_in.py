"""The stand-in for TensorFlow Serving: serves SavedModels over gRPC and REST, and watches for new versions of them.

As with the real server, the ports open once the first version of every model is loaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.api.grpc_api import GrpcOptions, GrpcServer
from serving.api.memory import MemoryKeeper
from serving.api.metrics import Metrics
from serving.api.rest import RestOptions, RestServer
from serving.api.warmup import warm_up
from serving.batching.batcher import Batching
from serving.models.manager import ModelManager
from serving.models.saved_model import SavedModel
from serving.models.versions import Retries, ServedModel
from serving.protocol.config_files import metrics_path, server_credentials
from serving.protocol.flags import Flags
from serving.protocol.model_config import read_model_config, single_model
from serving.protocol.status import StatusError
from workspace.errors import UserError, as_given
from workspace.listing import is_directory
from workspace.locations import Location, absolute, located
from workspace.machine import check_port_is_free, host_and_port
from workspace.staging import staged


class Server:
    """The models and both APIs. Call ``start`` once, and ``stop`` once even where the start failed."""

    def __init__(self, flags: Flags):
        """Raises UserError where a base path is not a directory, a port is taken or a configuration is refused."""
        self._config = _model_config(flags)
        check_port_is_free(flags.host, flags.port, as_given("--port"))
        if flags.rest_api_port:
            check_port_is_free(flags.host, flags.rest_api_port, as_given("--rest_api_port"))
        self._flags = flags
        self._metrics = Metrics()
        self._grpc_options = GrpcOptions(
            flags.host,
            flags.port,
            flags.grpc_max_threads,
            flags.grpc_socket_path,
            server_credentials(flags.ssl_config_file) if flags.ssl_config_file else None,
            flags.grpc_channel_arguments,
            flags.enable_grpc_healthcheck_service,
        )
        self._rest_options = RestOptions(
            timeout=flags.rest_api_timeout_in_ms / 1000,
            metrics_path=metrics_path(flags.monitoring_config_file) if flags.monitoring_config_file else None,
            cors=flags.rest_api_enable_cors_support,
        )
        retries = Retries(flags.max_num_load_retries, max(0.0, flags.load_retry_interval_micros / 1e6))
        load = _loader(flags)
        self._models = ModelManager(
            lambda name: ServedModel(name, load, retries),
            flags.file_system_poll_wait_seconds,
            flags.allow_version_labels_for_unavailable_models,
        )
        self._memory = MemoryKeeper()
        self._grpc: GrpcServer | None = None
        self._rest: RestServer | None = None

    @property
    def port(self) -> int:
        """The gRPC port of the started server; where the flags say 0, the free one that it took."""
        if self._grpc is None:
            raise RuntimeError("the server is not started")
        return self._grpc.port

    def start(self, stopped: threading.Event) -> bool:
        """Loads the first version of every model, then opens the ports; False if ``stopped`` was set before that.

        Waits while a model has no version. Raises UserError where a first version does not load, the configuration of
        the models is refused, or a port is taken.
        """
        flags = self._flags
        config_file = None
        if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
            config_file = (flags.model_config_file, float(flags.model_config_file_poll_wait_seconds))
        try:
            self._models.start(self._config, config_file)
        except StatusError as error:
            what = flags.model_config_file or flags.model_base_path
            raise UserError(f"{what} cannot be served: {error.message}") from error
        if not self._models.wait_until_available(stopped):
            return False
        self._grpc = GrpcServer(self._models, self._metrics, self._grpc_options)
        if flags.rest_api_port:
            self._rest = RestServer(
                self._models,
                self._metrics,
                flags.host,
                flags.rest_api_port,
                flags.rest_api_num_threads,
                self._rest_options,
            )
            self._rest.start()
        self._grpc.start()
        self._memory.start()
        return True

    def stop(self, grace_seconds: float) -> None:
        """Takes no new requests, gives those under way ``grace_seconds``, and unloads the models."""
        stop_by = time.monotonic() + grace_seconds
        for api in (self._rest, self._grpc):
            if api is not None:
                api.stop(max(0.0, stop_by - time.monotonic()))
        self._models.stop()
        self._memory.stop()

    def describe(self) -> str:
        """One line: models, versions, addresses."""
        models = ", ".join(f"{name} version {version}" for name, version in self._models.available()) or "no model"
        flags = self._flags
        rest = f", REST at http://{host_and_port(flags.host, flags.rest_api_port)}" if self._rest else ""
        return f"serving {models}: gRPC at {host_and_port(flags.host, self.port)}{rest}"


def _model_config(flags: Flags) -> ModelServerConfig:
    """Raises UserError where the file is refused or a base path does not exist."""
    if flags.model_config_file:
        config = read_model_config(flags.model_config_file)
    elif flags.model_base_path:
        config = single_model(flags.model_name, absolute(flags.model_base_path))
    else:
        raise UserError("nothing says what to serve; give --model_base_path or --model_config_file")
    for model in config.model_config_list.config:
        if not is_directory(located(model.base_path)):
            raise UserError(
                f"model base path {model.base_path} does not exist; give the directory of the model's versions"
            )
    return config


def _loader(flags: Flags) -> Callable[[Location], SavedModel]:
    """Loads the model in a version's directory, and warms it up where the flags say so."""
    batching = None
    if flags.enable_batching:
        batching = Batching.from_flags(flags.batching_parameters_file, flags.enable_per_model_batching_parameters)

    def load(version: Location) -> SavedModel:
        # What is read once it is loaded, is read where the version is.
        with staged(version) as here:
            model = SavedModel(here, batching, version)
            if flags.enable_model_warmup:
                try:
                    warm_up(model, here, max(1, flags.num_request_iterations_for_warmup))
                except BaseException:
                    model.close()
                    raise
        return model

    return load
