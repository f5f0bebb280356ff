"""TLS as this server speaks it: 1.2 and 1.3, forward secrecy, client certificates where their CA is set."""

from __future__ import annotations

import ssl

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
    try:
        made.load_cert_chain(server.tls_certificate, server.tls_key)
        if server.client_ca:
            made.load_verify_locations(server.client_ca)
            # Optional: others have keys or tokens. A certificate that is shown must be of this CA.
            made.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidSettings(f"tls_certificate, tls_key, client_ca: {reason}") from None
    return made
