"""The stores that are reached over the network: fsspec's file systems, and in one sentence what is wrong with them.

Rights and addresses are the stores' own affair: each has its conventions in environment variables and files
(AWS_PROFILE and AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS and STORAGE_EMULATOR_HOST, HADOOP_USER_NAME), which
are read by its client, and nothing of them is said or written here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workspace.errors import UserError
from workspace.locations import Location, RemotePath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# Lists of a directory are never kept: other machines write, too.
_FRESH = {"use_listings_cache": False}
# Botocore tries again by itself, with pauses that grow, where a store is busy or a connection is lost.
_RETRIES = {"retries": {"mode": "standard", "max_attempts": 10}, "connect_timeout": 10, "read_timeout": 60}
_EXTRAS = {"s3": "s3", "gs": "gcs", "hdfs": "hdfs", "webhdfs": "hdfs"}


def file_system(location: RemotePath) -> tuple[AbstractFileSystem, str]:
    """The file system of a store, and what it calls the place. Raises UserError where its client is not installed."""
    scheme, _, host = location.store.partition("://")
    options: dict[str, Any] = dict(_FRESH)
    path = str(location.path)
    if scheme in ("s3", "gs"):
        path = f"{host}{path}".rstrip("/")
        if scheme == "s3":
            options["config_kwargs"] = _RETRIES
    else:
        options.update(_host_of(host))
    try:
        import fsspec  # noqa: PLC0415  most paths are of this machine

        return fsspec.filesystem(scheme, **options), path
    except ImportError as error:
        extra = _EXTRAS[scheme]
        raise UserError(
            f"{location}: what reads {scheme}:// is not installed; install the project with the extra [{extra}], as in "
            f"pip install '.[all,{extra}]'"
        ) from error


def _host_of(text: str) -> dict[str, Any]:
    user, _, address = text.rpartition("@")
    host, _, port = address.partition(":")
    user = user or os.environ.get("HADOOP_USER_NAME", "")
    return {"host": host, **({"port": int(port)} if port else {}), **({"user": user} if user else {})}


@contextlib.contextmanager
def told(location: Location) -> Iterator[None]:
    """Around what is done with a store: what it says no with becomes a UserError of one sentence; that something is not
    there stays a FileNotFoundError."""
    if not isinstance(location, RemotePath):
        yield
        return
    try:
        yield
    except (UserError, FileNotFoundError):
        raise
    except PermissionError as error:
        raise UserError(f"no permission for {location}; check the credentials and the rights there") from error
    except Exception as error:
        if not _is_of_a_store(error):
            raise
        raise UserError(f"{location} cannot be reached ({' '.join(str(error).split())}); check its address") from error


def _is_of_a_store(error: Exception) -> bool:
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in (
        "aiohttp",
        "botocore",
        "gcsfs",
        "google",
        "requests",
        "urllib3",
    )
