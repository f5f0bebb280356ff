"""``govid keys``: API keys of relying parties. A running server knows of a change within a second."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from govid.callers import Caller, Scope, Sight
from govid.commands.context import json_option, login, minute, settings_of, show, store
from govid.keys import ApiKey
from govid.store.keys import KeyStore
from govid.use_cases import UseCases

DAY = 86_400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@click.group(name="keys")
def keys_group() -> None:
    """API keys: who may ask what. A key is shown once and kept only as a digest."""


@contextmanager
def _keys(context: click.Context) -> Iterator[KeyStore]:
    with store(settings_of(context)) as opened:
        yield KeyStore(opened.database, login=login())


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    if not _NAME.fullmatch(value) or value == "local":
        raise click.BadParameter("1 to 64 of a-z, A-Z, 0-9, dot, underscore and hyphen; 'local' is taken")
    return value


def _use_cases(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> frozenset[str] | None:
    if not values:
        return None
    known = {case.name for case in UseCases.of(settings_of(context)).all()}
    if unknown := set(values) - known:
        raise click.BadParameter(f"{min(unknown)!r} is none of {', '.join(sorted(known))}")
    return frozenset(values)


@keys_group.command()
@click.argument("name", callback=_name)
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([str(scope) for scope in Scope])
)
@click.option(
    "--use-case",
    "use_cases",
    multiple=True,
    callback=_use_cases,
    help="One of the shipped or your own that it may name; may be given several times. Default: all.",
)
@click.option(
    "--sees",
    type=click.Choice([str(sight) for sight in Sight]),
    default=str(Sight.DECISION),
    show_default=True,
    help="What it is shown of a comparison; exact also tells who is enrolled.",
)
@click.option(
    "--expires", type=click.FloatRange(min=0, min_open=True), metavar="DAYS", help="Default: never."
)
@json_option
@click.pass_context
def create(
    context: click.Context,
    /,
    name: str,
    scopes: tuple[str, ...],
    use_cases: frozenset[str] | None,
    sees: str,
    expires: float | None,
    as_json: bool,
) -> None:
    """Make a key for the relying party NAME and show it, once."""
    caller = Caller(
        name=name,
        scopes=frozenset(map(Scope, scopes)),
        use_cases=use_cases,
        sees=Sight(sees),
    )
    with _keys(context) as keys:
        shown, key = keys.create(caller, expires_at=None if expires is None else time.time() + expires * DAY)
    _show_once(shown, key, as_json)


@keys_group.command()
@click.argument("name")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="How long the old key goes on.",
)
@json_option
@click.pass_context
def rotate(context: click.Context, /, name: str, grace: float, as_json: bool) -> None:
    """Make NAME a new key with the same rights; the old one ends after the grace."""
    with _keys(context) as keys:
        shown, key = keys.rotate(name, grace_seconds=grace * 3600)
    _show_once(shown, key, as_json)


@keys_group.command()
@click.argument("name_or_id")
@json_option
@click.pass_context
def revoke(context: click.Context, /, name_or_id: str, as_json: bool) -> None:
    """End one key by its id, or all keys of a relying party by its name, at once."""
    with _keys(context) as keys:
        ended = [key.key_id for key in keys.revoke(name_or_id)]
    show({"revoked": ended}, as_json, f"revoked {', '.join(ended)}")


@keys_group.command(name="list")
@json_option
@click.pass_context
def list_keys(context: click.Context, /, as_json: bool) -> None:
    """All keys, without what opens them."""
    with _keys(context) as keys:
        rows = [_row(key) for key in keys.all()]
    lines = [
        f"{row['key_id']}  {row['state']:8} {row['name']:20} {','.join(row['scopes']):24} "
        f"use cases {','.join(row['use_cases'] or ['all'])}; sees {row['sees']}; "
        f"expires {minute(row['expires_at'])}, last used {minute(row['last_used_at'])}"
        for row in rows
    ]
    show({"keys": rows}, as_json, "\n".join(lines) or "no keys: on loopback, nobody needs one")


def _row(key: ApiKey) -> dict[str, Any]:
    caller = key.caller
    return {
        "key_id": key.key_id,
        "name": caller.name,
        "state": key.state,
        "scopes": sorted(caller.scopes),
        "use_cases": None if caller.use_cases is None else sorted(caller.use_cases),
        "sees": caller.sees,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


def _show_once(shown: str, key: ApiKey, as_json: bool) -> None:
    text = f"{shown}\nKeep it now: it is not shown again. `govid keys revoke {key.key_id}` ends it."
    show({**_row(key), "key": shown}, as_json, text)
