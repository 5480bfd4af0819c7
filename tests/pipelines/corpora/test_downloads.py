"""Downloads from a real server that breaks off, lies and is busy; and mtdata with a corpus of its own index."""

from __future__ import annotations

import hashlib
import importlib.util
import socket
import sys
from pathlib import Path

import pytest

from pipelines.corpora import downloads
from pipelines.corpora.downloads import download, fetch_mtdata
from tests.pipelines.web_server import CONTENT, SHA256, Server
from tests.requirements import only_in_ci
from workspace.errors import UserError


@pytest.mark.slow
def test_a_whole_file(tmp_path: Path, server: Server) -> None:
    told: list[int] = []
    download(server.url("/whole?x=1"), SHA256.upper(), tmp_path / "file", told.append)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert sum(told) == len(CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path, server: Server) -> None:
    told: list[int] = []
    download(server.url("/broken"), SHA256, tmp_path / "file", told.append)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=400000-", "bytes=800000-"]
    assert sum(told) == len(CONTENT)


@pytest.mark.slow
def test_a_server_without_ranges_is_begun_with_again(tmp_path: Path, server: Server) -> None:
    told: list[int] = []
    download(server.url("/stubborn"), SHA256, tmp_path / "file", told.append)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=100000-", "bytes=200000-"]
    assert sum(told) == len(CONTENT)


@pytest.mark.slow
def test_the_next_command_goes_on(tmp_path: Path, server: Server) -> None:
    def interrupted(size: int) -> None:
        if size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url("/whole"), SHA256, tmp_path / "file", interrupted)
    have = (tmp_path / ".file.partial").stat().st_size
    told: list[int] = []
    download(server.url("/whole"), SHA256, tmp_path / "file", told.append)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges() == [None, f"bytes={have}-"]
    assert (told[0], sum(told)) == (have, len(CONTENT))


@pytest.mark.slow
def test_a_sum_that_is_not_given_is_told(tmp_path: Path, server: Server) -> None:
    """And what was downloaded need not be downloaded again."""
    with pytest.raises(UserError, match=f"has SHA-256 {SHA256}; if that is the file .* into the recipe as sha256"):
        download(server.url("/whole"), None, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    download(server.url("/whole"), SHA256, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=1000000-"]


@pytest.mark.slow
def test_another_file_is_not_taken(tmp_path: Path, server: Server) -> None:
    zeros = hashlib.sha256(bytes(len(CONTENT))).hexdigest()
    with pytest.raises(UserError, match=f"/corrupt has SHA-256 {zeros}, not {SHA256} as the recipe says; check both"):
        download(server.url("/corrupt"), SHA256, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_busy_server_is_asked_again(tmp_path: Path, server: Server) -> None:
    download(server.url("/busy"), SHA256, tmp_path / "file")
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/404", r"the server has no such file; check the address \(HTTP 404\)"),
        ("/403", r"the server refuses the file; download it by hand and give its path \(HTTP 403\)"),
        ("/503", r"the server says Service Unavailable; try again later \(HTTP 503\)"),
        ("/nothing", "the connection broke off, 5 times without a byte more; run the same command"),
        ("/stalled", "the server does not answer; try again later"),
    ],
)
@pytest.mark.slow
def test_a_server_that_does_not_give_the_file(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, path: str, sentence: str
) -> None:
    monkeypatch.setattr(downloads, "SECONDS_WITHOUT_A_BYTE", 0.1)
    with pytest.raises(UserError, match=f"^{server.url(path)}: {sentence}"):
        download(server.url(path), SHA256, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert len(server.asked) <= 6


@pytest.mark.slow
def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "SECONDS_BETWEEN_TRIES", 0.001)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    cases = {
        f"http://127.0.0.1:{port}/a": "no connection .*; check the address and the network",
        "http://no-such-host.invalid/a": "there is no host of that name; check the address and the network",
        "http://": "cannot be fetched .*; check the address",
    }
    for url, sentence in cases.items():
        with pytest.raises(UserError, match=f"^{url}: {sentence}") as error:
            download(url, SHA256, tmp_path / "file")
        assert "\n" not in str(error.value)


with_mtdata = pytest.mark.skipif(importlib.util.find_spec("mtdata") is None, reason="needs the extra mtdata")


@pytest.mark.slow
@only_in_ci
@with_mtdata
def test_mtdata(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own index, with one corpus more: modules mtdata*.py of the current directory may add to it.

    One test, because the index takes mtdata 15 seconds to make and 6 to read.
    """
    monkeypatch.setenv("MTDATA", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mtdata_here.py").write_text(
        "from mtdata.entry import Entry\n"
        f"def load_all(index): index += Entry('Here-numbers-1-fra-eng', {server.url('/lines.tsv')!r}, cols=(1, 0))\n"
    )
    paths = tmp_path / "numbers.en", tmp_path / "numbers.fr"
    said = fetch_mtdata("Here-numbers-1-fra-eng", *paths, "en", "fr")
    assert [path.read_bytes() for path in paths] == [b"one\ntwo\n", b"un\ndeux\n"]
    assert said["mtdata"] == "Here-numbers-1-fra-eng"
    assert "mtdata get -l eng-fra --train Here-numbers-1-fra-eng --merge -o <out-dir>" in said["made_by"]
    with pytest.raises(
        UserError, match=r"could not fetch Here-letters-1-fra-eng \(.*Could not find.*\); mtdata list --langs en-fr"
    ):
        fetch_mtdata("Here-letters-1-fra-eng", *paths, "en", "fr")


@with_mtdata
@pytest.mark.slow
def test_a_name_that_mtdata_cannot_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTDATA", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="mtdata could not fetch europarl"):
        fetch_mtdata("europarl", tmp_path / "a.en", tmp_path / "a.fr", "en", "fr")


def test_mtdata_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mtdata", None)
    with pytest.raises(UserError, match=r"needs mtdata; install it with pip install 'rnnsearch\[mtdata\]'"):
        fetch_mtdata("Here-numbers-1-fra-eng", tmp_path / "a.en", tmp_path / "a.fr", "en", "fr")
