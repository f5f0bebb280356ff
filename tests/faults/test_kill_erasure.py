"""kill -9 between an erasure and its line in the file beside the keys: a server that runs writes it down."""

from __future__ import annotations

import subprocess
import sys

import pytest

from govid import Engine, Settings
from govid.vault import journal
from server import chores
from server.chores import Chores
from server.metrics import Metrics
from tests.govid.store.support import AUDIT, new, reply
from tests.support import wait_until

# The command line, which dies when the erasure is committed.
PROGRAM = """
import os, signal
from govid.cli import cli
from govid.vault.journal import ErasureJournal

ErasureJournal.write = lambda _: os.kill(os.getpid(), signal.SIGKILL)
cli()
"""


def test_a_server_writes_down_what_a_dead_command_erased(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "WRITE_DOWN_SECONDS", 0.0)
    engine.store.add_subject(new("alice"), AUDIT, None, reply)
    engine.store.add_subject(new("bob"), AUDIT, None, reply)
    beside = Chores(engine, Metrics(), checkpoint_seconds=3600, retention_seconds=0, webhook=None)
    beside.start()
    try:
        for count, subject in enumerate(("alice", "bob"), 1):
            command = ["--data-dir", settings.data_dir, "subject", "delete", subject, "--yes"]
            died = subprocess.run([sys.executable, "-c", PROGRAM, *command], capture_output=True, check=False)
            assert (died.returncode, died.stdout) == (-9, b""), died.stderr
            wait_until(lambda count=count: written(engine) == count)  # type: ignore[misc]
    finally:
        beside.stop()
    assert engine.subjects().subjects == ()


def written(engine: Engine) -> int:
    """Lines of the file."""
    file = engine.settings.erasures_file
    return len(journal.read(file, engine.ledger.signer.verifier)) if file.exists() else 0


def test_a_file_that_cannot_be_written_is_a_failing_chore(engine: Engine) -> None:
    engine.store.add_subject(new("alice"), AUDIT, None, reply)
    engine.store.delete_subject("alice", AUDIT, None, lambda _: b"")
    engine.settings.erasures_file.mkdir()
    beside = Chores(engine, Metrics(), checkpoint_seconds=3600, retention_seconds=0, webhook=None)
    (chore,) = (one for one in beside._chores if one.name == "erasures")
    beside._do(chore)
    assert beside.problem.startswith("erasures: erasure-not-written: ")
    engine.settings.erasures_file.rmdir()
    beside._do(chore)
    assert (beside.problem, written(engine)) == ("", 1)
