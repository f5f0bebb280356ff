"""What must be there before the server listens."""

from __future__ import annotations

from contextlib import closing

from govid.config import Settings
from govid.errors import InvalidSettings
from govid.store.keys import KeyStore
from govid.store.opening import open_store
from server.access.settings import AccessSettings
from server.settings import ServerSettings


def check(settings: Settings, server: ServerSettings, access: AccessSettings) -> None:
    """Refuse to serve others than this machine without TLS, or where nobody could authenticate.

    Raises:
        InvalidSettings: it would; the detail says what is missing.
        OperatorError: the records, which have the keys, cannot be opened.
    """
    server.check()
    access.check()
    if not server.exposed or access.jwks or access.client_parties:
        return
    with closing(open_store(settings)) as store:
        if not any(key.state == "active" for key in KeyStore(store.database).all()):
            raise InvalidSettings(
                "others than this machine could connect, and nobody could authenticate: make a key by "
                "`govid keys create`, or set jwks or client_parties"
            )
