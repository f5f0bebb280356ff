"""Reads what ``govid audit export`` wrote, and checkpoints as they are published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from govid.commands.context import read_json
from govid.errors import InvalidSettings
from govid.ledger.chain import Link


def links(file: Path) -> Iterator[Link]:
    """The rows of an export, in its order; raises InvalidSettings."""
    for line in _lines(file):
        if "checkpoint" not in line:
            try:
                yield Link(int(line["audit_id"]), line["record"].encode(), bytes.fromhex(line["digest"]))
            except (KeyError, TypeError, ValueError, AttributeError):
                raise InvalidSettings(f"{file}: a line is no row of an audit") from None


def checkpoints(file: Path) -> list[str]:
    """The signed checkpoints of an export; raises InvalidSettings."""
    return [str(line["checkpoint"]) for line in _lines(file) if "checkpoint" in line]


def published(file: Path) -> list[str]:
    """The reply of GET /v1/audit/checkpoints; raises InvalidSettings."""
    try:
        return msgspec.convert(read_json(file).get("checkpoints"), list[str])
    except msgspec.ValidationError:
        raise InvalidSettings(f"{file}: no list of checkpoints") from None


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for line in lines:
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                raise InvalidSettings(f"{file}: a line is no JSON object") from None
