"""The card of the served version at /card of the REST port."""

from __future__ import annotations

import shutil
import urllib.request
from pathlib import Path

import pytest

from tests.serving.support import eventually, running
from workspace.layout import model_card_of

pytestmark = pytest.mark.slow


def write_card(version: Path, text: str) -> None:
    path = model_card_of(version, "html")
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")


def test_the_card_is_that_of_the_version_that_is_served(text_model: Path, tmp_path: Path) -> None:
    base = tmp_path / "export"
    shutil.copytree(text_model, base)
    with running(base, "rnnsearch") as server:
        assert server.rest("GET", "/card")[0] == 404  # a version of before there were cards
        write_card(base / "1", "<p>één</p>")
        with urllib.request.urlopen(f"http://127.0.0.1:{server.rest_port}/card", timeout=20) as answer:
            assert answer.read().decode() == "<p>één</p>"
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            policy = answer.headers["Content-Security-Policy"].split("; ")
            assert {"default-src 'none'", "style-src 'unsafe-inline'", "form-action 'none'"} <= set(policy)
        assert server.rest("HEAD", "/card") == (200, "")
        for method, path in (("POST", "/card"), ("GET", "/card/"), ("GET", "/card/1"), ("GET", "/../card")):
            assert server.rest(method, path)[0] == 404
        shutil.copytree(base / "1", tmp_path / "2")
        model_card_of(tmp_path / "2", "html").write_text("two", encoding="utf-8")
        (tmp_path / "2").rename(base / "2")
        eventually(lambda: server.rest("GET", "/card") == (200, "two"))
        shutil.rmtree(base / "2" / "assets.extra")
        assert server.rest("GET", "/card")[0] == 404


def test_a_server_of_another_model_has_no_card(text_model: Path, tmp_path: Path) -> None:
    base = tmp_path / "export"
    shutil.copytree(text_model, base)
    write_card(base / "1", "one")
    with running(base, "other") as server:
        assert server.rest("GET", "/card")[0] == 404
