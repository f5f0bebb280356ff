"""Following the whole chain of the audit beside live requests: once at a time, by a thread that gives way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count

from govid.errors import NotReady
from govid.ledger.checkpoints import Finding
from govid.ledger.ledger import Ledger

# Python lets one thread compute at a time: for a slice of rows this one, then for a pause those that somebody
# waits for. Of low priority it would keep the turn of the interpreter while others have the core.
ROWS_AT_ONCE = 500
PAUSE_SECONDS = 0.01


class Examination:
    """The chain is the same for all who ask: whoever does while it is followed gets the same finding."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        """``busy``: whether a request is waiting or computed."""
        self._busy = busy
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._running: asyncio.Future[Finding] | None = None

    async def finding(self, ledger: Ledger) -> Finding:
        """What is found; called on the event loop.

        Raises:
            NotReady: the server stops.
            OperatorError: the audit cannot be read.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_future()
            self._thread = threading.Thread(
                target=self._examine, args=(ledger, self._running), name="govid-examine", daemon=True
            )
            self._thread.start()
        return await asyncio.shield(self._running)

    def stop(self) -> None:
        """End within a slice of rows."""
        self._stopped = True
        if self._thread is not None:
            self._thread.join()

    def _examine(self, ledger: Ledger, future: asyncio.Future[Finding]) -> None:
        rows = count(1)

        def give_way() -> None:
            if next(rows) % ROWS_AT_ONCE == 0 and self._busy():
                time.sleep(PAUSE_SECONDS)
            if self._stopped:
                raise NotReady

        try:
            settle = partial(future.set_result, ledger.examine(give_way))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the request has to end with it
            settle = partial(future.set_exception, error)
        with suppress(RuntimeError):  # the loop was closed: nobody is left to be told
            future.get_loop().call_soon_threadsafe(settle)
