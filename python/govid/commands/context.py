"""What the commands of a group need of the command line around them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from govid import config
from govid.errors import InvalidParameter, InvalidSettings
from govid.store import Store

if TYPE_CHECKING:
    from govid.ledger.ledger import Ledger

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """``--json``, which every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def show(result: msgspec.Struct | dict[str, Any] | list[Any], as_json: bool, text: str) -> None:
    """A result for a program or for a person."""
    click.echo(msgspec.json.format(msgspec.json.encode(result)).decode() if as_json else text)


def minute(seconds: float | None) -> str:
    """A time for a person, UTC."""
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def settings_of(context: click.Context) -> config.Settings:
    """The settings of the installation, with what the command line overrides."""
    return config.load(config.Settings, overrides=context.find_root().obj)[0]


def model_settings(context: click.Context) -> config.Settings:
    """``settings_of`` for what needs their model: ``GOVID_PRECISION=auto`` is what it is for the records."""
    from govid.auto_precision import settled_here

    return settled_here(settings_of(context))


def login() -> str:
    """Who runs this command, as the system has it: the account, or its number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file; raises InvalidSettings."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError:
        raise InvalidSettings(f"{file}: not a JSON object") from None


@contextmanager
def written(out: Path) -> Iterator[IO[bytes]]:
    """A file for its owner only, under its name once it is whole; until then what bore it stays as it is.

    Raises:
        InvalidParameter: it cannot be written, or is a link to a file, which others may have put there.
    """
    if out.is_symlink() and (out.is_file() or not out.exists()) and not out.absolute().is_relative_to("/dev"):
        raise InvalidParameter(f"{out}: a link; name the file itself")
    try:
        if out.is_symlink() or (out.exists() and not out.is_file()):
            # /dev/stdout, or a pipe: written to, and never replaced.
            with out.open("wb") as file:
                yield file
            return
        with NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as part:
            try:
                yield part
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(out)
            except BaseException:
                Path(part.name).unlink()
                raise
    except OSError as error:
        raise InvalidParameter(f"{out}: {error.strerror}") from None


@contextmanager
def store(chosen: config.Settings) -> Iterator[Store]:
    """The records, without loading a model."""
    from govid.store.opening import open_store

    opened = open_store(chosen)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def records_and_ledger(chosen: config.Settings) -> Iterator[tuple[Store, Ledger]]:
    """The records, and who signs of them."""
    from govid.ledger.ledger import Ledger

    with store(chosen) as records:
        days = chosen.complaint_days
        yield records, Ledger(records.database, chosen.signing_key, {}, complaint_days=days)
