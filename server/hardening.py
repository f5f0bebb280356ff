"""What an installation lacks before faces of a nation are entrusted to it, each with its remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509

from govid.callers import Scope, Sight
from govid.config import Settings, open_to_others
from govid.errors import GovidError
from govid.keys import ApiKey
from govid.store.keys import KeyStore
from govid.store.opening import open_store, store_url
from server import files, machine, tls
from server.access.certificates import Parties
from server.access.settings import AccessSettings, is_loopback
from server.settings import ServerSettings

_ASKING = {Scope.VERIFY, Scope.IDENTIFY, Scope.ENROL}
_DAYS_OF_CERTIFICATE = 30
_FAST = 10


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
        *_database(settings),
        *_guesses(settings, access),
        *_files(settings, server, access),
        *_encryption(settings),
        *_ledger(settings, server),
        *_operation(settings, server, access),
        *machine.missing(),
    ]


def _transport(server: ServerSettings) -> Iterator[str]:
    if not server.tls and not server.behind_proxy:
        yield "no TLS: set tls_certificate and tls_key, or put a proxy in front and set behind_proxy"
    try:
        server.check()
        tls.context(server)
    except GovidError as error:
        yield f"the server would not start: {error.detail}"
        return
    if server.tls:
        certificate = x509.load_pem_x509_certificate(Path(server.tls_certificate).read_bytes())
        if (left := (certificate.not_valid_after_utc - datetime.now(UTC)).days) < _DAYS_OF_CERTIFICATE:
            yield f"tls_certificate ends in {left} days: put a new one there and start anew"


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
        if Scope.AUDIT in key.caller.scopes and key.caller.scopes & _ASKING:
            yield f"{who} may ask and read the audit of it: make one key for each, by --scope"
        if key.caller.sees is Sight.EXACT:
            yield f"{who} is shown exact scores, which help to climb to a face: make another without --sees"


def _database(settings: Settings) -> Iterator[str]:
    try:
        url = store_url(settings)
    except GovidError:
        return  # named as a problem already
    if not url:
        return
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    hosts = [host for host in (asked.get("host") or parts.netloc.rpartition("@")[2]).split(",") if host]
    away = [host for host in hosts if not host.startswith(("/", "%2F")) and not is_loopback(_name(host))]
    if away and asked.get("sslmode", os.environ.get("PGSSLMODE", "")) != "verify-full":
        yield f"store_url: faces travel to {', '.join(away)} with TLS unchecked or none: sslmode=verify-full"
    if parts.password and not settings.store_url_file:
        yield "store_url holds a password that the environment shows: set store_url_file instead"


def _name(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _guesses(settings: Settings, access: AccessSettings) -> Iterator[str]:
    usual, usual_access = Settings(), AccessSettings()
    if settings.lockout_attempts > usual.lockout_attempts:
        yield (
            f"lockout_attempts is {settings.lockout_attempts}: {usual.lockout_attempts} are allowed "
            "without a liveness check (NIST SP 800-63B)"
        )
    for name in ("lockout_window_seconds", "lockout_lock_seconds"):
        if (chosen := getattr(settings, name)) < (least := getattr(usual, name)):
            yield f"{name} is {chosen:g}: each shorter lock leaves more guesses a day; set it to {least:g}"
    if access.requests_per_second > _FAST * usual_access.requests_per_second:
        yield (
            f"requests_per_second is {access.requests_per_second:g}: so often may a stolen key ask; "
            "set what your busiest relying party needs"
        )
    if not any(settings.use_cases.glob("*.toml")):
        yield (
            "no use case of your own, so the shipped rates decide: write down yours in "
            f"{settings.use_cases}, see docs/policies.md"
        )


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
    for path in (Path(path) for path in private if path):
        if (seen := _seen(path)) and open_to_others(seen):
            yield f"{path} can be read or written by others: chmod go-rwx"
    for path in (Path(path) for path in unwritable if path):
        if (seen := _seen(path)) and seen.st_mode & 0o022 and not os.statvfs(path).f_flag & os.ST_RDONLY:
            yield f"{path} can be written by others: chmod go-w"


def _seen(path: Path) -> os.stat_result | None:
    """None where nothing is, or nothing that this user may look at: who loads it says so."""
    try:
        return path.stat()
    except OSError:
        return None


def _encryption(settings: Settings) -> Iterator[str]:
    keys, records = settings.encryption_key_file, settings.database
    key, record = _seen(keys), _seen(records)
    if not settings.encryption_keys and key and record and key.st_dev == record.st_dev:
        yield (
            f"{keys} lies on the file system of the records, and whoever copies that has the keys to the "
            "faces: set encryption_keys_file to another volume"
        )
    if settings.gallery_snapshot == "clear":
        yield "gallery_snapshot is `clear`: faces lie on the disk without encryption"


def _ledger(settings: Settings, server: ServerSettings) -> Iterator[str]:
    if Path(settings.data_dir).resolve() in settings.signing_key.resolve().parents:
        yield (
            "the signing key lies beside the records, and who has both can rewrite the audit: "
            "put it elsewhere, signing_key_file"
        )
    if server.audit_checkpoint_seconds > ServerSettings().audit_checkpoint_seconds:
        yield (
            f"audit_checkpoint_seconds is {server.audit_checkpoint_seconds:g}: rows behind the last "
            "checkpoint can be cut off; set at most 3600"
        )
    if not server.webhook_url:
        yield "nobody is told of complaints: set webhook_url and webhook_secret_file"


def _operation(settings: Settings, server: ServerSettings, access: AccessSettings) -> Iterator[str]:
    try:
        files.provide(server.worker_count)
    except GovidError as error:
        yield f"the server would not start: {error.detail}"
    if settings.on_duplicate == "report":
        yield "on_duplicate is `report`: a second identity of one person is enrolled all the same; set `hold`"
    if server.log_level == "debug":
        yield "log_level is `debug`, which says more than an operator needs: set `info`"
    if access.open_metrics:
        yield "open_metrics: anybody who reaches the server may count its decisions; unset it"
    if access.open_schema:
        yield "open_schema: anybody who reaches the server may read what it can do; unset it"
