"""``govid vault``: the keys that templates are sealed with, and erasures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from govid.commands.context import json_option, settings_of, show, store
from govid.errors import InvalidSettings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(name="vault")
def vault_group() -> None:
    """The keys that templates are sealed with: where they are, rotation, erasure."""


@vault_group.command()
@json_option
@click.pass_context
def status(context: click.Context, /, as_json: bool) -> None:
    """Which keys seal how much; fails if a template lies in clear."""
    from govid.vault import rotation

    with store(settings_of(context)) as records:
        found = rotation.status(records.database, records.vault)
    lines = [f"keys    {found.keys}", f"current {found.current_key}"]
    lines += [f"wraps   {key_id}: {count} subjects" for key_id, count in found.subjects_by_key.items()]
    lines += [f"unused  {key_id}: `govid vault destroy {key_id}` ends it" for key_id in found.unused_keys]
    lines.append("sealed" if found.sealed else f"NOT SEALED: {found.clear_references} templates lie in clear")
    show(found, as_json, "\n".join(lines))
    if not found.sealed:
        sys.exit(1)


@vault_group.command()
@json_option
@click.pass_context
def encrypt(context: click.Context, /, as_json: bool) -> None:
    """Seal the templates of a store from before there were keys, as its first start would.

    Stop the servers of the older govid before. A template that lies in clear later was written by one of
    them, or by somebody who should not: this command seals it, too.
    """
    from govid.vault import initial

    with _progress(as_json) as progress, store(settings_of(context)) as records:
        # To open the store has sealed an old one already; what it says goes to the log.
        sealed = initial.seal_clear(records.database, records.vault, progress)
        if sealed:
            initial.rewrite(records.database)
    show({"sealed": sealed}, as_json, f"{sealed} templates sealed; none lies in clear")


@vault_group.command()
@click.option("--prepare", is_flag=True, help="Only make the key: copy the file to all servers, then rotate.")
@click.option("--no-new-key", is_flag=True, help="Wrap with the current key, which you put there yourself.")
@json_option
@click.pass_context
def rotate(context: click.Context, /, prepare: bool, no_new_key: bool, as_json: bool) -> None:
    """Make a new key and wrap every data key with it; the same command goes on after a stop.

    The old key stays until `govid vault destroy`: backups from before the rotation need it.
    """
    from govid.vault import rotation
    from govid.vault.keys import FileKeys

    if prepare and no_new_key:
        raise click.UsageError("--prepare and --no-new-key do not go together")
    with _progress(as_json) as progress, store(settings_of(context)) as records:
        keys, database = records.vault.keys, records.database
        if prepare:
            key_id = keys.create()
            show({"prepared": key_id}, as_json, f"{key_id} is prepared; `govid vault rotate` uses it")
            return
        if not no_new_key and not rotation.unfinished(database, records.vault):
            prepared = keys.prepared() if isinstance(keys, FileKeys) else None
            rotation.adopt(database, records.vault, prepared or keys.create())
        wrapped = rotation.rewrap(database, records.vault, progress)
        found = rotation.status(database, records.vault)
    text = f"{wrapped} data keys wrapped with {found.current_key}"
    show({"wrapped": wrapped, "current_key": found.current_key}, as_json, text)


@vault_group.command()
@click.argument("key_id")
@json_option
@click.pass_context
def destroy(context: click.Context, /, key_id: str, as_json: bool) -> None:
    """Destroy KEY_ID, which wraps nothing any more; backups from before the rotation cannot be read again."""
    from govid.vault import rotation

    with store(settings_of(context)) as records:
        rotation.destroy(records.database, records.vault, key_id)
    show({"destroyed": key_id}, as_json, f"{key_id} is destroyed")


@vault_group.command()
@click.argument("file", type=_FILE, required=False)
@json_option
@click.pass_context
def replay(context: click.Context, /, file: Path | None, as_json: bool) -> None:
    """After a backup was restored: erase again what FILE says was erased since (default: the file here)."""
    from govid.ledger.rotation import current_signer
    from govid.store.audit import AuditLog
    from govid.vault import journal

    chosen = settings_of(context)
    with store(chosen) as records:
        signer = current_signer(chosen.signing_key, AuditLog(records.database), create=False)
        receipts = journal.read(file or chosen.erasures_file, signer.verifier)
        back = journal.replay(records, receipts)
    erased = [one.subject_id for one in back if one.reference_id is None]
    references = [one.reference_id for one in back if one.reference_id is not None]
    lines = [f"{len(back)} of {len(receipts)} erased subjects and references were back; gone again"]
    to_enrol = journal.to_enrol(back)
    lines += [
        f"enrol again {name!r}: an erased reference was the only one in the backup" for name in to_enrol
    ]
    show(
        {"erased": erased, "references": references, "to_enrol": to_enrol},
        as_json,
        "\n".join(lines),
    )


@vault_group.command(name="verify-receipt")
@click.argument("file", type=_FILE)
@click.option(
    "--keys", type=_FILE, required=True, help="JWK set of the installation (GET /v1/receipts/keys)."
)
@json_option
def verify_receipt(file: Path, keys: Path, as_json: bool) -> None:
    """Check the receipt of an erasure in FILE, without a database; fails if it is none."""
    from govid.ledger import erasures
    from govid.ledger.signing import read_verifier

    try:
        jwks = msgspec.json.decode(keys.read_bytes(), type=dict)
    except msgspec.MsgspecError:
        raise InvalidSettings(f"{keys}: not a JSON object") from None
    found = erasures.read(read_verifier(jwks), file.read_text(errors="replace").strip())
    what = f"{found.references} references" if found.reference is None else f"reference {found.reference}"
    key = f", key {found.data_key} destroyed" if found.reference is None else ""
    text = (
        f"genuine  {what} and {found.photos} photos of {found.subject} were erased"
        f" for {found.caller or 'nobody named'}{key}"
    )
    show(found, as_json, text)


@contextmanager
def _progress(as_json: bool) -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    with tqdm(unit=" keys", disable=None if not as_json else True) as bar:

        def progress(done: int) -> None:
            bar.update(done - bar.n)

        yield progress
