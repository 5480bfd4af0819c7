"""A web server on loopback that breaks off, lies and is busy, by the path it is asked for."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipelines.corpora import downloads

CONTENT = random.Random(1).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LINES = b"one\tun\ntwo\tdeux\n"


class Server(ThreadingHTTPServer):
    """Answers by path; ``asked`` has the path and the Range of every request, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, str | None]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def ranges(self) -> list[str | None]:
        return [given for _, given in self.asked]


class Answer(BaseHTTPRequestHandler):
    """/whole, /broken (a third at a time), /stubborn (the same, from the beginning), /lines, /<status>, /busy, …"""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        given = self.headers.get("Range")
        self.server.asked.append((self.path, given))
        begin = int(given.removeprefix("bytes=").removesuffix("-")) if given else 0
        times = len(self.server.asked)
        if self.path == "/lines.tsv":
            self._send(200, LINES, len(LINES))
        elif self.path == "/stalled":
            time.sleep(1)
        elif self.path == "/busy" and times <= 2:
            self._send(503, b"", 0)
        elif self.path[1:].isdecimal():
            self._send(int(self.path[1:]), b"", 0)
        elif self.path == "/stubborn":
            self._send(200, CONTENT if times == 3 else CONTENT[: 100_000 * times], len(CONTENT))
        elif begin >= len(CONTENT):
            self._send(416, b"", 0)
        else:
            share = {"/broken": 400_000, "/nothing": 0}.get(self.path, len(CONTENT))
            rest = CONTENT[begin:] if self.path != "/corrupt" else bytes(len(CONTENT))
            self._send(206 if given else 200, rest[:share], len(rest))

    def _send(self, status: int, body: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = len(body) < length

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "SECONDS_BETWEEN_TRIES", 0.001)
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield running
        running.shutdown()
