"""The command line of TensorFlow Serving's ``tensorflow_model_server``, as far as the stand-in has it.

Names and defaults are those of model_servers/main.cc and server.h. Flags of the real server that are not
implemented are known by name, so that a command line written for it still starts the stand-in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from workspace.command import command_parser, positive
from workspace.locations import Location, located
from workspace.machine import usable_cores

_THREADS = 4 * usable_cores()

_NOT_IMPLEMENTED = (
    "enable_profiler",
    "enable_serialization_as_tensor_content",
    "enable_signature_method_name_check",
    "flush_filesystem_caches",
    "mixed_precision",
    "num_load_threads",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "num_unload_threads",
    "per_process_gpu_memory_fraction",
    "platform_config_file",
    "prefer_tflite_model",
    "remove_unused_fields_from_bundle_metagraph",
    "saved_model_tags",
    "skip_initialize_tpu",
    "tensorflow_inter_op_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_session_config_file",
    "tensorflow_session_parallelism",
    "thread_pool_factory_config_file",
    "use_alts_credentials",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
)


@dataclass(frozen=True)
class Flags:
    """What a server is told on its command line; a field has the name of its flag."""

    model_base_path: Location | None = None
    model_name: str = "default"
    model_config_file: Path | None = None
    model_config_file_poll_wait_seconds: int = 0
    allow_version_labels_for_unavailable_models: bool = False
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 0
    host: str = "localhost"
    port: int = 8500
    rest_api_port: int = 0
    rest_api_timeout_in_ms: int = 30_000
    grpc_max_threads: int = _THREADS
    rest_api_num_threads: int = _THREADS
    file_system_poll_wait_seconds: int = 1
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    rest_api_enable_cors_support: bool = False
    monitoring_config_file: Path | None = None
    grpc_socket_path: str = ""
    grpc_channel_arguments: tuple[tuple[str, str | int], ...] = ()
    ssl_config_file: Path | None = None
    enable_grpc_healthcheck_service: bool = False
    enable_batching: bool = False
    batching_parameters_file: Path | None = None
    enable_per_model_batching_parameters: bool = False


def parse_flags(arguments: Sequence[str]) -> Flags:
    """The flags in ``arguments``, as ``--port=8500`` or ``--port 8500``.

    A known flag that is not implemented is named on standard error and ignored; an unknown one, or a value
    out of range, ends the process with the usage.
    """
    parser = command_parser(
        "serving.server",
        "A stand-in for TensorFlow Serving's tensorflow_model_server: same services, same flags.",
        reads="the SavedModels in the base paths, new versions as they come, and the files that the flags name",
        writes="nothing",
        epilog="Other flags of the real server are named in a warning and ignored.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        conflict_handler="resolve",  # --version is a flag of the real server
    )
    _add_flags(parser)
    for name in _NOT_IMPLEMENTED:
        # "?" because a boolean flag may stand without a value.
        parser.add_argument(f"--{name}", nargs="?", action=_Ignored, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.version:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"TensorFlow ModelServer: the stand-in of rnnsearch\nTensorFlow Library: {version('tensorflow')}")
        parser.exit()
    if options.rest_api_port and options.rest_api_port == options.port:
        parser.error(f"--rest_api_port and --port are both {options.port}; give them different ports")
    if not options.model_base_path and not options.model_config_file:
        parser.error("neither --model_base_path nor --model_config_file is given; give one, to say what to serve")
    if options.batching_parameters_file and not options.enable_batching:
        parser.error("--batching_parameters_file is given without --enable_batching; give both or neither")
    return Flags(**{field.name: getattr(options, field.name) for field in fields(Flags)})


def _add_flags(parser: argparse.ArgumentParser) -> None:
    def add(name: str, convert: Any, text: str) -> None:
        default = next((field.default for field in fields(Flags) if field.name == name), None)
        # A boolean flag may stand without a value.
        bare: dict[str, Any] = {"nargs": "?", "const": True} if convert is _boolean else {}
        parser.add_argument(f"--{name}", type=convert, default=default, help=text, **bare)

    add("version", _boolean, "say it and end")
    add("model_base_path", located, "directory of the model's versions")
    add("model_name", str, "the name requests call it by")
    add("model_config_file", Path, "ModelServerConfig as a text proto: several models; instead of the two above")
    add("model_config_file_poll_wait_seconds", int, "seconds between two looks at it; 0 looks only once")
    add("allow_version_labels_for_unavailable_models", _boolean, "label versions before they are loaded")
    add("enable_model_warmup", _boolean, "answer a version's warm-up requests before it is available")
    add("num_request_iterations_for_warmup", int, "how often each of them; 0 is once")
    add("host", str, "address to listen on; not a flag of the real server, which listens on every address")
    add("port", _port, "gRPC port; 0 takes a free one")
    add("rest_api_port", _port, "REST port; 0 is off")
    add("rest_api_timeout_in_ms", positive, "time limit of a REST request")
    add("grpc_max_threads", positive, "gRPC calls answered at once")
    add("rest_api_num_threads", positive, "REST requests answered at once")
    add("file_system_poll_wait_seconds", int, "seconds between two looks for versions; 0 looks once, negative never")
    add("max_num_load_retries", _not_negative, "further attempts at a version that does not load")
    add("load_retry_interval_micros", int, "microseconds between them; negative does not wait")
    add("rest_api_enable_cors_support", _boolean, "let pages of other origins read the answers of REST")
    add("grpc_socket_path", str, "path of a UNIX socket to listen on as well, or with --port=0 instead")
    add("grpc_channel_arguments", _channel_arguments, "settings of gRPC itself: name=value, separated by commas")
    add("ssl_config_file", Path, "SSLConfig as a text proto: gRPC speaks TLS, and may ask for clients' certificates")
    add("enable_grpc_healthcheck_service", _boolean, "answer grpc.health.v1")
    add("monitoring_config_file", Path, "MonitoringConfig as a text proto; none exports no metrics")
    add("enable_batching", _boolean, "compute concurrent requests together")
    add("batching_parameters_file", Path, "BatchingParameters as a text proto; none takes their defaults")
    add("enable_per_model_batching_parameters", _boolean, "take them from batching_params.pbtxt in each SavedModel")


class _Ignored(argparse.Action):
    """A flag of the real server that this one does not have."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        print(f"warning: {option_string} is not implemented by the stand-in server; it is ignored", file=sys.stderr)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "1", "false", "0"):
        raise argparse.ArgumentTypeError(f"{text} is neither true nor false")
    return text.lower() in ("true", "1")


def _channel_arguments(text: str) -> tuple[tuple[str, str | int], ...]:
    pairs = [setting.partition("=") for setting in text.split(",") if setting]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise argparse.ArgumentTypeError(f"{wrong[0]} has no value; write {wrong[0]}=VALUE")
    return tuple((name, int(value) if value.lstrip("-").isdigit() else value) for name, _, value in pairs)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is no port; ports go from 0 to 65535")
    return port


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number
