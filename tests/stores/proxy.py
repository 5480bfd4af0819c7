"""A proxy in front of a store that counts what is asked of it, and has the faults that stores have."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from workspace.machine import LOOPBACK

# What S3 says no with: the status, and the code in the body.
ACCESS_DENIED = 403, "AccessDenied"
SLOW_DOWN = 503, "SlowDown"
NO_SUCH_BUCKET = 404, "NoSuchBucket"
EXPIRED_TOKEN = 400, "ExpiredToken"
CLOCK_SKEW = 403, "RequestTimeTooSkewed"
WRONG_SIGNATURE = 403, "SignatureDoesNotMatch"
ELSEWHERE = 301, "PermanentRedirect"
SIGNED_FOR_ANOTHER_REGION = 400, "AuthorizationHeaderMalformed"

_BLOCK = 1 << 16
# Of one connection, not of what goes over it.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


class Proxy(ThreadingHTTPServer):
    """Hands on what it is asked to a store, but for the faults.

    requests: how many, by method. refused: how many of them were not handed on.
    refusing: what to answer everything with, a status and S3's code of an error; None is nothing.
    only: of what has this in its path; "" is all.
    left: how many requests are handed on before that.
    every: of this many requests, one is answered ``503 SlowDown``; 0 is none.
    losing: of this many requests, one is broken off when it is done: half of the answer's body comes, or where it has
    none, nothing at all; 0 is none.
    All may be changed while it runs.
    """

    daemon_threads = True
    # The clients of a store open many connections at once.
    request_queue_size = 128

    def __init__(self, store: str) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.store = urlsplit(store).netloc
        self.requests: Counter[str] = Counter()
        self.refused = 0
        self.refusing: tuple[int, str] | None = None
        self.only = ""
        self.left = 0
        self.every = 0
        self.losing = 0
        self._count = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}"

    def fault(self, method: str, path: str) -> tuple[int, str] | None:
        """Counts a request; gives what to refuse it with, where (0, "") is a connection to break off."""
        with self._count:
            self.requests[method] += 1
            number = self.requests.total()
            fault = self.refusing if self.left == 0 and self.only in urlsplit(path).path else None
            self.left = max(self.left - 1, 0)
            if fault is None and self.losing and number % self.losing == 0:
                fault = 0, ""
            if fault is None and self.every and number % self.every == 0:
                fault = SLOW_DOWN
            self.refused += fault is not None
            return fault

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client or a store that goes away is nothing to print."""


@contextlib.contextmanager
def proxy_of(store: str) -> Iterator[Proxy]:
    """A proxy in front of the store at the URL ``store``, on a thread of this process while the body runs."""
    with Proxy(store) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"
    # Or every answer would wait for what acknowledges the one before.
    disable_nagle_algorithm = True

    def handle_request(self) -> None:
        fault = self.server.fault(self.command, self.path)
        body = self._body()
        if fault is not None and fault[0]:
            self._refuse(*fault)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        store = http.client.HTTPConnection(self.server.store, timeout=120)
        with contextlib.closing(store):
            # The Host is the client's, for that is what it signed.
            store.request(self.command, self.path, body, headers)
            answer = store.getresponse()
            content = answer.read()
        if fault is not None:
            self.close_connection = True
            if not content:
                return
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(content)))
        self.end_headers()
        self.wfile.write(content if fault is None else content[: len(content) // 2])

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_request  # noqa: N815  the names that it looks for

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _refuse(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, *arguments: Any) -> None:
        """Nothing is printed of what is asked."""
