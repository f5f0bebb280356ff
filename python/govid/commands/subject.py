"""``govid subject``: what is held on a person, and what is changed of it. A server may run meanwhile."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from govid import config
from govid.commands.context import json_option, login, minute, records_and_ledger, settings_of, show, store
from govid.errors import ErasureNotWritten, InvalidParameter, InvalidSettings

if TYPE_CHECKING:
    from govid.ledger.ledger import Ledger
    from govid.results import Subject
    from govid.store import Store


@click.group(name="subject")
def subject_group() -> None:
    """Who is enrolled: look, change, erase, hand over, and lift the lock after failed attempts."""


@subject_group.command(name="show")
@click.argument("subject_id")
@json_option
@click.pass_context
def show_(context: click.Context, /, subject_id: str, as_json: bool) -> None:
    """What is held on SUBJECT_ID, without templates and photos."""
    from govid import subjects

    with store(settings_of(context)) as records:
        found = subjects.subject(records, subject_id)
    show(found, as_json, _text(found))


@subject_group.command(name="list")
@click.option("--after", default="", help="Ids that sort behind this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
@click.pass_context
def list_(context: click.Context, /, after: str, limit: int, as_json: bool) -> None:
    """Ids of the subjects in order."""
    from govid import subjects

    with store(settings_of(context)) as records:
        page = subjects.page(records, after=after, limit=limit)
    show(page, as_json, "\n".join(page.subjects) or "no subjects")


@subject_group.command()
@click.argument("subject_id")
@click.argument("groups", nargs=-1, metavar="[GROUP]...")
@click.option("--none", "no_group", is_flag=True, help="It is in no group any more.")
@json_option
@click.pass_context
def groups(
    context: click.Context, /, subject_id: str, groups: tuple[str, ...], no_group: bool, as_json: bool
) -> None:
    """Let SUBJECT_ID be in each GROUP and in no other."""
    from govid import subjects

    if bool(groups) == no_group:
        raise click.UsageError("name the groups, or --none")
    with store(settings_of(context)) as records:
        done = subjects.set_groups(records, subject_id, groups, login=login())
    show(done, as_json, f"{subject_id!r} is in {_named(done.groups)}")


@subject_group.command()
@click.argument("subject_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def delete(context: click.Context, /, subject_id: str, yes: bool, as_json: bool) -> None:
    """Erase SUBJECT_ID: its references, its photos and the key without which no copy of them can be read."""
    from govid import subjects

    settings = settings_of(context)
    if not yes:
        click.confirm(f"Erase {subject_id!r} for ever?", abort=True, err=True)
    with records_and_ledger(settings) as (records, ledger):
        done = subjects.delete(
            records, ledger, subject_id, adjudicators=settings.adjudicators_required, login=login()
        )
        _write_down(settings, records, ledger, done.receipt)
    show(done, as_json, f"{subject_id!r} is erased; receipt\n{done.receipt}")


@subject_group.command(name="delete-reference")
@click.argument("subject_id")
@click.argument("reference", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def delete_reference(
    context: click.Context, /, subject_id: str, reference: int, yes: bool, as_json: bool
) -> None:
    """Erase one REFERENCE of SUBJECT_ID, which has others: its templates and its photo."""
    from govid import subjects

    settings = settings_of(context)
    if not yes:
        click.confirm(f"Erase reference {reference} of {subject_id!r} for ever?", abort=True, err=True)
    with records_and_ledger(settings) as (records, ledger):
        done = subjects.delete_reference(
            records,
            ledger,
            subject_id,
            reference,
            adjudicators=settings.adjudicators_required,
            login=login(),
        )
        _write_down(settings, records, ledger, done.receipt)
    show(done, as_json, f"reference {reference} of {subject_id!r} is erased; receipt\n{done.receipt}")


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

    with records_and_ledger(settings_of(context)) as (records, ledger):
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


def _write_down(settings: config.Settings, records: Store, ledger: Ledger, receipt: str) -> None:
    """Let the file beside the keys have what was erased; raises ErasureNotWritten."""
    from govid.vault.journal import ErasureJournal

    try:
        ErasureJournal(settings.erasures_file, records.database, lambda: ledger.signer).write()
    except ErasureNotWritten as error:
        raise ErasureNotWritten(f"{error.detail}; receipt {receipt}") from None


def _named(groups: tuple[str, ...]) -> str:
    return ", ".join(groups) or "no group"


def _text(found: Subject) -> str:
    state = "HELD" if found.held else "active"
    lines = [f"{found.subject_id!r} {state}, enrolled {minute(found.created_at)}, in {_named(found.groups)}"]
    lines += [
        f"  reference {one.reference_id} of {minute(one.created_at)} by {one.model_id}"
        + (f", photo kept until {minute(one.photo_kept_until)}" if one.photo_kept_until else "")
        for one in found.references
    ]
    return "\n".join(lines)
