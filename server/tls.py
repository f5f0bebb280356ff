"""TLS as this server speaks it: 1.2 and 1.3, forward secrecy, client certificates where their CA is set."""

from __future__ import annotations

import ssl
from pathlib import Path

from govid.errors import InvalidSettings
from server.settings import ServerSettings


def context(server: ServerSettings) -> ssl.SSLContext | None:
    """The server's context; None where no certificate is set.

    Raises:
        InvalidSettings: a file cannot be read, or certificate and key do not belong together.
    """
    if not server.tls:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    made.options |= ssl.OP_NO_RENEGOTIATION
    for name in ("tls_certificate", "tls_key", "client_ca"):
        _check_readable(name, getattr(server, name))
    try:
        # A key with a password would ask for it on the terminal, if there is one.
        made.load_cert_chain(server.tls_certificate, server.tls_key, password="")
    except (ssl.SSLError, OSError) as error:
        raise InvalidSettings(
            f"tls_certificate {server.tls_certificate}, tls_key {server.tls_key}: no certificate and its key "
            f"without a password, in PEM: {error.strerror or error}"
        ) from None
    if server.client_ca:
        try:
            made.load_verify_locations(server.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise InvalidSettings(
                f"client_ca {server.client_ca}: no certificate in PEM: {error.strerror or error}"
            ) from None
        # Optional: others have keys or tokens. A certificate that is shown must be of this CA.
        made.verify_mode = ssl.CERT_OPTIONAL
    return made


def _check_readable(name: str, file: str) -> None:
    """OpenSSL says that a file is missing, and not which."""
    try:
        if file:
            Path(file).open("rb").close()
    except OSError as error:
        raise InvalidSettings(f"{name} {file}: {error.strerror}") from None
