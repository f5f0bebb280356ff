"""``govid backup`` and ``govid restore``: all of an installation, and the way back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from govid import config
from govid.commands import audit_file
from govid.commands.context import json_option, minute, read_json, settings_of, show, store
from govid.errors import BackupBroken, ErasuresUnknown

if TYPE_CHECKING:
    from govid.backup.afterwards import Afterwards
    from govid.backup.manifest import Manifest
    from govid.backup.restore import Restored
    from govid.ledger.signing import Verifier

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_keys_option = click.option(
    "--keys",
    type=_FILE,
    help="Published JWK set (GET /v1/receipts/keys), not the backup's own. Default: the signing key here.",
)


@click.group(name="backup")
def backup_group() -> None:
    """Copy the whole installation while it runs, and check such a copy."""


@backup_group.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--with-keys",
    "keys_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the private keys to this file, mode 0600. Keep it apart: with both, all faces are open.",
)
@json_option
@click.pass_context
def create(context: click.Context, /, folder: Path, keys_file: Path | None, as_json: bool) -> None:
    """Make a backup in the new folder FOLDER. Private keys are not in it."""
    from govid.backup.create import create as make
    from govid.backup.keys import check_place
    from govid.backup.keys import save as save_keys

    chosen = settings_of(context)
    if keys_file:
        check_place(keys_file)
    made = make(folder, chosen)
    names = save_keys(keys_file, chosen) if keys_file else []
    text = f"{folder}: {_summary(made)}\n" + (
        f"{keys_file}: private keys {', '.join(names)}; keep it apart from the backup"
        if keys_file
        else f"Private keys are not in it: keep {chosen.keys_dir} apart (--with-keys FILE)"
    )
    show(made, as_json, text)


@backup_group.command()
@click.argument("folder", type=_FOLDER)
@_keys_option
@json_option
@click.pass_context
def verify(context: click.Context, /, folder: Path, keys: Path | None, as_json: bool) -> None:
    """Check signature, digests and the chain of the audit, without a server; fails if anything is wrong."""
    from govid.backup.verify import verify as check

    found = check(folder, _trusted(settings_of(context), keys))
    show(found, as_json, f"intact  {_summary(found)}")


@click.command(name="restore")
@click.argument("folder", type=_FOLDER)
@click.option("--data-dir", help="The new data folder; it may hold models and keys, and nothing else.")
@_keys_option
@click.option("--private-keys", type=_FILE, help="File of `govid backup create --with-keys`.")
@click.option(
    "--newer-audit",
    type=_FILE,
    help="Export (`govid audit export`) from after the backup: who was erased since, is again.",
)
@click.option(
    "--erasures",
    "erasures_file",
    type=_FILE,
    help="keys/erasures.jws of the installation, newer than the backup: who is in it, is erased again.",
)
@click.option("--none-erased", is_flag=True, help="It is certain that nobody was erased since the backup.")
@json_option
@click.pass_context
def restore_command(
    context: click.Context,
    /,
    folder: Path,
    data_dir: str | None,
    keys: Path | None,
    private_keys: Path | None,
    newer_audit: Path | None,
    erasures_file: Path | None,
    none_erased: bool,
    as_json: bool,
) -> None:
    """Put the backup in FOLDER into an empty data folder (and, with GOVID_STORE_URL, an empty database).

    Erasures after the backup are done again: name the file that has them.
    """
    from govid.backup.keys import read as read_private_keys
    from govid.backup.restore import check_place, restore
    from govid.backup.verify import verify as check
    from govid.vault.journal import read as read_erasures

    chosen = settings_of(context)
    if data_dir is not None:
        chosen = msgspec.structs.replace(chosen, data_dir=data_dir)
    if none_erased and (newer_audit or erasures_file):
        raise click.UsageError("--none-erased excludes --erasures and --newer-audit")
    kept = read_private_keys(private_keys) if private_keys else {}
    trusted = _trusted(chosen, keys, kept.get("signing.pem"))
    found = check(folder, trusted)
    check_place(chosen, found)
    if not newer_audit and not erasures_file and not none_erased:
        raise ErasuresUnknown
    afterwards = _afterwards(found, newer_audit, trusted)
    if erasures_file:
        afterwards.receipts = read_erasures(erasures_file, trusted)
        kept[chosen.erasures_file.name] = erasures_file.read_bytes()
    done = restore(folder, found, chosen, afterwards, private_keys=kept)
    show(done, as_json, _restored(done, chosen))


def _afterwards(found: Manifest, newer_audit: Path | None, trusted: Verifier) -> Afterwards:
    from govid.backup import afterwards

    if newer_audit is None:
        return afterwards.Afterwards()
    rows, statements = audit_file.links(newer_audit), audit_file.checkpoints(newer_audit)
    return afterwards.since(found.moment, rows, statements, trusted)


def _trusted(chosen: config.Settings, keys: Path | None, private_key: bytes | None = None) -> Verifier:
    """Keys from elsewhere than the backup: it must not vouch for itself."""
    from govid.ledger.rotation import current_signer
    from govid.ledger.signing import is_missing, load_signer, parsed_signer, read_verifier
    from govid.store.audit import AuditLog

    if keys:
        return read_verifier(read_json(keys))
    if private_key:
        return parsed_signer(private_key).verifier
    if is_missing(chosen.signing_key):
        raise BackupBroken("no key is here that could have signed it: name the published ones by --keys")
    if chosen.database.exists():
        with store(chosen) as records:
            return current_signer(chosen.signing_key, AuditLog(records.database), create=False).verifier
    return load_signer(chosen.signing_key, create=False).verifier


def _summary(found: Manifest) -> str:
    moment = found.moment
    size = sum(file.bytes for file in found.files.values())
    return (
        f"{moment.subjects} subjects, {moment.references} references, "
        f"audit up to row {moment.audit_position}, {size / 1e6:.1f} MB, "
        f"made {minute(found.iat)} UTC by govid {found.version}"
    )


def _restored(done: Restored, chosen: config.Settings) -> str:
    from govid.retention import LONGEST_SILENCE

    lines = [
        f"restored {done.subjects} subjects and {done.references} references"
        f" as of {minute(done.made_at)} UTC",
        f"{done.erased} subjects and references that were erased since are erased again",
        *(
            f"enrol again {name!r}: an erased reference was the only one in the backup"
            for name in done.to_enrol
        ),
        "Now check:",
        "  govid audit verify      the chain; rows after the backup are gone: keep what was published",
        f"  govid keys list         {done.active_keys} keys are valid: revoke again those revoked since",
        f"  {Path(chosen.data_dir) / 'settings.toml'}   settings of then, without secrets (GOVID_CONFIG)",
    ]
    if done.missing_key:
        lines.append(
            f"  {chosen.signing_key}   bring the signing key {done.missing_key}: no server starts without "
            "it; a new one, which would prove nothing of earlier receipts, is not made"
        )
    if _lacks_models(chosen):
        lines.append("  govid models pull       with those settings: no backup holds models")
    if time.time() - done.made_at > LONGEST_SILENCE:
        lines.append(
            "  govid retention run --trust-clock   the backup is so old that nothing is erased before"
        )
    if chosen.gallery_url:
        lines.append("  govid gallery rebuild   the shared gallery is of another store")
    return "\n".join([*lines, "Then start the servers, and enrol again who was enrolled since the backup."])


def _lacks_models(chosen: config.Settings) -> bool:
    from govid import models, profiles
    from govid.errors import OperatorError

    try:
        for spec in profiles.models_of(chosen):
            models.verified(spec, chosen.models_dir)
    except OperatorError:
        return True
    return False
