"""What is the case where a server gives no answer, from what gRPC says of it.

gRPC has one status, UNAVAILABLE, for a port where nobody listens, one that speaks something else, a proxy in between
and a certificate that it does not trust; only its words tell them apart.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import re
import socket
import time
from collections.abc import Iterator

import grpc

from workspace.errors import UserError
from workspace.layout import DEFAULT_ADDRESS, DEFAULT_WORK, TOO_MANY_TEXTS, WorkDirectory
from workspace.machine import LAST_PORT

# RESOURCE_EXHAUSTED for other reasons, which asking again does not mend; and UNAVAILABLE for want of room in a queue.
_TOO_LARGE = re.compile(r"larger than max|OOM|allocat")
_FULL = re.compile(r"scheduling queue .* is full")

_MOST_TEXTS = re.compile(r"larger than maximum (?:input )?batch size (\d+)|" + TOO_MANY_TEXTS.format(r"(\d+)"))

_HOST_AND_PORT = re.compile(r"(?:dns:(?:///)?)?(\[[^\]]+\]|[^][:/,\s]+):(\d{1,5})")
_OTHER_FORM = re.compile(r"(?:unix|unix-abstract|ipv4|ipv6|vsock|xds|dns):.+")
_WEB = re.compile(r"([a-z0-9+]+)://([^/]*)", re.IGNORECASE)

# As gRPC reads them, the first that is set.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_NO_PROXY = ("no_grpc_proxy", "no_proxy")

_SPEAKS_HTTP = "HTTP is spoken there, not gRPC; give the port of its gRPC, not that of REST"
_IS_NO_SERVER = "what answers there is no server of gRPC; give the host and port of one"
_SPEAKS_NO_TLS = "it speaks no TLS; leave out --tls and the files of TLS"
_HANGS_UP = {
    False: "somebody listens there, but hangs up; it may speak TLS (--tls)",
    True: "somebody listens there, but hangs up; it may want a client's certificate (--tls-certificate), or have one "
    "that --tls-authority has not signed",
}
_HAS_COME_UP = "it has just come up; ask again"
_HTTP_2 = b"\0"  # of the length of the settings, which a server of HTTP/2 says first
# Words of gRPC, and what is the case where it says them.
_WORDS = (
    (
        "CERTIFICATE_VERIFY_FAILED: ([^:]+)",
        "its certificate does not pass ({}); give who signed it with --tls-authority, or the server a valid one",
    ),
    (
        "Hostname Verification|Peer name",
        "its certificate is for a host of another name; give the name that is in the certificate",
    ),
    ("WRONG_VERSION_NUMBER|HTTP_REQUEST", _SPEAKS_NO_TLS),
    ("andshake failed(.*)", "TLS fails{}; check --tls-authority, --tls-certificate and --tls-key"),
    ("http1", _SPEAKS_HTTP),
    ("parsing HTTP/2", _IS_NO_SERVER),
    ("resol", "no host of this name is known; check it"),
)


def check_address(address: str) -> None:
    """Raises UserError for what cannot be the address of a server's gRPC."""
    host, port = _host_and_port(address)
    if host and not 0 < port <= LAST_PORT:
        raise UserError(f"{address}: there is no port {port}; choose one from 1 to {LAST_PORT}")
    if host or _OTHER_FORM.fullmatch(address):
        return
    if web := _WEB.match(address):
        tls = ", and speak TLS (--tls)" if web[1].lower() == "https" else ""
        raise UserError(
            f"{address}: gRPC takes no {web[1]}://; give host:port, such as {web[2] or 'localhost:8500'}{tls}"
        )
    raise UserError(f"{address!r} is no address of a server; give host:port, such as localhost:8500")


def is_on_this_machine(address: str) -> bool:
    """Whether the address is one of the loopback interface, to which no proxy leads."""
    host, _ = _host_and_port(address)
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def most_texts(details: str) -> int | None:
    """How many texts a request may have, where one was refused for having more: by a batching server, or the model."""
    found = _MOST_TEXTS.search(details)
    return int(found[1] or found[2]) if found else None


