"""``govid gallery``: look after the gallery that several servers share. They may run meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from govid.commands.context import json_option, settings_of, show, store
from govid.errors import InvalidSettings
from govid.profiles import active

if TYPE_CHECKING:
    from govid.gallery.reconcile import Reconciliation
    from govid.gallery.shared import SharedGallery


@click.group(name="gallery")
def gallery_group() -> None:
    """The gallery in a Milvus cluster: compare it with the records, mend it, build it anew."""


@gallery_group.command()
@json_option
@click.pass_context
def check(context: click.Context, /, as_json: bool) -> None:
    """Compare the ids of the gallery with the records; fails if they differ."""
    from govid.gallery.reconcile import reconcile

    with _shared(context) as shared:
        found = reconcile(shared, repair=False)
    show(found, as_json, _text(found))
    if found.missing or found.surplus:
        sys.exit(1)


@gallery_group.command(name="reconcile")
@json_option
@click.pass_context
def repair(context: click.Context, /, as_json: bool) -> None:
    """Add what the gallery lacks and remove what it has too much."""
    from govid.gallery.reconcile import reconcile

    with _shared(context) as shared:
        found = reconcile(shared, repair=True)
    show(found, as_json, _text(found))


@gallery_group.command()
@json_option
@click.pass_context
def rebuild(context: click.Context, /, as_json: bool) -> None:
    """Fill a new collection from the records and let it take over; searches go on on the old one."""
    from govid.gallery.rebuild import rebuild as replay
    from govid.gallery.reconcile import reconcile

    with _shared(context) as shared:
        replay(shared)
        found = reconcile(shared, repair=True)
    show(found, as_json, _text(found))


@contextmanager
def _shared(context: click.Context) -> Iterator[SharedGallery]:
    from govid.auto_precision import settled_here
    from govid.gallery.shared import open_shared

    chosen = settings_of(context)
    if not chosen.gallery_url:
        raise InvalidSettings("gallery_url is empty: the gallery lives in the server, which keeps it itself")
    chosen = settled_here(chosen)
    with store(chosen) as records:
        shared = open_shared(chosen, active(chosen)[0], records)
        with closing(shared.gallery):
            yield shared


def _text(found: Reconciliation) -> str:
    done = ("added", "removed") if found.repaired else ("missing", "surplus")
    text = (
        f"records  {found.references} references, digest {found.references_digest}\n"
        f"gallery  {found.rows} rows, digest {found.rows_digest}; counted {found.counted}\n"
        f"{found.missing} {done[0]}, {found.surplus} {done[1]}"
    )
    if found.left_out:
        text += (
            f"\n{found.left_out} references of another model or profile are in no gallery: enrol them anew"
        )
    return text
