"""A backup of an installation: one folder, signed, without its private keys, and the way back from it.

    records.sqlite3 or records.dump    the record store, as of one moment
    calibrations/, use_cases/          tables and policies of the operator
    settings.toml                      settings that differ from their defaults, without secrets
    keys.json                          public keys that the audit is checked with
    manifest.jws                       digests of all these, head of the audit; signed

The moment is one of the database: no writer is stopped, and all that was acknowledged before the command
began is in it. Faces lie in it as they lie in the store: sealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from govid.ledger.chain import Link
from govid.store.backup import Moment


class Copier(Protocol):
    """How one kind of store is copied, read without a server, and put back."""

    file: str
    """Name of the copy in the backup."""

    def save(self, to: Path) -> Moment:
        """Copy the store while others write to it.

        Raises:
            BackupFailed, StoreUnavailable: nothing useful is left behind.
        """

    def links(self, copy: Path) -> Iterator[Link]:
        """The chain of the audit in a copy, in its order; raises BackupBroken."""

    def checkpoints(self, copy: Path) -> list[str]:
        """The signed checkpoints in a copy, oldest first; raises BackupBroken."""

    def check_target(self) -> None:
        """Raises TargetNotEmpty where records are already."""

    def load(self, copy: Path) -> None:
        """Put a copy where the settings say.

        Raises:
            BackupFailed, StoreUnavailable: nothing is stored.
        """


@contextmanager
def private_file(path: Path) -> Iterator[None]:
    """A file that is made here for its owner only, and is gone if the block fails."""
    path.touch(mode=0o600, exist_ok=False)
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
