"""Where something is: a path of this machine, or a place in a store that is reached over the network.

    work/bible                          this machine: pathlib's Path
    s3://bucket/work/bible              Amazon's S3, and whatever speaks as it does
    gs://bucket/work/bible              Google Cloud Storage
    hdfs://host:8020/work/bible         Hadoop's file system, by its own client
    webhdfs://host:9870/work/bible      the same, over HTTP

Both kinds are joined and taken apart in the same way. What is there is read and written by ``workspace.storage`` only.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias, TypeVar

from workspace.errors import UserError

SCHEMES = ("s3", "gs", "hdfs", "webhdfs")
# Of Hadoop's file system: user, host and port, where only the host must be given.
HOST = re.compile(r"(?:([^@]*)@)?(\[[^]]+\]|[^:@]+)(?::(\d{1,5}))?")
_MARK = "://"


@dataclass(frozen=True, order=True)
class RemotePath:
    """A place in a store: ``store`` is ``scheme://bucket`` or ``scheme://host:port``, ``path`` begins with a slash.

    What pathlib calls by these names is so called here. No path of the system's: ``open`` refuses it.
    """

    store: str
    path: PurePosixPath

    def __str__(self) -> str:
        return self.store if self.path == _ROOT else f"{self.store}{self.path}"

    def __truediv__(self, below: str | PurePosixPath) -> RemotePath:
        return RemotePath(self.store, self.path / below)

    @property
    def scheme(self) -> str:
        return self.store.partition(_MARK)[0]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def suffix(self) -> str:
        return self.path.suffix

    @property
    def parent(self) -> RemotePath:
        return RemotePath(self.store, self.path.parent)

    @property
    def parents(self) -> list[RemotePath]:
        return [RemotePath(self.store, parent) for parent in self.path.parents]

    def with_name(self, name: str) -> RemotePath:
        return RemotePath(self.store, self.path.with_name(name))

    def relative_to(self, above: RemotePath) -> PurePosixPath:
        """Raises ValueError where it is not below ``above``."""
        if self.store != above.store:
            raise ValueError(f"{self} is not below {above}")
        return self.path.relative_to(above.path)


Location: TypeAlias = Path | RemotePath

Where = TypeVar("Where", Path, RemotePath, Location)

_ROOT = PurePosixPath("/")


def located(text: str | Location) -> Location:
    """What a path or a URL names. Raises UserError for a kind of URL that nothing here reads."""
    if not isinstance(text, str):
        return text
    if not is_url(text):
        kind, colon, path = text.partition(":")
        if colon and kind in SCHEMES:
            raise UserError(f"{text} is neither a path nor a URL; write {kind}{_MARK}{path.lstrip('/')}")
        return Path(text)
    scheme, _, rest = text.partition(_MARK)
    if scheme == "file":
        return Path(rest)
    store, _, path = rest.partition("/")
    if ":" in store.rpartition("@")[0]:
        raise UserError(
            f"the password in a URL that begins with {scheme}{_MARK} would be seen in files and messages; leave it to "
            "the environment variables and files that the store's own client reads"
        )
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}{_MARK}" for known in SCHEMES)
        raise UserError(f"{text}: there are no files by {scheme}{_MARK}; give a path, or one of {known}")
    if not store:
        raise UserError(f"{text} names no {'bucket' if scheme in ('s3', 'gs') else 'host'}; write it after {_MARK}")
    if scheme not in ("s3", "gs") and not HOST.fullmatch(store):
        raise UserError(f"{text}: {store} is no address; write host:port, as in webhdfs://namenode:9870/work")
    return RemotePath(f"{scheme}{_MARK}{store}", PurePosixPath(posixpath.normpath(_ROOT / path.strip("/"))))


def relative(location: Location, directory: Location) -> str:
    """How one place is reached from another, with slashes; ``..`` goes up."""
    return posixpath.relpath(*(PurePosixPath(str(each)).as_posix() for each in (location, directory)))


def reached(directory: Where, name: str) -> Where:
    """The place that ``relative`` said how to reach."""
    if isinstance(directory, RemotePath):
        return RemotePath(directory.store, PurePosixPath(posixpath.normpath(directory.path / name)))
    return Path(posixpath.normpath(directory / name))


def absolute(location: Location) -> Location:
    """The same place, whatever directory a process is in."""
    return location.absolute() if isinstance(location, Path) else location


def address_of(location: Location) -> str:
    """Its URL, which a browser opens if it is of this machine."""
    return location.resolve().as_uri() if isinstance(location, Path) else str(location)


def is_url(text: str) -> bool:
    """Whether a text is a URL, of any kind, and not a path of this machine."""
    return _MARK in text


def is_remote(location: Location) -> bool:
    """Whether it is in a store, and not on this machine."""
    return isinstance(location, RemotePath)
