"""``govid subject``: what is held on one person."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from govid.commands.context import json_option, login, settings_of, show, store
from govid.errors import InvalidParameter, InvalidSettings


@click.group(name="subject")
def subject_group() -> None:
    """What is held on one person, to hand it over; and the lock after failed attempts."""


@subject_group.command()
@click.argument("subject_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A new file.")
@json_option
@click.pass_context
def export(context: click.Context, /, subject_id: str, out: Path, as_json: bool) -> None:
    """Write all that is held on SUBJECT_ID to a file: records, templates, photos, cases, every use.

    It is made for its owner only. Encrypt it before it leaves the machine, and delete it when handed over.
    """
    from govid import subject_export
    from govid.audit import new_request_id
    from govid.ledger.ledger import Ledger

    settings = settings_of(context)
    with store(settings) as records:
        ledger = Ledger(records.database, settings.signing_key, {}, complaint_days=settings.complaint_days)
        request_id = new_request_id()
        try:
            file = os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        except OSError as error:
            raise InvalidParameter(f"{out}: {error.strerror}") from None
        try:
            with file:
                for piece in subject_export.export(records, ledger, subject_id, request_id=request_id):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        except BaseException as error:
            with suppress(OSError):
                out.unlink()
            if isinstance(error, OSError):
                raise InvalidParameter(f"{out}: {error.strerror}") from None
            raise
        size = out.stat().st_size
    show(
        {"request_id": request_id, "file": str(out), "bytes": size},
        as_json,
        f"{size:,} bytes; these are biometric data",
    )


@subject_group.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="JWK set of the installation (GET /v1/receipts/keys).",
)
@json_option
def check(file: Path, keys: Path, as_json: bool) -> None:
    """Check that an export is what the installation handed over; fails if a byte of it was changed."""
    from govid.ledger.signing import read_verifier
    from govid.subject_export import check as proof_of

    try:
        verifier = read_verifier(msgspec.json.decode(keys.read_bytes()))
    except msgspec.MsgspecError:
        raise InvalidSettings(f"{keys}: not a JSON object") from None
    with file.open("rb") as opened:
        proof = proof_of(opened, verifier)
    show(proof, as_json, f"as it was handed over; request {proof.jti}")


@subject_group.command()
@click.argument("subject_id")
@json_option
@click.pass_context
def unlock(context: click.Context, /, subject_id: str, as_json: bool) -> None:
    """Forget the failed attempts on SUBJECT_ID, and so lift its lock, at once for all servers; audited.

    Look first who made them: `subject-locked` protects somebody who is being guessed at.
    """
    from govid import subject_id as ids
    from govid.store import attempts

    with store(settings_of(context)) as records:
        failures = attempts.unlock(records.database, ids.checked(subject_id), login=login())
    text = f"{failures} failed attempts are forgotten" if failures else "no failed attempts are counted"
    show({"subject_id": subject_id, "failures": failures}, as_json, text)
