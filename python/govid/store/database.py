"""What the records need of a database: transactions, and statements that SQLite and PostgreSQL both read.

Statements take ``?`` for a parameter and hold no other question mark and no per cent sign. What the two call
by different names is written in braces in the schema (``schema.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

Value: TypeAlias = str | bytes | int | float | None
"""What a column holds and a parameter may be."""

MAX_INTEGER = 2**63 - 1
"""The largest number a column holds; a driver's error for a larger one would be a fault of ours."""

Row: TypeAlias = tuple[Any, ...]


class Connection(Protocol):
    """A connection inside ``reading`` or ``writing``; not to be kept beyond."""

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> int:
        """Run a statement; how many rows it changed."""

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once per row of parameters."""

    def rows(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """All rows of a query, or of a statement that returns some."""

    def row(self, statement: str, parameters: Sequence[Value] = ()) -> Row | None:
        """The first row; None without one."""

    def stream(self, statement: str, parameters: Sequence[Value] = ()) -> Iterator[Row]:
        """The rows one after the other, without holding them all.

        They are of one state of the database, if this thread does not write to their tables meanwhile.
        """

    def exclusive(self, name: str) -> None:
        """Wait until no other transaction holds this name, and hold it to the end of this one."""


class Database(Protocol):
    """Transactions. Errors come as StoreUnavailable and, where the disk is full, StorageFull."""

    name: str
    """Where it is, for people; without a password."""

    full: bool
    """Whether the last write found no space; whoever waits for some tries a write."""

    words: Mapping[str, str]
    """The dialect's word for each name in braces of the schema."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for queries; several threads read side by side."""

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction: durable when the block ends, without effect if it raises."""

    def scrub(self) -> None:
        """Called after a deletion: what was erased must not live on in the database's own logs."""

    def rewrite(self, table: str) -> None:
        """Write a table anew, so that no free page of the database holds what its rows were before."""

    def close(self) -> None:
        """Close all connections; later calls raise StoreUnavailable."""


@contextmanager
def closed_on_error(database: Database) -> Iterator[None]:
    """Close a database that could not be made ready."""
    try:
        yield
    except BaseException:
        database.close()
        raise
