"""``govid audit keys``: the keys that sign receipts and checkpoints. Servers take up a new one."""

from __future__ import annotations

import time

import click

from govid.audit import AuditRecord, new_request_id
from govid.callers import LOCAL
from govid.commands.context import json_option, minute, settings_of, show, store


@click.group(name="keys")
def signing_keys_group() -> None:
    """The keys that sign receipts and checkpoints: publish them, change them."""


@signing_keys_group.command(name="list")
@json_option
@click.pass_context
def list_keys(context: click.Context, /, as_json: bool) -> None:
    """The public keys, newest first; --json is the JWK set that offline checks take (--keys)."""
    from govid.ledger.rotation import known_keys
    from govid.store.audit import AuditLog

    chosen = settings_of(context)
    with store(chosen) as records:
        jwks = known_keys(chosen.signing_key, AuditLog(records.database)).jwks()
    lines = [f"{key['kid']}  {_state(key.get('exp'))}" for key in jwks["keys"]]
    show(jwks, as_json, "\n".join(lines) or "no key yet: the first start of a server makes one")


@signing_keys_group.command()
@click.option(
    "--prepare",
    is_flag=True,
    help="Only make the next key, to be copied to the servers on other machines before the rotation.",
)
@json_option
@click.pass_context
def rotate(context: click.Context, /, prepare: bool, as_json: bool) -> None:
    """Sign with a new key from now on. What was signed before stays valid; the old private key is gone."""
    from govid.ledger import checkpoints, rotation
    from govid.ledger.signing import load_signer
    from govid.store.audit import AuditLog

    chosen = settings_of(context)
    path, waiting = chosen.signing_key, rotation.successor_path(chosen.signing_key)
    if prepare:
        key_id = load_signer(waiting).key_id
        text = f"{key_id} waits in {waiting}: copy it to all servers of this store, mode 0600, then rotate"
        show({"next": key_id, "file": str(waiting)}, as_json, text)
        return
    record = AuditRecord(
        time=time.time(),
        request_id=new_request_id(),
        caller=LOCAL.name,
        operation="rotate_signing_key",
        outcome="ROTATED",
    )
    with store(chosen) as records:
        log = AuditLog(records.database)
        # The old key answers for everything up to here.
        checkpoints.make(log, rotation.current_signer(path, log))
        done = rotation.rotate(path, log, record)
        verifier = rotation.current_signer(path, log).verifier
    key_id, retired = verifier.key_ids[:2]
    text = (
        f"{key_id} signs; {retired} is retired,"
        f" and what it signs after {minute(done.until)} UTC does not count\n"
        "Publish the keys again (GET /v1/receipts/keys), and back up the new one."
    )
    show({"key_id": key_id, "retired": retired, "until": done.until}, as_json, text)


def _state(until: str | int | None) -> str:
    if not isinstance(until, int):
        return "signs"
    return f"retired; what it signed after {minute(until)} UTC does not count"
