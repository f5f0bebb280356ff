"""``govid complaints``: what citizens said of decisions, and the answers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from govid.audit import new_request_id
from govid.commands.context import json_option, login, minute, records_and_ledger, settings_of, show

if TYPE_CHECKING:
    from govid.store.feedback import Complaint


@click.group(name="complaints")
def complaints_group() -> None:
    """Complaints about decisions, which somebody has to answer in time."""


@complaints_group.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Those that are answered, too.")
@click.option("--after", type=int, default=0, help="Complaints behind this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
@click.pass_context
def list_complaints(
    context: click.Context, /, everything: bool, after: int, limit: int, as_json: bool
) -> None:
    """Complaints that wait for an answer, the oldest first."""
    with records_and_ledger(settings_of(context)) as (_, ledger):
        page = ledger.complaints(after=after, limit=limit, open_only=not everything)
    show(page, as_json, "\n".join(map(_text, page.complaints)) or "no complaints")


@complaints_group.command()
@click.argument("complaint_id", type=int)
@click.argument("text")
@click.option(
    "--correct", is_flag=True, help="Of one that is answered: what was said before stays beside it."
)
@json_option
@click.pass_context
def answer(context: click.Context, /, complaint_id: int, text: str, correct: bool, as_json: bool) -> None:
    """Close COMPLAINT_ID with TEXT, which whoever holds the receipt of the decision can read; audited."""
    request_id = new_request_id()
    with records_and_ledger(settings_of(context)) as (_, ledger):
        ledger.close_complaint(complaint_id, text, correction=correct, request_id=request_id, login=login())
    said = f"complaint {complaint_id} is answered; whoever holds the receipt of the decision can read it"
    show({"complaint_id": complaint_id, "request_id": request_id}, as_json, said)


def _text(complaint: Complaint) -> str:
    # Words of others go to a terminal in quotes, where they cannot steer it.
    lines = [
        f"complaint {complaint.complaint_id} {complaint.state}, due {minute(complaint.due_at)} UTC, "
        f"decision {complaint.request_id}: {complaint.comment!r}"
    ]
    lines += [
        f"  answered {minute(one.answered_at)} UTC by {one.answered_by!r}: {one.answer!r}"
        for one in complaint.answers
    ]
    return "\n".join(lines)
