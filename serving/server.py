"""A stand-in for TensorFlow Serving where there is no ``tensorflow_model_server``: same services, same flags.

    python -m serving.server --port 8500 --rest_api_port 8501 --model_name rnnsearch --model_base_path DIR

It serves any SavedModel over gRPC and REST, watches the base path for new versions, and on SIGTERM or
Ctrl-C answers what is under way before it goes. As with the real server the ports open when the first
version is loaded.
"""

from __future__ import annotations

import signal
import socket
import threading
import time

import tensorflow as tf

from recipes.errors import UserError, run_command
from serving.batching import Batching
from serving.config_files import metrics_path, server_credentials
from serving.flags import Flags, parse_flags
from serving.grpc_api import GrpcOptions, GrpcServer
from serving.metrics import Metrics
from serving.models import ModelManager, Retries, ServedModel
from serving.rest import RestOptions, RestServer

GRACE_SECONDS = 30.0


def main(arguments: list[str]) -> None:
    flags = parse_flags(arguments)
    tf.get_logger().setLevel("ERROR")  # the loader of sessions announces at every load that it is an old one
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = Server(flags)
    try:
        if server.start(stopped):
            print(server.describe(), flush=True)
            stopped.wait()
    finally:
        server.stop(GRACE_SECONDS)


class Server:
    """Both APIs over one model. ``start`` it once, ``stop`` it once, whatever came of the start."""

    def __init__(self, flags: Flags):
        """Raises UserError where the base path is not a directory, a port is taken or a configuration will not do."""
        if not flags.model_base_path.is_dir():
            raise UserError(
                f"model base path {flags.model_base_path} does not exist; give the directory of the model's versions"
            )
        _check_free(flags.host, flags.port, "port")
        if flags.rest_api_port:
            _check_free(flags.host, flags.rest_api_port, "rest_api_port")
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
        batching = None
        if flags.enable_batching:
            batching = Batching.from_flags(flags.batching_parameters_file, flags.enable_per_model_batching_parameters)
        self._model = ServedModel(flags.model_name, flags.model_base_path, retries, batching)
        self._models = ModelManager([self._model], flags.file_system_poll_wait_seconds)
        self._grpc: GrpcServer | None = None
        self._rest: RestServer | None = None

    @property
    def port(self) -> int:
        """The gRPC port, once started; the one chosen where the flags say 0."""
        if self._grpc is None:
            raise RuntimeError("the server is not started")
        return self._grpc.port

    def start(self, stopped: threading.Event) -> bool:
        """Loads the first version, then opens the ports; False if ``stopped`` was set before that.

        Waits as long as there is no version. Raises UserError where the first does not load, or a port is taken.
        """
        flags = self._flags
        self._models.start()
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
        return True

    def stop(self, grace_seconds: float) -> None:
        """Takes no new requests, gives those under way ``grace_seconds``, and unloads the model."""
        stop_by = time.monotonic() + grace_seconds
        for api in (self._rest, self._grpc):
            if api is not None:
                api.stop(max(0.0, stop_by - time.monotonic()))
        self._models.stop()

    def describe(self) -> str:
        """One line: model, version, addresses."""
        version = self._model.states()[0].version
        rest = f", REST at http://{self._flags.host}:{self._flags.rest_api_port}" if self._rest else ""
        return f"serving {self._flags.model_name} version {version}: gRPC at {self._flags.host}:{self.port}{rest}"


def _check_free(host: str, port: int, flag: str) -> None:
    """Says that a port is taken before a model is loaded for nothing."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --{flag}") from error


if __name__ == "__main__":
    run_command(main)
