"""Connections to PostgreSQL: bounded in number, made when needed, and none handed out that has died."""

from __future__ import annotations

import select
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from govid.errors import StoreUnavailable
from govid.store.database import Row

Connection: TypeAlias = psycopg.Connection[Row]

WAIT_SECONDS = 5.0


class ConnectionPool:
    """At most ``size`` connections; the one used last is handed out first.

    A caller who needs a new one makes it, so that a server that is away is noticed at once and with its
    reason, and used again as soon as it is back.
    """

    def __init__(self, connect: Callable[[], Connection], size: int) -> None:
        self._connect = connect
        self._places = _Places(size)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection outside of any transaction.

        Raises:
            StoreUnavailable: all were in use for ``WAIT_SECONDS``, or the pool is closed.
            psycopg.Error: none can be made; or the block's own, after which the connection is closed.
        """
        self._places.take()
        try:
            connection = self._take() or self._connect()
            try:
                yield connection
            except psycopg.Error:
                # Seldom, and a new connection finds the new primary after a failover.
                connection.close()
                raise
            finally:
                self._give_back(connection)
        finally:
            self._places.give_back()

    def close(self) -> None:
        """Close what is idle now, and the rest when it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection | None:
        while True:
            with self._lock:
                if self._closed:
                    raise StoreUnavailable("the store is closed")
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not _hung_up(connection):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        # Left inside a transaction by what is no error of the database: closing it rolls back.
        if not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE:
            with self._lock:
                if not self._closed:
                    self._idle.append(connection)
                    return
        connection.close()


class _Places:
    """So many at once, and whoever has waited longest is next.

    With a semaphore, whoever gives a place back takes it again before the one that it woke has run: of twelve
    threads on eight connections, four got nothing until their time was over.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Raises StoreUnavailable: all were taken for ``WAIT_SECONDS``."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(WAIT_SECONDS):
            return
        with self._lock:
            if turn.is_set():
                return  # it came at the last moment
            self._waiting.remove(turn)
        raise StoreUnavailable(f"all {self._size} connections were in use for {WAIT_SECONDS:g} s")

    def give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place goes over; nobody can come between
            else:
                self._free += 1


def _hung_up(connection: Connection) -> bool:
    """Whether the server has ended an idle connection: it sends its farewell or the end of the stream.

    Seen without a round trip. Anything else it might say unasked is worth no connection either.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
