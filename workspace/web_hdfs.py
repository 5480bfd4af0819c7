"""Hadoop's file system over HTTP, by fsspec's client, but safe.

fsspec's own appends block after block to a file that others see by then, takes for a file's bytes whatever a DataNode
answers, does not look whether a file was renamed, takes what it may not list for empty, and asks once. The operations
are those of "WebHDFS REST API" in Hadoop's documentation.
"""

from __future__ import annotations

import contextlib
import functools
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from fsspec.implementations.webhdfs import WebHDFile, WebHDFS
from requests import Response
from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

# Between one try and the next, where a node is busy or a connection is lost: seconds.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
# What a NameNode says that is about to answer.
_BUSY = ("RetriableException", "SafeModeException", "StandbyException")
_SECONDS_TO_ANSWER = 60
_BYTES = {"Content-Type": "application/octet-stream"}


class WebHdfs(WebHDFS):
    """The same file system, in which a file is written by one request, and what is said no to is an OSError."""

    def _connect(self) -> None:
        super()._connect()
        # All that is asked goes by it.
        self.session.request = functools.partial(_patiently, self.session.request)

    def _call(self, *arguments: Any, **settings: Any) -> Response:
        try:
            return super()._call(*arguments, **settings)
        except (RuntimeError, ValueError) as error:
            raise OSError(str(error)) from error

    def find(self, path: str, detail: bool = False, **_: Any) -> Any:
        """The files in a directory and below, or the file itself; what is not there has none."""
        found, left = {}, [path]
        while left:
            try:
                listed = self.ls(left.pop(), detail=True)
            except FileNotFoundError:
                continue
            for info in listed:
                # Of a file that was asked for itself, the name ends with a slash.
                info["name"] = info["name"].rstrip("/")
                if info["type"] == "directory":
                    left.append(info["name"])
                else:
                    found[info["name"]] = info
        return found if detail else sorted(found)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes from ``start`` to before ``end``."""
        part = {"offset": start or 0, **({} if end is None else {"length": end - (start or 0)})}
        return bytes(self._call("OPEN", path=path, **part).content)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Writes a file. Raises FileExistsError where there is one and ``mode`` is create."""
        self._create(path, value, overwrite=mode != "create")

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Writes a file with the bytes of one of this machine."""
        with Path(lpath).open("rb") as file:
            self._create(rpath, file, overwrite=True)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """A file takes the place of another."""
        try:
            # Without an option, the answer would only say whether it was done.
            self._call("RENAME", method="put", path=path1, destination=path2, renameoptions="OVERWRITE")
        except FileNotFoundError:
            # It was done, if the answer to the first try was lost.
            self.info(path2)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **_: Any) -> WebHDFile:
        return _File(self, path, mode=mode, block_size=block_size or self.blocksize, tempdir="", autocommit=True)

    def _create(self, path: str, content: bytes | BinaryIO, overwrite: bool) -> None:
        flag = "true" if overwrite else "false"
        # The NameNode says which DataNode the bytes are for.
        asked = self._call("CREATE", method="put", path=path, redirect=False, overwrite=flag)
        answer = self.session.put(self._apply_proxy(asked.headers["Location"]), data=content, headers=_BYTES)
        if answer.status_code == 201:
            return
        said = answer.text
        # Of several who create one, those who come while the first writes it are told so.
        if "FileAlreadyExistsException" in said or (not overwrite and "AlreadyBeingCreatedException" in said):
            raise FileExistsError(path)
        if "AccessControlException" in said:
            raise PermissionError(said)
        raise OSError(f"{answer.status_code} {answer.reason} {said}")


class _File(WebHDFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        part: bytes = self.fs.cat_file(self.path, max(start, 0), min(end, self.size))
        return part


def _patiently(request: Callable[..., Response], *arguments: Any, **settings: Any) -> Response:
    """Asks, and asks again where that may help."""
    settings.setdefault("timeout", _SECONDS_TO_ANSWER)
    for pause in PAUSES:
        with contextlib.suppress(ConnectionError, ChunkedEncodingError, Timeout):
            answer = request(*arguments, **settings)
            if not _is_busy(answer):
                return answer
        time.sleep(pause)
        if isinstance(content := settings.get("data"), io.IOBase):
            content.seek(0)
    return request(*arguments, **settings)


def _is_busy(answer: Response) -> bool:
    return answer.status_code in (502, 503, 504) or (not answer.ok and any(name in answer.text for name in _BUSY))
