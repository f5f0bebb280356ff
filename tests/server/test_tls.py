"""A file of TLS that does not do is named, and a key never asks for its password."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from govid.errors import InvalidSettings
from server import tls
from server.settings import ServerSettings
from tests.server.access import Authority


def refused(certificate: Path, key: Path, ca: Path | str = "") -> str:
    settings = ServerSettings(tls_certificate=str(certificate), tls_key=str(key), client_ca=str(ca))
    with pytest.raises(InvalidSettings) as error:
        tls.context(settings)
    return error.value.detail


def test_the_file_that_does_not_do_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key, _ = authority.issue("localhost")
    other = authority.issue("other")[1]
    nowhere = tmp_path / "nowhere"
    assert refused(nowhere, key) == f"tls_certificate {nowhere}: No such file or directory"
    assert refused(certificate, nowhere) == f"tls_key {nowhere}: No such file or directory"
    assert refused(certificate, key, nowhere) == f"client_ca {nowhere}: No such file or directory"
    assert f"tls_key {certificate}: no certificate and its key" in refused(certificate, certificate)
    assert "mismatch" in refused(certificate, other).lower()
    assert f"client_ca {key}: no certificate in PEM" in refused(certificate, key, key)
    made = tls.context(
        ServerSettings(tls_certificate=str(certificate), tls_key=str(key), client_ca=str(authority.file))
    )
    assert made is not None


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    certificate, key, _ = Authority(tmp_path).issue("localhost")
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        plain.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "without a password" in refused(certificate, key)
