"""Fetches files from the web, and corpora by their name in the index of mtdata.

A download goes on where it broke off, in the same command or the next, and is taken for whole only if its SHA-256
is the one that the recipe names.
"""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from workspace.errors import UserError
from workspace.storage import read_text, remove, sha256_of

# How often in a row a download may break off, or be refused for the moment, without a byte more.
TRIES = 5
SECONDS_BETWEEN_TRIES = 1.0
SECONDS_TO_CONNECT, SECONDS_WITHOUT_A_BYTE = 30.0, 60.0
_FOR_THE_MOMENT = (429, 500, 502, 503, 504)
_BYTES_AT_A_TIME = 1 << 18

_ANSWERS = {
    401: "asks for a login; download the file by hand and give its path",
    403: "refuses the file; download it by hand and give its path",
    404: "has no such file; check the address",
    410: "no longer has the file; look for another address",
}


def download(url: str, sha256: str | None, path: Path, advance: Callable[[int], object] = lambda size: None) -> None:
    """Fetches ``url`` to ``path``; ``advance`` is told the bytes as they come.

    What an interrupted download brought is kept beside ``path`` and completed by the next call. Raises UserError
    where the file cannot be had or has another SHA-256. Where none is given, the UserError names the one that the
    file has, and the file waits for a call with it.
    """
    partial = path.with_name(f".{path.name}.partial")
    if sha256 is None:
        # It may be of another file under the same address: only the sum would tell that the two do not fit together.
        remove(partial)
    advance(_size(partial))
    with requests.Session() as session:
        session.mount("http://", _retrying())
        session.mount("https://", _retrying())
        with _explained(url):
            _complete(session, url, partial, advance)
    found = sha256_of(partial)
    if sha256 is None:
        raise UserError(f"{url} has SHA-256 {found}; if that is the file you mean, put it into the recipe as sha256")
    if found != sha256.lower():
        remove(partial)
        raise UserError(f"{url} has SHA-256 {found}, not {sha256} as the recipe says; check both, and fetch it again")
    partial.replace(path)


def fetch_mtdata(
    identifier: str, source: Path, target: Path, source_language: str, target_language: str
) -> dict[str, Any]:
    """Fetches a corpus of mtdata's index as two line-aligned files; returns what origin.json says.

    mtdata keeps what it downloads, and its index, in the directory that the variable MTDATA names (~/.mtdata).
    Raises UserError where mtdata is not installed, or knows no such corpus, or cannot fetch it.
    """
    if importlib.util.find_spec("mtdata") is None:
        raise UserError(f"corpus {identifier} needs mtdata; install it with pip install 'rnnsearch[mtdata]'")
    print(f"fetching {identifier} with mtdata", file=sys.stderr, flush=True)
    languages = "-".join(language.replace("-", "_") for language in (source_language, target_language))
    directory = source.parent / ".mtdata"
    try:
        # In a process of its own: mtdata sets up logging for the whole of it.
        command = [sys.executable, "-m", "mtdata", "-no-pb", "get", "--langs", languages, "--train", identifier]
        result = subprocess.run(
            [*command, "--merge", "--out", str(directory)], capture_output=True, text=True, check=False
        )
        if result.returncode:
            said = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
            raise UserError(
                f"mtdata could not fetch {identifier} ({said[-1].strip()}); "
                f"mtdata list --langs {languages} shows those there are"
            )
        signature = read_text(directory / "mtdata.signature.txt")
        # The files are named by codes of three letters, in the order in which the languages were asked for.
        for code, path in zip(_languages_of(signature), (source, target), strict=True):
            (directory / f"train.{code}").replace(path)
        references = read_text(directory / "references.bib")
    finally:
        remove(directory)
    return {"mtdata": identifier, "made_by": signature.splitlines(), "references": references}


def _languages_of(signature: str) -> list[str]:
    """The codes in ``mtdata get -l eng-fra --train …``."""
    words = signature.split()
    return words[words.index("-l") + 1].split("-")


def _complete(session: requests.Session, url: str, partial: Path, advance: Callable[[int], object]) -> None:
    """Fetches until all is there, however often the connection breaks, as long as every try brings more."""
    failures = 0
    while True:
        before = _size(partial)
        try:
            _fetch_rest(session, url, partial, advance)
            return
        except urllib3.exceptions.HTTPError:
            failures = 0 if _size(partial) > before else failures + 1
            if failures == TRIES:
                raise
        time.sleep(SECONDS_BETWEEN_TRIES * 2**failures)


def _fetch_rest(session: requests.Session, url: str, partial: Path, advance: Callable[[int], object]) -> None:
    """Asks once for what is missing, and appends what comes."""
    have = _size(partial)
    # The file as it is: a compressed answer would have other bytes, and another sum.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    timeout = (SECONDS_TO_CONNECT, SECONDS_WITHOUT_A_BYTE)
    with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code == 416 and have:
            # There is nothing beyond what we have; its sum will tell whether it is the right file.
            return
        if response.status_code not in (200, 206):
            answer = _ANSWERS.get(response.status_code, f"says {response.reason}; try again later")
            raise UserError(f"{url}: the server {answer} (HTTP {response.status_code})")
        if response.status_code == 200:
            # The server sends all of it, whether or not it was asked only for the rest.
            advance(-have)
        with partial.open("ab" if response.status_code == 206 else "wb") as file:
            for block in response.raw.stream(_BYTES_AT_A_TIME, decode_content=False):
                file.write(block)
                advance(len(block))


def _retrying() -> HTTPAdapter:
    """Retries what goes wrong before an answer comes."""
    return HTTPAdapter(
        max_retries=urllib3.Retry(
            TRIES,
            connect=2,
            status_forcelist=_FOR_THE_MOMENT,
            backoff_factor=SECONDS_BETWEEN_TRIES,
            raise_on_status=False,
            retry_after_max=60,
        )
    )


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Makes UserErrors of what the libraries say about the network."""
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise UserError(
            f"{url}: the connection broke off, {TRIES} times without a byte more; run the same command again to go on"
        ) from error
    except requests.RequestException as error:
        raise UserError(f"{url}: {_sentence(error)}") from error


def _sentence(error: requests.RequestException) -> str:
    # requests wraps the error of urllib3, and that the last reason for giving up.
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "there is no host of that name; check the address and the network"
    no_connection = f"no connection ({str(reason or error).rpartition(': ')[2]}); check the address and the network"
    # Checked before the timeouts, because urllib3 and requests count it among them.
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return no_connection
    if isinstance(error, requests.Timeout) or isinstance(reason, urllib3.exceptions.TimeoutError):
        return "the server does not answer; try again later"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the server's certificate is not accepted ({reason or error}); check the address and the clock"
    if isinstance(error, requests.ConnectionError):
        return no_connection
    return f"cannot be fetched ({error}); check the address"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
