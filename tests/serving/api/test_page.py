"""How the page is given out; what it does in a browser is in tests/serving/web."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import pytest

import serving
from tests.serving.support import DEADLINE, Running

WEB = Path(serving.__file__).parent / "web"
MOST_BYTES = 100_000


def get(server: Running, path: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.rest_port}{path}", headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(WEB.iterdir()), ids=lambda file: file.name)
def test_its_files_are_at_the_root(numbers_server: Running, file: Path) -> None:
    status, headers, body = get(numbers_server, f"/{file.name}")
    assert (status, body) == (200, file.read_bytes())
    types = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert headers.get_content_type() == types[file.suffix]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert get(numbers_server, f"/{file.name}", **{"If-None-Match": headers["ETag"]})[0] == 304
    assert get(numbers_server, f"/{file.name}", "HEAD")[2] == b""


@pytest.mark.slow
def test_the_root_is_the_page(numbers_server: Running) -> None:
    assert get(numbers_server, "/")[2] == get(numbers_server, "/?model=numbers")[2] == (WEB / "index.html").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/../api/page.py", "/..%2fapi%2fpage.py", "//main.js", "/main.js/", "/.", "/v2"])
def test_nothing_else_is_there(numbers_server: Running, path: str) -> None:
    assert get(numbers_server, path)[0] == 404


@pytest.mark.slow
def test_nobody_writes_to_it(numbers_server: Running) -> None:
    assert numbers_server.rest("POST", "/", "{}")[0] == 404


@pytest.mark.slow
def test_it_says_the_same_policy_wherever_it_comes_from(numbers_server: Running) -> None:
    """Any web server may give it out; only that no page may frame it takes a header."""
    (said,) = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', (WEB / "index.html").read_text())
    assert get(numbers_server, "/")[1]["Content-Security-Policy"] == f"{said}; frame-ancestors 'none'"


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in WEB.iterdir()) < MOST_BYTES