def is_busy(error: grpc.RpcError) -> bool:
    """Whether the server has refused the call for having too much to do, so that it may be asked again later."""
    details = error.details() or ""
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return not _TOO_LARGE.search(details)
    return error.code() is grpc.StatusCode.UNAVAILABLE and bool(_FULL.search(details))


def has_come_up(error: grpc.RpcError, address: str, tls: bool) -> bool:
    """Whether the call was refused, but by now there is a server, which may be waited for. Takes seconds at worst."""
    is_refused = error.code() is grpc.StatusCode.UNAVAILABLE and "refused" in (error.details() or "")
    if not is_refused or tls or _proxy(address):
        return False
    return (_words_of(address) or b"").startswith(_HTTP_2)


def pauses(deadline: float) -> Iterator[float]:
    """Seconds to wait before a busy server is asked again: longer each time, and at random, so that those who were
    refused together do not come back together. They end before ``deadline``, by ``time.monotonic``."""
    longest = 0.1
    while time.monotonic() + (pause := random.uniform(0.5, 1.0) * longest) < deadline:
        yield pause
        longest = min(2 * longest, 1.0)


def how_to_start(address: str, work: WorkDirectory | None) -> str:
    """What to do where no server is: the command, of the work directory where it is known, for that port."""
    port, default = (_host_and_port(each)[1] for each in (address, DEFAULT_ADDRESS))
    command = (work or WorkDirectory(DEFAULT_WORK)).command("serve")
    return f"start one with {command}" + (f" PORT={port}" if port not in (0, default) else "")


def unavailable(address: str, details: str, tls: bool, work: WorkDirectory | None) -> str:
    """The sentence for a call that ended UNAVAILABLE with these ``details``."""
    nobody = f"no server answers at {address}"
    for words, why in _WORDS:
        if found := re.search(words, details):
            return f"{nobody}: {why.format(*found.groups())}"
    reason = details.rpartition("last error: ")[2]
    if proxy := _proxy(address):
        why = f"the proxy of {proxy}={os.environ[proxy]} was asked for it ({reason}); does its host belong in no_proxy?"
    elif "closed" in reason or "reset" in reason:
        why = _HANGS_UP[tls]
    elif "refused" in reason:
        why = _of_what_listens(address, tls) or how_to_start(address, work)
    else:
        why = f"{reason}; {how_to_start(address, work)}"
    return f"{nobody}: {why}"


def _of_what_listens(address: str, tls: bool) -> str | None:
    """Of a refused connection: gRPC says that also where another of the addresses that the name has is not refused, and
    of a server that has come up since. None where nobody listens."""
    said = _words_of(address)
    if said is None:
        return None
    if said == b"HTTP/":
        return _SPEAKS_HTTP
    if said.startswith(_HTTP_2):
        return _SPEAKS_NO_TLS if tls else _HAS_COME_UP
    if said:
        return _IS_NO_SERVER
    return f"{_HANGS_UP[tls]}; or it has just come up: then ask again"


def _words_of(address: str) -> bytes | None:
    """What is said first by whoever listens there, nothing where it hangs up or stays silent; None where nobody
    listens."""
    host, port = _host_and_port(address)
    try:
        listening = socket.create_connection((host.strip("[]"), port), timeout=1)
    except OSError:
        return None
    with listening, contextlib.suppress(OSError):
        listening.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return listening.recv(5)
    return b""


def _proxy(address: str) -> str | None:
    """The variable of the proxy by which gRPC connects, if any."""
    host, _ = _host_and_port(address)
    spared = next((value for name in _NO_PROXY if (value := os.environ.get(name))), "").split(",")
    if is_on_this_machine(address) or any(host.endswith(entry.strip()) for entry in spared if entry.strip()):
        return None
    return next((name for name in _PROXIES if os.environ.get(name)), None)


def _host_and_port(address: str) -> tuple[str, int]:
    """Empty and 0 where the address has another form."""
    found = _HOST_AND_PORT.fullmatch(address)
    return (found[1], int(found[2])) if found else ("", 0)
