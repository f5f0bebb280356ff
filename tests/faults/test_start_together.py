"""Six processes start at the same moment where there is nothing yet: they make one installation."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from govid import Settings
from govid.ledger.ledger import Ledger
from govid.store.opening import open_store
from tests.support import ROOT

PROCESSES, ROUNDS = 6, 10
# Everything is imported before the first line comes, so that they meet.
PROGRAM = """
import json, sys
from govid import Settings
from govid.ledger.ledger import Ledger
from govid.store.opening import open_store
from tests.govid.store.support import AUDIT
print("here", flush=True)
for line in sys.stdin:
    settings = Settings(**json.loads(line))
    store = open_store(settings)
    ledger = Ledger(store.database, settings.signing_key, {}, complaint_days=1)
    store.append_audit(AUDIT)
    ledger.checkpoint()
    print(store.identity, store.vault.keys.current(), ledger.signer.key_id, flush=True)
    store.close()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest) -> Callable[[], str]:
    """The URL of a place for records where there are none yet."""
    if request.param == "sqlite":
        return lambda: ""
    url: Callable[[], str] = request.getfixturevalue("postgresql").new_schema
    return url


def test_processes_that_start_at_once_make_one_installation(
    tmp_path: Path, new_url: Callable[[], str]
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(PROCESSES)
    ]
    try:
        assert [said(process) for process in processes] == ["here"] * PROCESSES
        for number in range(ROUNDS):
            settings = {"data_dir": str(tmp_path / str(number) / "var"), "store_url": new_url()}
            for process in processes:
                assert process.stdin
                process.stdin.write(f"{json.dumps(settings)}\n")
                process.stdin.flush()
            made = {said(process) for process in processes}
            assert len(made) == 1, made
            look(Settings(**settings))
    finally:
        for process in processes:
            process.communicate()
    assert [process.returncode for process in processes] == [0] * PROCESSES


def said(process: subprocess.Popen[str]) -> str:
    """The next line of a process; empty if it has ended."""
    assert process.stdout
    return process.stdout.readline().strip()


def look(settings: Settings) -> None:
    """All wrote into one chain, and nothing of their race is left."""
    store = open_store(settings)
    found = Ledger(store.database, settings.signing_key, {}, complaint_days=1).examine()
    store.close()
    assert (found.intact, found.rows) == (True, PROCESSES)
    assert not list(settings.signing_key.parent.glob(".*"))
