"""The API keys as this process knows them: read again when they are older than half a second."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from govid import keys
from govid.callers import Caller
from govid.errors import OperatorError
from govid.keys import ApiKey
from govid.store.keys import KeyStore

MAX_AGE_SECONDS = 0.5
USE_KEPT_EVERY_SECONDS = 60.0
log = logging.getLogger("govid.server")


class KeyRing:
    """All keys are read at once: unknown ids then cost no query, however many somebody makes up."""

    def __init__(self, store: Callable[[], KeyStore]) -> None:
        """``store`` raises NotReady while the records are not open yet."""
        self._store = store
        self._keys: Mapping[str, ApiKey] = {}
        self._read_at = -MAX_AGE_SECONDS
        self._reading = asyncio.Lock()
        self._used: dict[str, float] = {}
        self._use_kept_at = time.monotonic()

    @property
    def fresh(self) -> bool:
        """Whether what is known is young enough to be believed."""
        return time.monotonic() - self._read_at < MAX_AGE_SECONDS

    @property
    def empty(self) -> bool:
        """Whether there has never been a key: one that was revoked counts."""
        return not self._keys

    async def refresh(self) -> None:
        """Read the keys, one reader at a time; raises OperatorError if they cannot be read."""
        async with self._reading:
            if not self.fresh:
                store, begun = self._store(), time.monotonic()
                self._keys = {key.key_id: key for key in await asyncio.to_thread(self._read, store)}
                self._read_at = begun

    def caller(self, presented: str) -> Caller | None:
        """Whose key it is; None if it is no valid one."""
        key = self.key(presented)
        return key.caller if key else None

    def key(self, presented: str) -> ApiKey | None:
        """The key that was presented; None if it is no valid one."""
        key = self._keys.get(keys.id_of(presented) or "")
        if key is None or not key.opened_by(presented):
            return None
        self._used[key.key_id] = time.time()
        return key

    def holder(self, key_id: str) -> Caller | None:
        """Who holds the key of that id; None if it has ended."""
        key = self._keys.get(key_id)
        if key is None or key.state != "active":
            return None
        self._used[key_id] = time.time()
        return key.caller

    def knows(self, presented: str) -> bool:
        """Whether there is a key of that id, whatever secret was presented with it."""
        return keys.id_of(presented) in self._keys

    def _read(self, store: KeyStore) -> list[ApiKey]:
        if time.monotonic() - self._use_kept_at > USE_KEPT_EVERY_SECONDS:
            self.keep_use(store)
        return store.all()

    def keep_use(self, store: KeyStore) -> None:
        """Write down when each key was last used. Nobody is turned away because that fails."""
        used, self._used = self._used, {}
        self._use_kept_at = time.monotonic()
        try:
            if used:
                store.used(used)
        except OperatorError as error:
            log.warning("the last use of %d keys is not kept: %s", len(used), error.detail)
