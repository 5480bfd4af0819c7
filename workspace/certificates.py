"""Whether the files of TLS are what they should be: gRPC itself says no more than that a port cannot be opened."""

from __future__ import annotations

import ssl
import tempfile

from workspace.errors import UserError


def check_certificate(certificate: bytes, key: bytes, certificate_name: str, key_name: str) -> None:
    """Raises UserError where they are not in PEM form, or the key is another certificate's or needs a password."""
    needs_password = False

    def password() -> str:
        nonlocal needs_password
        needs_password = True
        return ""

    with tempfile.NamedTemporaryFile() as both:  # nobody else may read it; OpenSSL takes files only
        both.write(certificate + b"\n" + key)
        both.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(both.name, password=password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise UserError(
                    f"{key_name} is not the key of {certificate_name}; give those of one another"
                ) from error
            if needs_password:
                raise UserError(f"{key_name} needs a password; give a key that needs none") from error
            raise UserError(f"{certificate_name} or {key_name} is not in PEM form; give certificate and key") from error


def check_authority(certificates: bytes, name: str) -> None:
    """Raises UserError where they are no certificates in PEM form."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates.decode("utf-8"))
    except (ssl.SSLError, ValueError) as error:
        raise UserError(f"{name} holds no certificate in PEM form; give that of the authority") from error
