"""The connection of a client: a channel of gRPC, plain or TLS, and the calls that are made over it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import grpc

from serving.client import messages
from workspace.errors import UserError

# A translation changes nothing, so that it can be asked for again whenever a server cannot be reached, goes away or has
# too much to do (gRFC A6: after a random wait, longer every time); whatever else is wrong would be wrong again. A
# server that starts anew is found within seconds, not the minutes that gRPC would let pass.
_RETRIES = {
    "methodConfig": [
        {
            "name": [
                {"service": "tensorflow.serving.PredictionService"},
                {"service": "tensorflow.serving.ModelService"},
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.max_receive_message_length", -1),
)


@dataclass(frozen=True)
class Tls:
    """Files in PEM form: of the authority that signed the server's certificate (default: those that gRPC knows), and,
    where the server asks who its clients are, the client's own certificate and key."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises UserError where a file cannot be read, or only one of certificate and key is given."""
        if (self.certificate is None) != (self.key is None):
            raise UserError("a client shows a certificate with its key; give both or neither")
        return grpc.ssl_channel_credentials(_read(self.authority), _read(self.key), _read(self.certificate))


class Methods(NamedTuple):
    """The calls of a channel, of grpc's or of grpc.aio's."""

    predict: Any
    get_model_status: Any


def connect(library: ModuleType, address: str, tls: Tls | None) -> tuple[Any, Methods]:
    """A channel of ``library``, grpc or grpc.aio, and its calls."""
    if tls:
        channel = library.secure_channel(address, tls.credentials(), CHANNEL_OPTIONS)
    else:
        channel = library.insecure_channel(address, CHANNEL_OPTIONS)
    return channel, methods(channel)


def methods(channel: Any) -> Methods:
    return Methods(
        channel.unary_unary(
            messages.PREDICT,
            request_serializer=messages.PredictRequest.SerializeToString,
            response_deserializer=messages.PredictResponse.FromString,
        ),
        channel.unary_unary(
            messages.GET_MODEL_STATUS,
            request_serializer=messages.GetModelStatusRequest.SerializeToString,
            response_deserializer=messages.GetModelStatusResponse.FromString,
        ),
    )


def _read(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a file in PEM form") from error
