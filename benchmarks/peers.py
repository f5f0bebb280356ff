"""Those govid is measured beside. Only the extra `bench` has them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any


class SkippedError(Exception):
    """A contender cannot take part; the message says why."""


def peer(module: str) -> Any:  # noqa: ANN401 - modules without stubs
    """Import a peer.

    Raises:
        SkippedError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SkippedError(f"not installed ({error.name}): `make bench` installs it") from None


def folder_of(package: str) -> Path:
    """Where a peer's files lie, found without importing it.

    Raises:
        SkippedError: it is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SkippedError(f"not installed ({package}): `make bench` installs it")
    return Path(found.origin).parent
