"""``govid settings``: all of them, their values, and where those come from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from govid import config
from govid.commands.context import json_option, show

if TYPE_CHECKING:
    from govid.settings_list import Setting


@click.command(name="settings")
@click.argument("words", nargs=-1)
@click.option("--changed", is_flag=True, help="Only those that are not left at their default.")
@json_option
@click.pass_context
def settings_command(context: click.Context, /, words: tuple[str, ...], changed: bool, as_json: bool) -> None:
    """Each setting with its variable, type, default and value, and where that comes from.

    WORDS: only those with one of these in their name. Secrets are not shown.
    """
    from govid.settings_list import settings
    from server.access.settings import AccessSettings
    from server.settings import ServerSettings

    found = settings(
        config.Settings,
        ServerSettings,
        AccessSettings,
        environment=os.environ,
        overrides=context.find_root().obj,
    )
    chosen = [
        one
        for one in found
        if (not changed or one.origin != "default") and (not words or any(word in one.name for word in words))
    ]
    show({"settings": chosen}, as_json, "\n".join(map(_lines, chosen)))


def _lines(one: Setting) -> str:
    return (
        f"{one.name} = {one.value or '(empty)'}  ({one.origin})\n"
        f"  {one.variable}: {one.kind.replace('`', '')}; default {one.default or '(empty)'}\n"
        f"  {one.about}"
    )
