"""The stores that are reached over the network: fsspec's file systems, and in one sentence what is wrong with them.

Rights and addresses are the stores' own affair: each has its conventions in environment variables and files
(AWS_PROFILE and AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS and STORAGE_EMULATOR_HOST, HADOOP_USER_NAME), which
are read by its client, and nothing of them is said or written here.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workspace.errors import UserError
from workspace.locations import HOST, Location, RemotePath

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# Lists of a directory are never kept: other machines write, too.
_FRESH = {"use_listings_cache": False}
# Of S3. Where a store is busy or a connection is lost, its client tries again, with pauses that grow: half a minute.
_TIMES = {"mode": "standard", "max_attempts": 6}
_EXTRAS = {"s3": "s3", "gs": "gcs", "hdfs": "hdfs", "webhdfs": "hdfs"}


class StoreError(UserError):
    """A store, or what is to reach it, says no to everything, and not only to what concerns one place in it."""


def file_system(location: RemotePath) -> tuple[AbstractFileSystem, str]:
    """The file system of a store, and what it calls the place. Raises StoreError where its client is not installed."""
    scheme, _, host = location.store.partition("://")
    options: dict[str, Any] = dict(_FRESH)
    path = str(location.path)
    if scheme in ("s3", "gs"):
        path = f"{host}{path}".rstrip("/")
        if scheme == "s3":
            retries = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"retries": _TIMES}
            options["config_kwargs"] = {"connect_timeout": 10, "read_timeout": 60, **retries}
        elif os.environ.get("STORAGE_EMULATOR_HOST"):
            # As Google's own clients have it. Else every machine's and network's credentials would be tried first.
            options["token"] = "anon"
    else:
        options.update(_host_of(host))
    try:
        if scheme == "webhdfs":
            from workspace.web_hdfs import WebHdfs  # noqa: PLC0415  most paths are of this machine

            return WebHdfs(**options), path
        import fsspec  # noqa: PLC0415

        system = fsspec.filesystem(scheme, **options)
    except ImportError as error:
        extra = _EXTRAS[scheme]
        raise StoreError(
            f"{location}: what reads {scheme}:// is not installed; install the project with the extra [{extra}], as in "
            f"pip install '.[all,{extra}]'"
        ) from error
    # They print tracebacks of what they raise.
    for name in ("fsspec", "gcsfs", "aiobotocore"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return system, path


def _host_of(text: str) -> dict[str, Any]:
    found = HOST.fullmatch(text)
    assert found is not None, text
    user, host, port = found.groups()
    user = user or os.environ.get("HADOOP_USER_NAME")
    return {"host": host, **({"port": int(port)} if port else {}), **({"user": user} if user else {})}


@contextlib.contextmanager
def told(location: Location) -> Iterator[None]:
    """Around what is done with a store: what it says no with becomes a UserError of one sentence, where that concerns
    the whole store a StoreError; that something is not there stays a FileNotFoundError, and that something is there a
    FileExistsError."""
    if not isinstance(location, RemotePath):
        yield
        return
    try:
        yield
    except (UserError, FileExistsError):
        raise
    except Exception as error:
        if not _is_of_a_store(error):
            raise
        signs = _signs(error)
        if not signs.isdisjoint(_WITHOUT_A_REASON) and location.scheme == "s3":
            signs |= _reason(location)
        if isinstance(error, FileNotFoundError) and location.scheme == "gs" and not _has_its_bucket(location):
            signs.add("NoSuchBucket")
        told_with = {
            "location": location,
            "store": location.store,
            "words": " ".join(_QUERY.sub("", str(error)).split()),
            **_CONVENTIONS[location.scheme],
        }
        for sentences, kind in ((_OF_THE_STORE, StoreError), (_OF_THE_PLACE, UserError)):
            for known, sentence in sentences:
                if not signs.isdisjoint(known):
                    raise kind(sentence.format(**told_with)) from error
        if isinstance(error, FileNotFoundError):
            # As the system says it of a path.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(location)) from error
        raise UserError(_ANYTHING_ELSE.format(**told_with)) from error


_ANYTHING_ELSE = (
    "{location} cannot be read or written ({words}); check what is said of it, and run the same command again"
)
# What was asked may have secrets.
_QUERY = re.compile(r"\?\S+")
_NO_LONGER_SO_LONG = re.compile(r"requested range cannot be satisfied|Offset=\d+ out of the range")
# What botocore says of an endpoint that is no URL, as a ValueError.
_NO_ADDRESS = "Invalid endpoint: "
# Answers to HEAD have no body that would say more.
_WITHOUT_A_REASON = {"400", "403"}
_CONVENTIONS = {
    "s3": {"credentials": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE", "address": "AWS_ENDPOINT_URL"},
    "gs": {"credentials": "GOOGLE_APPLICATION_CREDENTIALS", "address": "STORAGE_EMULATOR_HOST where it is set"},
    "hdfs": {"credentials": "HADOOP_USER_NAME", "address": "its host and port"},
    "webhdfs": {"credentials": "HADOOP_USER_NAME", "address": "its host and port"},
}
CHANGED = "{location} changed while it was read; run the same command again"
_OF_THE_STORE = (
    (
        {"NoSuchBucket"},
        "there is no bucket {store}; make it, or check its name and {address}",
    ),
    (
        # Of a redirection, botocore asks the same place for the region, and is redirected.
        {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "RecursionError"},
        "{store} is in another region, or at another address; set AWS_DEFAULT_REGION to its region, or check {address}",
    ),
    (
        {"RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"},
        "{store} refuses requests, because the clock of this machine is wrong; set it right, and run the same command "
        "again to go on",
    ),
    (
        {
            *("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RefreshError", "TokenRetrievalError"),
            # Of a session of single sign-on.
            *("UnauthorizedSSOTokenError", "SSOTokenLoadError", "LoginRefreshRequired", "LoginTokenLoadError"),
        },
        "the credentials for {store} have expired; renew them, and run the same command again to go on",
    ),
    (
        {"no address"},
        "the address of {store} is no URL ({words}); {address} begins with http:// or https://",
    ),
    (
        {"ProfileNotFound", "CredentialRetrievalError", "ConfigNotFound", "ConfigParseError", "InvalidConfigError"},
        "{store}: {words}; check AWS_PROFILE, and the files of credentials where profiles are",
    ),
    (
        {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"},
        "there are no credentials for {store}; set {credentials}",
    ),
    (
        {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId", "401"},
        "{store} does not know the credentials; check {credentials}",
    ),
    (
        {"SlowDown", "ServiceUnavailable", "503", "429"},
        "{store} stayed too busy to answer; run the same command again to go on",
    ),
    (
        {
            "ClientConnectorError",
            "ConnectTimeoutError",
            "ConnectionClosedError",
            "ConnectionError",
            "EndpointConnectionError",
            "FSTimeoutError",
            "ReadTimeoutError",
            "ServerDisconnectedError",
            "Timeout",
        },
        "nothing answers for {store}; check the network, and {address}",
    ),
    (
        {"no libhdfs"},
        "{location} needs Hadoop's own client (libhdfs), which is not on this machine; install Hadoop and set "
        "HADOOP_HOME, or give its web address, as in webhdfs://host:9870/",
    ),
)
_OF_THE_PLACE = (
    (
        {"PermissionError", "AccessDenied", "403"},
        "no permission for {location}; ask for rights there, or use other credentials ({credentials})",
    ),
    (
        {"changed"},
        CHANGED,
    ),
)


def _signs(error: BaseException | None) -> set[str]:
    """What an error, and those it came from, are called: their kinds, and the stores' own codes."""
    signs: set[str] = set()
    seen: set[int] = set()
    # What was handled before by us is another matter.
    while error is not None and id(error) not in seen and not isinstance(error, (UserError, FileExistsError)):
        seen.add(id(error))
        signs.update(kind.__name__ for kind in type(error).__mro__)
        answer = getattr(error, "response", None)
        if isinstance(answer, dict):
            signs.add(str(answer.get("Error", {}).get("Code", "")))
        elif answer is not None:
            signs.add(str(answer.status_code))
        signs.add(str(getattr(error, "code", "")))
        words = str(error)
        if "libhdfs" in words or "libjvm" in words:
            signs.add("no libhdfs")
        if words.startswith(_NO_ADDRESS):
            signs.add("no address")
        if words.startswith("Forbidden"):
            signs.add("403")
        if getattr(error, "errno", None) == errno.EBUSY or _NO_LONGER_SO_LONG.search(words):
            signs.add("changed")
        error = error.__cause__ or error.__context__
    return signs


def _reason(location: RemotePath) -> set[str]:
    """Why S3 refuses a HEAD, by asking for a list of nothing."""
    system, path = file_system(location)
    bucket, _, key = path.partition("/")
    try:
        system.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, MaxKeys=1)
    except Exception as error:
        return _signs(error)
    return set()


def _has_its_bucket(location: RemotePath) -> bool:
    """False only where it is known that there is none: of Google's, the answer is the same as for a missing file."""
    system, path = file_system(location)
    try:
        system.info(path.partition("/")[0])
    except FileNotFoundError:
        return False
    except Exception:
        pass
    return True


def _is_of_a_store(error: Exception) -> bool:
    if isinstance(error, OSError):
        # Of this machine, where what is uploaded is read, and what is downloaded is written.
        return error.filename is None and error.errno != errno.ENOSPC
    module = type(error).__module__.partition(".")[0]
    return (
        isinstance(error, RecursionError)
        or str(error).startswith(_NO_ADDRESS)
        or module
        in (
            "aiohttp",
            "botocore",
            "fsspec",
            "gcsfs",
            "google",
            "requests",
            "urllib3",
        )
    )
