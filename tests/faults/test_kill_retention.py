"""kill -9 while what is past its time is erased: each thing went with its record or is still there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec

from govid.config import Settings, load
from govid.ledger.ledger import Ledger
from govid.retention import Keeper
from govid.store.audit import AuditFilter, append_many
from govid.store.opening import open_store
from govid.store.photos import KeptPhoto
from govid.use_cases import UseCases
from tests.govid.store.support import AUDIT, lived, new, reply

PHOTOS, DECISIONS = 45, 1100  # three batches each
# Kills itself at a batch: before it is committed, or when it is.
PROGRAM = """
import os, signal, sys
from govid import config, retention
from govid.ledger.signing import load_signer
from govid.store.opening import open_store
from govid.use_cases import UseCases

batch, where = int(sys.argv[1]), sys.argv[2]
count = 0
append = retention.append

def die_at(place):
    if place == where and count == batch:
        os.kill(os.getpid(), signal.SIGKILL)

def appended(*arguments):
    global count
    count += 1
    append(*arguments)
    die_at("inside")

retention.append = appended
(settings,) = config.load(config.Settings)
store = open_store(settings)
signer = load_signer(settings.signing_key, create=False)
keeper = retention.Keeper(store.database, settings, UseCases.of(settings), lambda: signer)
keeper.run(lambda: die_at("behind"))
"""


def look(settings: Settings) -> tuple[int, int]:
    """Photos and decisions that are left; with what the audit says went, that is all there ever were."""
    store = open_store(settings)
    ledger = Ledger(store.database, settings.signing_key, {}, complaint_days=1)
    gone: Counter[str] = Counter()
    for row in ledger.rows(AuditFilter(operation="retention")).rows:
        gone.update(row.record.erased)
    found = ledger.examine()
    assert found.intact, found.reason
    assert found.expired == gone["decisions of hotel_checkin"]
    with store.database.reading() as connection:
        photos, decisions = (
            (connection.row(f"SELECT count(*) FROM {which}") or (0,))[0]
            for which in ("photo", "audit WHERE use_case = 'hotel_checkin'")
        )
    store.close()
    assert photos + gone["photos"] == PHOTOS
    assert decisions + gone["decisions of hotel_checkin"] == DECISIONS
    return photos, decisions


def test_nothing_is_lost_and_the_next_run_goes_on(tmp_path: Path, store_environment: dict[str, str]) -> None:
    environment = {"GOVID_DATA_DIR": str(tmp_path / "var"), **store_environment}
    (settings,) = load(Settings, environment=environment)
    store = open_store(settings)
    for number in range(PHOTOS):
        photo = KeptPhoto("image/jpeg", os.urandom(2000), time.time() - 1)
        store.add_subject(replace(new(f"s{number}", number), photo=photo), AUDIT, None, reply)
    decided = msgspec.structs.replace(AUDIT, time=time.time() - 100 * 86400, use_case="hotel_checkin")
    with store.database.writing() as connection:
        append_many(connection, [decided] * DECISIONS)
    Ledger(store.database, settings.signing_key, {}, complaint_days=1).checkpoint()
    lived(store, time.time())
    store.close()

    left = look(settings)
    assert left == (PHOTOS, DECISIONS)
    for batch, where in ((1, "inside"), (1, "behind"), (3, "inside"), (2, "behind")):
        program = [sys.executable, "-c", PROGRAM, str(batch), where]
        ended = subprocess.run(program, env={**os.environ, **environment}, check=False, timeout=600)
        assert ended.returncode == -signal.SIGKILL
        before, left = left, look(settings)
        # What was not committed is not done, what was is not done again.
        assert (left == before) == ((batch, where) == (1, "inside"))

    store = open_store(settings)
    ledger = Ledger(store.database, settings.signing_key, {}, complaint_days=1)
    keeper = Keeper(store.database, settings, UseCases.of(settings), lambda: ledger.signer)
    assert keeper.run().finished
    store.close()
    assert look(settings) == (0, 0)
