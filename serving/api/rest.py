"""The REST API of TensorFlow Serving, on waitress.

    POST /v1/models/NAME[/versions/N|/labels/L]:predict
    GET  /v1/models/NAME[/versions/N|/labels/L]            states of the versions
    GET  /v1/models/NAME[/versions/N|/labels/L]/metadata   signatures
    GET  the path of the monitoring configuration          metrics, for Prometheus
    GET  /                                                 a page that translates, which TensorFlow Serving lacks
    GET  /card                                             the card of the model, which it lacks, too

Protocol: TensorFlow Serving's docs (api_rest.md), http_rest_api_handler.cc, http_rest_api_util.cc
and http_server.cc.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format
from google.protobuf.message import Message
from grpc import StatusCode
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from serving.api.json_request import fill_predict_request
from serving.api.json_response import error_json, prediction_json
from serving.api.metadata import SIGNATURE_DEF, get_model_metadata, get_model_status
from serving.api.metrics import Metrics
from serving.api.model_card import card_response
from serving.api.page import page_response
from serving.api.predict import DEFAULT_SIGNATURE, predict
from serving.models.manager import ModelManager
from serving.protocol.status import StatusError, invalid_argument, not_implemented
from workspace.errors import UserError, as_given
from workspace.machine import host_and_port

_WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_WHICH}:(?P<method>classify|regress|predict)", re.IGNORECASE | re.ASCII
)
_GET = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_WHICH}(?:/(?P<subresource>metadata))?", re.IGNORECASE | re.ASCII)

_HTTP_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.ABORTED: 409,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 499,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}

_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}

_LOOP_SECONDS = 0.1  # how soon the server notices that it should stop
_SECONDS_BETWEEN_CHECKS = 1.0  # for requests that are overdue

# The real server takes any number of bytes, and waits for them forever.
MOST_BODY_BYTES = 64 << 20
MOST_HEADER_BYTES = 64 << 10
MOST_CONNECTIONS = 1000
ROOM_FOR_CONNECTIONS = 100  # kept free for those that come: the quiet ones give way


@dataclass(frozen=True)
class RestOptions:
    """How requests are answered.

    timeout: seconds after which a prediction ends with DEADLINE_EXCEEDED, and a request that is still incomplete is
    dropped; metrics_path: path of the page for Prometheus, None for no page; cors: whether pages of other origins may
    read the answers.
    """

    timeout: float
    metrics_path: str | None = None
    cors: bool = False


def application(models: ModelManager, metrics: Metrics, options: RestOptions) -> Callable[..., Any]:
    """The WSGI application."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # A request that its own environment refers to would stay in memory, with its body, for a long while.
        return response_to(Request(environ, populate_request=False))(environ, start_response)

    def response_to(request: Request) -> Response:
        path = _path(request)
        if path.partition("?")[0] == options.metrics_path:
            if path != options.metrics_path:
                return Response(f"Unexpected path: {path}. Should be {options.metrics_path}", 400)
            return Response(metrics.page(), content_type="text/plain")
        if path == "/card" and request.method in ("GET", "HEAD"):
            return card_response(models)
        if not path.lower().startswith("/v1/"):
            return page_response(request, path) or NotFound().get_response(request)
        parts = _parts(request)
        try:
            with metrics.request(parts.get("name") or "", parts.get("method") or "", "REST"):
                response = _preflight(request) or _answer(models, metrics, request, options)
        except StatusError as error:
            response = _in_json(error_json(error.message), _HTTP_STATUS.get(error.code, 500))
        if options.cors:
            response.headers.update(_CORS_HEADERS)
        return response

    return answer


