from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from govid.errors import NotReady
from govid.ledger.ledger import Ledger
from govid.store.audit import append_many
from govid.store.sqlite import SqliteStore
from server.examination import ROWS_AT_ONCE, Examination
from tests.govid.ledger.test_ledger import record


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An audit of as many rows as are followed at once."""
    with closing(SqliteStore(tmp_path / "govid.sqlite3")) as store:
        with store.database.writing() as connection:
            append_many(connection, [record(number) for number in range(ROWS_AT_ONCE)])
        yield Ledger(store.database, tmp_path / "signing.pem", {"sface": "ab" * 32}, complaint_days=2)


def test_whoever_asks_for_an_examination_meanwhile_shares_it(ledger: Ledger) -> None:
    asked = []

    def busy() -> bool:
        asked.append(threading.current_thread().name)
        return True

    async def run() -> None:
        examination = Examination(busy)
        findings = await asyncio.gather(*(examination.finding(ledger) for _ in range(20)))
        assert all(one is findings[0] for one in findings)
        assert (findings[0].intact, findings[0].rows) == (True, ROWS_AT_ONCE)
        # Once along the chain, once along what finds its rows; and on no thread of the workers.
        assert asked == ["govid-examine"] * 2
        assert await examination.finding(ledger) is not findings[0], "what is written later is seen later"

    asyncio.run(run())


def test_an_examination_ends_with_the_server(ledger: Ledger) -> None:
    begun, may = threading.Event(), threading.Event()

    def busy() -> bool:
        begun.set()
        may.wait()
        return False

    async def run() -> None:
        examination = Examination(busy)
        asking = asyncio.create_task(examination.finding(ledger))
        await asyncio.to_thread(begun.wait)
        stopping = asyncio.create_task(asyncio.to_thread(examination.stop))
        while not examination._stopped:  # noqa: ASYNC110
            await asyncio.sleep(0)
        may.set()
        await stopping
        with pytest.raises(NotReady):
            await asking

    asyncio.run(run())
