"""What is said of files of TLS that are not what they should be."""

from __future__ import annotations

import pytest
import trustme

from workspace.certificates import check_authority, check_certificate
from workspace.errors import UserError

COMMENT = "# Autorité de certification, 認証局\n".encode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def pair(authority: trustme.CA) -> tuple[bytes, bytes]:
    """A certificate and its key."""
    issued = authority.issue_cert("localhost")
    return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()


def test_comments_are_no_matter(authority: trustme.CA, pair: tuple[bytes, bytes]) -> None:
    check_authority(COMMENT + authority.cert_pem.bytes() + COMMENT, "ca")
    check_certificate(COMMENT + pair[0], COMMENT + pair[1], "certificate", "key")


def test_both_may_be_in_one_file(pair: tuple[bytes, bytes]) -> None:
    check_certificate(pair[0] + pair[1], pair[0] + pair[1], "both", "both")


def test_changed_places_are_said(pair: tuple[bytes, bytes]) -> None:
    with pytest.raises(UserError, match=r"^a\.pem and b\.pem have changed places; exchange them$"):
        check_certificate(pair[1], pair[0], "a.pem", "b.pem")


@pytest.mark.parametrize("wrong", [b"", COMMENT, b"\x30\x82\x01", "# My project — überall".encode()])
def test_what_is_no_certificate_is_named(wrong: bytes, pair: tuple[bytes, bytes]) -> None:
    with pytest.raises(UserError, match=r"^README\.md holds no certificate in PEM form"):
        check_authority(wrong, "README.md")
    for certificate, key in ((wrong, pair[1]), (pair[0], wrong), (pair[0], pair[0]), (pair[1], pair[1])):
        with pytest.raises(UserError, match=r"^a or b is not in PEM form; give certificate and key$"):
            check_certificate(certificate, key, "a", "b")
    with pytest.raises(UserError, match=r"^the key holds no certificate in PEM form"):
        check_authority(pair[1], "the key")
