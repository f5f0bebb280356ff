"""``govid gallery``: look after the gallery that several servers share. They may run meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click
import msgspec

from govid import config
from govid.errors import InvalidSettings
from govid.profiles import active
from govid.store.opening import open_store

if TYPE_CHECKING:
    from govid.gallery.reconcile import Reconciliation
    from govid.gallery.shared import SharedGallery

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="gallery")
def gallery_group() -> None:
    """The gallery in a Milvus cluster: compare it with the records, mend it, build it anew."""


@gallery_group.command()
@_JSON
@click.pass_context
def check(context: click.Context, /, as_json: bool) -> None:
    """Compare the ids of the gallery with the records; fails if they differ."""
    from govid.gallery.reconcile import reconcile

    with _shared(context) as shared:
        found = reconcile(shared, repair=False)
    _show(found, as_json)
    if found.missing or found.surplus:
        sys.exit(1)


@gallery_group.command(name="reconcile")
@_JSON
@click.pass_context
def repair(context: click.Context, /, as_json: bool) -> None:
    """Add what the gallery lacks and remove what it has too much."""
    from govid.gallery.reconcile import reconcile

    with _shared(context) as shared:
        found = reconcile(shared, repair=True)
    _show(found, as_json)


@gallery_group.command()
@_JSON
@click.pass_context
def rebuild(context: click.Context, /, as_json: bool) -> None:
    """Fill a new collection from the records and let it take over; searches go on on the old one."""
    from govid.gallery.rebuild import rebuild as replay
    from govid.gallery.reconcile import reconcile

    with _shared(context) as shared:
        replay(shared)
        found = reconcile(shared, repair=True)
    _show(found, as_json)


@contextmanager
def _shared(context: click.Context) -> Iterator[SharedGallery]:
    from govid.gallery.shared import open_shared

    settings = config.load(config.Settings, overrides=context.obj)[0]
    if not settings.gallery_url:
        raise InvalidSettings("gallery_url is empty: the gallery lives in the server, which keeps it itself")
    with closing(open_store(settings)) as store:
        shared = open_shared(settings, active(settings)[0], store)
        with closing(shared.gallery):
            yield shared


def _show(found: Reconciliation, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    done = ("added", "removed") if found.repaired else ("missing", "surplus")
    click.echo(
        f"records  {found.references} references, digest {found.references_digest}\n"
        f"gallery  {found.rows} rows, digest {found.rows_digest}; counted {found.counted}\n"
        f"{found.missing} {done[0]}, {found.surplus} {done[1]}"
    )
    if found.left_out:
        click.echo(
            f"{found.left_out} references of another model or profile are in no gallery: enrol them anew"
        )
