"""What an installation lacks before faces of a nation are entrusted to it, each with its remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from govid.callers import Sight
from govid.config import Settings
from govid.errors import GovidError
from govid.keys import ApiKey
from govid.store.keys import KeyStore
from govid.store.opening import open_store
from server import tls
from server.access.certificates import Parties
from server.access.settings import AccessSettings
from server.settings import ServerSettings


def missing(settings: Settings, server: ServerSettings, access: AccessSettings) -> list[str]:
    """A line for each missing piece; empty if none is known."""
    try:
        with closing(open_store(settings)) as store:
            keys = [key for key in KeyStore(store.database).all() if key.state == "active"]
    except GovidError:
        keys = []  # named as a problem already
    return [
        *_transport(server),
        *_authentication(access, keys),
        *_keys(keys),
        *_files(settings, server, access),
        *_encryption(settings),
        *_operation(settings, server, access),
    ]


def _transport(server: ServerSettings) -> Iterator[str]:
    if not server.tls and not server.behind_proxy:
        yield "no TLS: set tls_certificate and tls_key, or put a proxy in front and set behind_proxy"
    try:
        server.check()
        tls.context(server)
    except GovidError as error:
        yield f"the server would not start: {error.detail}"


def _authentication(access: AccessSettings, keys: list[ApiKey]) -> Iterator[str]:
    if not (keys or access.jwks or access.client_parties):
        yield "no authentication: anybody on this machine may ask anything; `govid keys create`"
    elif access.authentication != "required":
        yield "authentication is `auto`: set it to `required`, so that an empty data folder opens nothing"
    try:
        access.check()
        Parties(access)
    except GovidError as error:
        yield f"the server would not start: {error.detail}"


def _keys(keys: list[ApiKey]) -> Iterator[str]:
    for key in keys:
        who = f"key {key.key_id} of {key.caller.name}"
        if key.expires_at is None:
            yield f"{who} never expires: revoke it, and make another one with --expires"
        if key.caller.use_cases is None:
            yield f"{who} may name every use case: make another one with --use-case"
        if key.caller.sees is Sight.EXACT:
            yield f"{who} is shown exact scores, which helps to climb towards a face"


def _files(settings: Settings, server: ServerSettings, access: AccessSettings) -> Iterator[str]:
    private: list[str | Path] = [
        settings.data_dir,
        settings.database,
        settings.store_url_file,
        settings.signing_key,
        settings.encryption_key_file,
        settings.erasures_file,
        settings.gallery_token_file,
        server.tls_key,
        server.webhook_secret_file,
    ]
    unwritable: list[str | Path] = [server.tls_certificate, server.client_ca, access.client_parties]
    unwritable += [settings.use_cases, *settings.use_cases.glob("*.toml")]
    unwritable += [access.jwks] if "://" not in access.jwks else []
    for paths, forbidden, others in ((private, 0o077, "read or written"), (unwritable, 0o022, "written")):
        for path in (Path(path) for path in paths if path):
            if path.exists() and path.stat().st_mode & forbidden:
                yield f"{path} can be {others} by others: chmod {'go-rwx' if forbidden & 0o044 else 'go-w'}"


def _encryption(settings: Settings) -> Iterator[str]:
    keys, records = settings.encryption_key_file, settings.database
    there = not settings.encryption_keys and keys.exists() and records.exists()
    if there and keys.stat().st_dev == records.stat().st_dev:
        yield (
            f"{keys} lies on the file system of the records, and whoever copies that has the keys to the "
            "faces: set encryption_keys_file to another volume"
        )
    if settings.gallery_snapshot == "clear":
        yield "gallery_snapshot is `clear`: faces lie on the disk without encryption"


def _operation(settings: Settings, server: ServerSettings, access: AccessSettings) -> Iterator[str]:
    if os.geteuid() == 0:
        yield "run by root: give the server a user of its own"
    if settings.on_duplicate == "report":
        yield "on_duplicate is `report`: a second identity of one person is enrolled all the same"
    if server.log_level == "debug":
        yield "log_level is `debug`"
    if access.open_metrics:
        yield "open_metrics: anybody who reaches the server may count its decisions"
