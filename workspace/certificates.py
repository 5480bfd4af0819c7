"""Whether the files of TLS are what they should be: gRPC itself says no more than that a port cannot be opened."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Iterator

from workspace.errors import UserError


def check_certificate(certificate: bytes, key: bytes, certificate_name: str, key_name: str) -> None:
    """Raises UserError where they are not in PEM form, or the key is another certificate's or needs a password."""
    needs_password = False

    def password() -> str:
        nonlocal needs_password
        needs_password = True
        return ""

    with _in_file(certificate) as certificate_file, _in_file(key) as key_file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_file, key_file, password=password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise UserError(
                    f"{key_name} is not the key of {certificate_name}; give those of one another"
                ) from error
            if needs_password:
                raise UserError(f"{key_name} needs a password; give a key that needs none") from error
            if b"PRIVATE KEY" in certificate and b"BEGIN CERTIFICATE" in key:
                raise UserError(f"{certificate_name} and {key_name} have changed places; exchange them") from error
            raise UserError(f"{certificate_name} or {key_name} is not in PEM form; give certificate and key") from error


def check_authority(certificates: bytes, name: str) -> None:
    """Raises UserError where they are no certificates in PEM form."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with _in_file(certificates) as file, contextlib.suppress(ssl.SSLError):
        context.load_verify_locations(file)
    if not context.cert_store_stats()["x509"]:
        raise UserError(f"{name} holds no certificate in PEM form; give that of the authority")


@contextlib.contextmanager
def _in_file(content: bytes) -> Iterator[str]:
    """The name of a file that nobody else may read: OpenSSL takes files only, or what is ASCII, comments too."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name
