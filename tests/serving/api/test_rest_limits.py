"""Clients that send too much, too slowly or not at all, beside one that wants an answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.api import rest
from serving.api.memory import resident_bytes
from serving.api.rest import MOST_BODY_BYTES, MOST_CONNECTIONS, MOST_HEADER_BYTES
from serving.client.translator import Translator
from tests.serving.support import DEADLINE, Running, eventually, running

pytestmark = pytest.mark.slow

PATH = "/v1/models/rnnsearch:predict"
BODY = b'{"instances": ["a"]}'
REQUEST = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (PATH.encode(), len(BODY), BODY)


@pytest.fixture(scope="module")
def server(text_model: Path) -> Iterator[Running]:
    with running(text_model, "rnnsearch", rest_api_timeout_in_ms=1000, rest_api_num_threads=2) as server:
        yield server


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.rest_port), timeout=DEADLINE)


def is_answered(server: Running) -> bool:
    status, body = server.rest("POST", PATH, BODY.decode())
    return status == 200 and "one:a" in body


def is_closed(connection: socket.socket) -> bool:
    """Waits until the server says something or hangs up; true where it said nothing."""
    with connection:
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("sent", [b"", b"POST /v1/mod", REQUEST[:-1]], ids=["nothing", "half a header", "half a body"])
def test_whoever_does_not_go_on_sending_is_dropped_and_holds_up_nobody(server: Running, sent: bytes) -> None:
    slow = [connect(server) for _ in range(50)]
    for connection in slow:
        connection.sendall(sent)
    assert is_answered(server)
    if sent:
        assert all(is_closed(connection) for connection in slow)
    else:  # an idle connection may still be used
        with slow[0] as connection:
            connection.sendall(REQUEST)
            assert connection.recv(12) == b"HTTP/1.1 200"
        for connection in slow[1:]:
            connection.close()


def test_a_byte_now_and_then_does_not_keep_a_connection(server: Running) -> None:
    began = time.monotonic()
    with connect(server) as connection, pytest.raises(OSError, match=r"Broken pipe|reset"):
        for number in range(len(REQUEST)):
            connection.sendall(REQUEST[number : number + 1])
            time.sleep(0.1)
    assert time.monotonic() - began < 5


def test_a_connection_that_is_kept_between_requests_is_not_late(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=DEADLINE)
    for pause in (2.5, 0):
        connection.request("POST", PATH, BODY)
        assert connection.getresponse().read().startswith(b'{\n    "predictions"')
        connected = connection.sock
        time.sleep(pause)
    assert connection.sock is connected is not None
    connection.close()


def test_too_large_a_header(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /v1/models/rnnsearch HTTP/1.1\r\nX: " + b"x" * MOST_HEADER_BYTES)
        assert connection.recv(12).split()[1] == b"431"
    assert is_answered(server)


def test_too_large_a_body_is_refused_before_it_is_sent(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall(REQUEST.replace(b"Length: %d" % len(BODY), b"Length: %d" % (MOST_BODY_BYTES + 1)))
        assert connection.recv(12).split()[1] == b"413"
    assert is_answered(server)


def test_large_requests_leave_no_memory_behind(server: Running) -> None:
    body = json.dumps({"instances": ["x" * 30_000_000]})
    assert server.rest("POST", "/v1/models/none:predict", body)[0] == 404
    before = resident_bytes()
    for _ in range(6):
        assert server.rest("POST", "/v1/models/none:predict", body)[0] == 404
    eventually(lambda: resident_bytes() < before + 100_000_000)


def test_idle_connections_give_way(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were quiet for longest; not one that is in the middle of a request."""
    monkeypatch.setattr(rest, "ROOM_FOR_CONNECTIONS", MOST_CONNECTIONS - 60)
    with connect(server) as first, connect(server) as busy, contextlib.ExitStack() as idle:
        first.sendall(REQUEST)
        assert first.recv(12) == b"HTTP/1.1 200"
        busy.sendall(REQUEST[:-1])
        for _ in range(200):
            idle.enter_context(connect(server))
        assert is_answered(server)
        first.settimeout(DEADLINE)
        while first.recv(1000):
            pass
        busy.sendall(REQUEST[-1:])
        assert busy.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("sent", [b"POST /v1/mod", REQUEST[:-1]], ids=["half a header", "half a body"])
def test_whoever_comes_is_let_in_among_those_who_do_not_go_on(
    text_model: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Of whom the longest quiet gives way, though all are in the middle of a request."""
    monkeypatch.setattr(rest, "ROOM_FOR_CONNECTIONS", MOST_CONNECTIONS - 60)
    with running(text_model, "rnnsearch", rest_api_timeout_in_ms=60_000) as server, contextlib.ExitStack() as slow:
        connections = []
        for _ in range(100):
            connections.append(slow.enter_context(connect(server)))
            connections[-1].sendall(sent)
        for _ in range(5):
            with connect(server) as newcomer:
                time.sleep(0.3)  # which is long for a client that has connected, and nothing to those who wait
                newcomer.sendall(REQUEST)
                assert newcomer.recv(12) == b"HTTP/1.1 200"
        assert is_closed(connections[0])
        connections[-1].sendall(REQUEST[len(sent) :])
        assert connections[-1].recv(12) == b"HTTP/1.1 200"


def test_every_address_is_that_of_both_families(text_model: Path) -> None:
    with running(text_model, "rnnsearch", host="::") as server:
        for host in ("127.0.0.1", "[::1]"):
            with urllib.request.urlopen(
                f"http://{host}:{server.rest_port}/v1/models/rnnsearch", timeout=DEADLINE
            ) as answer:
                assert "AVAILABLE" in answer.read().decode()
            with Translator(f"{host}:{server.server.port}") as translator:
                assert translator.translate("t").text == "one:t"
        assert server.server.describe().endswith(
            f"gRPC at [::]:{server.server.port}, REST at http://[::]:{server.rest_port}"
        )
