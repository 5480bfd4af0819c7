"""Configuration files of TensorFlow Serving whose messages tensorflow-serving-api has no modules of.

Source: monitoring_config.proto and ssl_config.proto of tensorflow_serving/config.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format

from workspace.certificates import check_authority, check_certificate
from workspace.errors import UserError
from workspace.protobuf import message_classes
from workspace.storage import read_bytes

DEFAULT_METRICS_PATH = "/monitoring/prometheus/metrics"

_classes = message_classes(
    "tensorflow.serving",
    {
        "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
        "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
        "SSLConfig": {
            "server_key": (1, "string"),
            "server_cert": (2, "string"),
            "custom_ca": (3, "string"),
            "client_verify": (4, "bool"),
        },
    },
)


def metrics_path(monitoring_config_file: Path) -> str | None:
    """Where the MonitoringConfig wants the metrics for Prometheus, or None where it wants none. Raises UserError."""
    config = _read("MonitoringConfig", monitoring_config_file).prometheus_config
    return (config.path or DEFAULT_METRICS_PATH) if config.enable else None


def server_credentials(ssl_config_file: Path) -> grpc.ServerCredentials:
    """TLS with the key and certificate (PEM) of the SSLConfig; with client_verify, only clients whose certificate
    custom_ca has signed are let in. Raises UserError."""
    config = _read("SSLConfig", ssl_config_file)
    for name in ("server_key", "server_cert", *(["custom_ca"] if config.client_verify else [])):
        if not getattr(config, name):
            raise UserError(f"{ssl_config_file} has no {name}; give it in PEM form")
    check_certificate(
        config.server_cert.encode(),
        config.server_key.encode(),
        f"server_cert of {ssl_config_file}",
        f"server_key of {ssl_config_file}",
    )
    if config.custom_ca:
        check_authority(config.custom_ca.encode(), f"custom_ca of {ssl_config_file}")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def _read(message: str, path: Path) -> Any:
    """A message from its text form. Raises UserError where there is no file, or it holds something else."""
    configuration = _classes[message]()
    try:
        return text_format.Parse(read_bytes(path), configuration)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give the file of a {message}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no {message} in text form: {error}") from error
