"""Make a backup."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import msgspec

from govid import __version__, config, profiles
from govid.backup import manifest
from govid.backup.copiers import copier_of
from govid.backup.manifest import Manifest
from govid.errors import BackupFailed, TargetNotEmpty
from govid.ledger.rotation import current_signer
from govid.ledger.signing import ISSUER
from govid.store.audit import AuditLog
from govid.store.opening import open_store

# A password, or an address that may hold one. Files with secrets are named, not copied.
_LEFT_OUT = frozenset({"store_url", "webhook_url", "encryption_keys", "data_dir"})
_PARTS = (("calibrations", "*.json"), ("use_cases", "*.toml"))


def create(folder: Path, settings: config.Settings) -> Manifest:
    """Make a backup in a folder that does not exist yet. Servers go on meanwhile.

    Raises:
        TargetNotEmpty: the folder exists.
        BackupFailed, OperatorError: it could not be made; nothing is left behind.
    """
    if folder.exists():
        raise TargetNotEmpty(f"{folder}: it exists")
    copier = copier_of(settings)
    # Under another name until it is whole: what is called a backup is one.
    draft = folder.with_name(f".{folder.name}.unfinished")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        config.private_folder(draft.parent)
        draft.mkdir(mode=0o700)
        store = open_store(settings)
        try:
            signer = current_signer(settings.signing_key, AuditLog(store.database))
        finally:
            store.close()
        moment = copier.save(draft / copier.file)
        for name, pattern in _PARTS:
            _copied(_source(settings, name), pattern, draft / name)
        (draft / "settings.toml").write_text(_given(), encoding="utf-8")
        (draft / "keys.json").write_bytes(msgspec.json.encode(signer.verifier.jwks()))
        made = Manifest(
            iss=ISSUER,
            iat=int(time.time()),
            version=__version__,
            records=copier.file,
            moment=moment,
            signed_by=signer.key_id,
            models={model.model_id: model.digest for model in profiles.models_of(settings)},
            files=manifest.described(draft),
        )
        (draft / manifest.NAME).write_text(signer.sign(manifest.KIND, made))
        for path in draft.rglob("*"):
            _synced(path)
        draft.rename(folder)
        _synced(folder.parent)
    except OSError as error:
        raise BackupFailed(f"{error.filename}: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return made


def _source(settings: config.Settings, name: str) -> Path:
    return settings.use_cases if name == "use_cases" else settings.calibrations_dir


def _copied(source: Path, pattern: str, target: Path) -> None:
    for path in sorted(source.glob(pattern)):
        target.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(path, target / path.name)


def _given() -> str:
    """What the operator has set, for engine and server, as TOML."""
    lines = {
        # JSON's texts, numbers, truth values and lists are TOML's, too.
        name: f"{name} = {msgspec.json.encode(value).decode()}\n"
        for name, value, _ in config.given(os.environ)
        if name not in _LEFT_OUT
    }
    return "# Settings of the backup, without secrets and the data folder.\n" + "".join(lines.values())


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
