"""The connection of a client: a channel of gRPC, plain or TLS, and the calls that are made over it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import grpc

from serving.client import messages
from serving.client.answers import TooManyTextsError
from serving.client.failures import is_on_this_machine
from serving.client.questions import BATCH_SENTENCES, Questions, batches
from workspace.certificates import check_authority, check_certificate
from workspace.errors import UserError
from workspace.layout import DEFAULT_ADDRESS, MODEL_NAME, WorkDirectory
from workspace.storage import read_bytes

SECONDS_BETWEEN_POLLS = 0.2

# A translation changes nothing on the server, so a call that finds it unreachable or gone is safe to repeat (gRFC A6:
# after a random wait, longer each time), five times at most; a busy one is asked again until the deadline, by the
# clients themselves. Any other error would only come again. The last two lines find a restarted server within seconds,
# where gRPC's defaults take minutes.
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

_LONGEST = 1e9  # seconds: gRPC takes larger deadlines for past ones


@dataclass(frozen=True)
class Tls:
    """Files in PEM form. ``authority`` is the one that signed the server's certificate, by default one of those that
    gRPC knows; ``certificate`` and ``key`` are the client's own, for a server that asks who its clients are."""

    authority: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises UserError where a file cannot be read or is not what it should be, or only one of certificate and key
        is given."""
        if (self.certificate is None) != (self.key is None):
            raise UserError("a client's certificate needs its key, and a key its certificate; give both or neither")
        authority, key, certificate = _read(self.authority), _read(self.key), _read(self.certificate)
        if authority is not None:
            check_authority(authority, str(self.authority))
        if certificate is not None and key is not None:
            check_certificate(certificate, key, str(self.certificate), str(self.key))
        return grpc.ssl_channel_credentials(authority, key, certificate)


class Methods(NamedTuple):
    """The calls of a channel of grpc or grpc.aio."""

    predict: Any
    get_model_status: Any


class Connection:
    """What both clients are made of: a channel to a server, and the questions to one of its models."""

    _library: ClassVar[ModuleType]  # grpc, whose calls block, or grpc.aio, whose calls are awaited

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        model: str = MODEL_NAME,
        timeout: float = 60.0,
        version: int | None = None,
        label: str | None = None,
        tls: Tls | None = None,
        work: WorkDirectory | None = None,
    ):
        """Returns at once; the first call connects.

        address: host:port of the server's gRPC; model: its name there; timeout: the seconds that one call may take, for
        at most BATCH_SENTENCES sentences; version, label: which version of the model to ask, the newest if neither is
        given; tls: speak TLS, not plain text; work: whose model it is, for the sentence that says how to start a
        server.

        Raises UserError where the address is none, there is no time or no such version, version and label are both
        given, or a file of ``tls`` cannot be read. A proxy that the environment names is not used for a server on this
        machine.
        """
        self._questions = Questions(address, model, version, label, tls is not None, work)
        if not timeout > 0:
            raise UserError(f"a timeout of {timeout:g} s leaves no time for an answer; give seconds above 0")
        self._timeout = min(timeout, _LONGEST)
        self._most_texts = BATCH_SENTENCES  # of a request; fewer where the server has said so
        self._is_there = False  # since then a server that goes away is waited for
        options = [*CHANNEL_OPTIONS]
        if is_on_this_machine(address):
            options.append(("grpc.enable_http_proxy", 0))
        if tls:
            self._channel = self._library.secure_channel(address, tls.credentials(), options)
        else:
            self._channel = self._library.insecure_channel(address, options)
        self._methods = methods(self._channel)

    def _fewer(self, texts: list[str], refusal: TooManyTextsError) -> Iterator[list[str]]:
        """Batches of ``texts``, and from now on, of the size that the server takes. Raises ``refusal`` where they were
        of that size."""
        if not 0 < refusal.most < len(texts):
            raise refusal
        self._most_texts = min(self._most_texts, refusal.most)
        return batches(texts, lambda: refusal.most)


def seconds_left(timeout: float) -> Iterator[float]:
    """The seconds left of ``timeout`` at every step, without an end; never quite none, for a call must have some."""
    deadline = time.monotonic() + timeout
    while True:
        yield max(deadline - time.monotonic(), 0.001)


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


def _read(path: str | Path | None) -> bytes | None:
    try:
        return None if path is None else read_bytes(Path(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a file in PEM form") from error
