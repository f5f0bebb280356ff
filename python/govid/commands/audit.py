"""``govid audit``: prove the audit intact, sign it, take it elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from govid import config
from govid.commands import audit_file
from govid.commands.context import json_option, read_json, settings_of, show, store, written
from govid.commands.signing_keys import signing_keys_group

if TYPE_CHECKING:
    from govid.ledger.checkpoints import Finding
    from govid.ledger.signing import Verifier
    from govid.store.audit import AuditLog

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(name="audit")
def audit_group() -> None:
    """The record of every use: prove it intact, sign it, export it."""


@audit_group.command()
@click.option("--file", "exported", type=_FILE, help="An export, checked without any database.")
@click.option("--keys", type=_FILE, help="JWK set of the installation, for --file (GET /v1/receipts/keys).")
@click.option(
    "--checkpoints",
    "published",
    type=_FILE,
    help="Checkpoints that were published (GET /v1/audit/checkpoints), for --file: an export may lack some.",
)
@json_option
@click.pass_context
def verify(
    context: click.Context, /, exported: Path | None, keys: Path | None, published: Path | None, as_json: bool
) -> None:
    """Follow the chain and check the signed checkpoints; fails and names the first row that is broken."""
    from govid.ledger import checkpoints
    from govid.ledger.signing import read_verifier

    if (exported is None) != (keys is None) or (published and not exported):
        raise click.UsageError("--file and --keys go together, and --checkpoints with them")
    if exported and keys:
        statements = audit_file.published(published) if published else audit_file.checkpoints(exported)
        verifier = read_verifier(read_json(keys))
        finding = checkpoints.examine(audit_file.links(exported), statements, verifier)
    else:
        chosen = settings_of(context)
        with _log(chosen) as log:
            finding = checkpoints.examine_log(log, _verifier(chosen, log))
    show(finding, as_json, _text(finding))
    if not finding.intact:
        sys.exit(1)


@audit_group.command()
@json_option
@click.pass_context
def checkpoint(context: click.Context, /, as_json: bool) -> None:
    """Sign the rows since the last checkpoint. Publish what it prints: it is what later tampering betrays."""
    from govid.ledger import checkpoints
    from govid.ledger.rotation import current_signer

    chosen = settings_of(context)
    with _log(chosen) as log:
        made = checkpoints.make(log, current_signer(chosen.signing_key, log))
    lines = [f"rows {one.first} to {one.last}, root {one.root}" for one in made]
    show({"checkpoints": made}, as_json, "\n".join(lines) or "nothing new to sign")


@audit_group.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_context
def export(context: click.Context, /, file: Path, as_json: bool) -> None:
    """Write all rows and checkpoints to FILE, one JSON object a line, for `govid audit verify --file`."""
    encode, count = msgspec.json.Encoder().encode, 0
    with _log(settings_of(context)) as log, written(file) as out:
        # First, so that no row is covered by one and missing here.
        statements = log.checkpoints()
        for row in log.links():
            line = {"audit_id": row.audit_id, "record": row.record.decode(), "digest": row.digest.hex()}
            out.write(encode(line) + b"\n")
            count += 1
        out.writelines(encode({"checkpoint": statement}) + b"\n" for _, statement in statements)
    show({"rows": count}, as_json, f"{count} rows")


audit_group.add_command(signing_keys_group)


@contextmanager
def _log(chosen: config.Settings) -> Iterator[AuditLog]:
    from govid.store.audit import AuditLog

    with store(chosen) as records:
        yield AuditLog(records.database)


def _verifier(chosen: config.Settings, log: AuditLog) -> Verifier:
    """Of the signing key; one that knows no key where no server ever ran."""
    from govid.ledger.rotation import current_signer, known_keys

    if log.empty():
        return known_keys(chosen.signing_key, log)
    return current_signer(chosen.signing_key, log, create=False).verifier


def _text(finding: Finding) -> str:
    if finding.intact and not finding.rows:
        return "nothing has been signed yet"
    if not finding.intact:
        place = f"row {finding.broken_at}: " if finding.broken_at is not None else ""
        return f"BROKEN  {place}{finding.reason}"
    covered = f"{finding.checkpoints} checkpoints; {finding.uncovered} rows behind the last one"
    return f"intact  {finding.rows} rows, {covered}"