class RestServer:
    """The REST API on one port, in a thread of its own.

    A request that is too large is answered by 413 or 431, and its connection closed. Threads are given complete
    requests only, so a client that sends slowly holds up nobody; it loses its connection after ``timeout``. Where there
    are many connections, those that are idle are closed, the longest quiet first.

    The loop over the sockets is run here: waitress's own neither limits the time of a whole request, nor ends in order
    while connections are open (Pylons/waitress, issue 198).
    """

    def __init__(
        self, models: ModelManager, metrics: Metrics, host: str, port: int, threads: int, options: RestOptions
    ):
        """Binds the port. Raises UserError where it is taken. For the arguments see ``application``."""
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # under load, a queue is no news
        self._sockets: dict[int, Any] = {}
        try:
            self._server = create_server(
                application(models, metrics, options),
                map=self._sockets,
                # waitress opens the address of all of IPv6 for IPv6 only, gRPC for both.
                listen=f"0.0.0.0:{port} [::]:{port}" if host == "::" else host_and_port(host, port),
                threads=threads,
                ident="",
                connection_limit=MOST_CONNECTIONS,
                max_request_body_size=MOST_BODY_BYTES,
                max_request_header_size=MOST_HEADER_BYTES,
            )
        except OSError as error:
            reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise UserError(
                f"the REST port {port} on {host} cannot be opened: {reason}; choose another "
                f"{as_given('--rest_api_port')}"
            ) from error
        self._timeout = options.timeout
        # The requests that are incomplete, and when the first bytes of each were seen.
        self._unfinished: dict[HTTPRequestParser, float] = {}
        self._next_check = 0.0
        self._stop_by: float | None = None
        self._thread = threading.Thread(target=self._serve, name="rest")

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace_seconds: float) -> None:
        """Takes no new connections, and returns when the requests under way are answered or the time is up."""
        self._stop_by = time.monotonic() + grace_seconds
        self._thread.join()

    def _serve(self) -> None:
        while self._stop_by is None:
            self._poll()
            self._make_room()
            self._drop_the_late()
        for listener in [entry for entry in self._sockets.values() if isinstance(entry, BaseWSGIServer)]:
            wasyncore.dispatcher.close(listener)  # its own close would also close what wakes this loop
        while self._is_busy() and time.monotonic() < self._stop_by:
            self._poll()
        self._server.task_dispatcher.shutdown(timeout=_LOOP_SECONDS)
        wasyncore.close_all(self._sockets)

    def _poll(self) -> None:
        wasyncore.loop(timeout=_LOOP_SECONDS, use_poll=True, map=self._sockets, count=1)

    def _make_room(self) -> None:
        surplus = len(self._sockets) - (MOST_CONNECTIONS - ROOM_FOR_CONNECTIONS)
        if surplus <= 0:
            return
        quiet = [channel for channel in self._channels() if not channel.requests and not channel.total_outbufs_len]
        # Of the half that is quiet for longer, those that are in the middle of a request go last. The other half has
        # who has just come, and not had the time to begin one.
        quiet.sort(key=lambda channel: channel.last_activity)
        quiet = quiet[: max(surplus, len(quiet) // 2)]
        quiet.sort(key=lambda channel: channel.request is not None)
        for channel in quiet[:surplus]:
            channel.handle_close()

    def _drop_the_late(self) -> None:
        """Closes the connections of requests that are incomplete after the timeout."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + _SECONDS_BETWEEN_CHECKS
        receiving = {
            channel.request: channel
            for channel in self._channels()
            if channel.request is not None and not channel.requests
        }
        self._unfinished = {request: self._unfinished.get(request, now) for request in receiving}
        for request, began in self._unfinished.items():
            if now - began > self._timeout:
                receiving[request].handle_close()

    def _is_busy(self) -> bool:
        """Whether a request is unanswered, or an answer not fully sent."""
        return any(channel.requests or channel.total_outbufs_len for channel in self._channels())

    def _channels(self) -> list[HTTPChannel]:
        return [entry for entry in self._sockets.values() if isinstance(entry, HTTPChannel)]


def _path(request: Request) -> str:
    """As it was sent, with what follows a question mark: TensorFlow Serving matches all of it, and decodes parts."""
    sent = str(request.environ["REQUEST_URI"])
    return re.sub("^[a-z]+://[^/?#]*", "", sent, flags=re.IGNORECASE) or "/"


def _parts(request: Request) -> dict[str, str | None]:
    """The model, version, label, method and sub-resource in a request's path; nothing for a path the API lacks."""
    pattern = {"POST": _POST, "GET": _GET}.get(request.method)
    matched = pattern.fullmatch(_path(request)) if pattern else None
    parts = matched.groupdict() if matched else {}
    return {name: value and unquote(value) for name, value in parts.items()}


def _body(request: Request) -> bytes:
    """Uncompressed. Of what is no gzip nothing is left, as in TensorFlow Serving.

    Raises StatusError OUT_OF_RANGE where it is larger than MOST_BODY_BYTES.
    """
    sent = request.get_data(cache=False)
    if "gzip" not in request.headers.get("Content-Encoding", ""):
        return sent
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = stream.decompress(sent, MOST_BODY_BYTES + 1)
    except zlib.error:
        return b""
    if len(body) > MOST_BODY_BYTES:
        raise StatusError(StatusCode.OUT_OF_RANGE, f"the body is larger than {MOST_BODY_BYTES} bytes when uncompressed")
    return body if stream.eof else b""


def _preflight(request: Request) -> Response | None:
    """The empty answer to a CORS preflight; None for any other request."""
    if request.method != "OPTIONS":
        return None
    if not re.search("https?://", request.headers.get("Origin", "")):
        raise StatusError(StatusCode.FAILED_PRECONDITION, "Origin header is missing in CORS preflight")
    answer = Response()
    del answer.headers["Content-Type"]
    return answer


def _answer(models: ModelManager, metrics: Metrics, request: Request, options: RestOptions) -> Response:
    parts = _parts(request)
    malformed = invalid_argument(f"Malformed request: {request.method} {_path(request)}")
    if not parts:
        raise malformed
    if not parts["name"]:
        raise invalid_argument("Missing model name in request.")
    spec = ModelSpec(name=parts["name"])
    if parts["version"]:
        if int(parts["version"]) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {parts['version']} to numeric.")
        spec.version.value = int(parts["version"])
    if parts["label"]:
        spec.version_label = parts["label"]
    if request.method == "POST":
        method = parts["method"] or ""
        if method == "predict":
            return _in_json(_predict(models, metrics, spec, _body(request), options.timeout))
        raise not_implemented(method.capitalize()) if method in ("classify", "regress") else malformed
    if parts["subresource"] == "metadata":
        return _in_json(_metadata(models, spec))
    return _in_json(_json(get_model_status(models, GetModelStatusRequest(model_spec=spec))).encode())


def _in_json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type="application/json")


def _predict(models: ModelManager, metrics: Metrics, spec: ModelSpec, body: bytes, timeout: float) -> bytes:
    def find_inputs(signature_name: str) -> dict[str, TensorInfo]:
        name = signature_name or DEFAULT_SIGNATURE
        with models.lease(spec) as (_, model):
            if name not in model.signatures:
                raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
            return dict(model.signatures[name].inputs)

    request = PredictRequest(model_spec=spec)
    row_format = fill_predict_request(body, request, find_inputs)
    prediction = predict(models, request, timeout)
    metrics.add_runtime_latency(spec.name, "Predict", prediction.seconds)
    return prediction_json(prediction, row_format)


def _metadata(models: ModelManager, spec: ModelSpec) -> bytes:
    """Put together from two parts, as in TensorFlow Serving: the whole message's JSON would wrap the signatures."""
    answer = get_model_metadata(models, GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_DEF]))
    signatures = SignatureDefMap()
    answer.metadata[SIGNATURE_DEF].Unpack(signatures)
    parts = {
        "model_spec": json.loads(_json(answer.model_spec)),
        "metadata": {SIGNATURE_DEF: json.loads(_json(signatures))},
    }
    return json.dumps(parts, indent=1).encode()


def _json(message: Message) -> str:
    return json_format.MessageToJson(
        message, indent=1, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
