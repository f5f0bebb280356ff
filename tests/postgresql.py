"""A private PostgreSQL server: its own folder, a Unix socket and no port, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "s3cret-of-the-tests"


def programs() -> Path | None:
    """Folder of `initdb` and `postgres`; None where PostgreSQL is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).parent if found else None


class PostgresqlServer:
    """Started, killed and started again by its tests."""

    def __init__(self, folder: Path, *, fsync: bool) -> None:
        self.folder = folder
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(folder, self._user)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o444)
        initdb = self._command(
            "initdb", "--no-sync", "--username=govid", "--auth=scram-sha-256", "--encoding=UTF8",
            "--locale=C.UTF-8", f"--pwfile={folder}/password", f"--pgdata={folder}/data",
        )  # fmt: skip
        subprocess.run(initdb, cwd=folder, capture_output=True, check=True)

    def url(self, database: str = "postgres") -> str:
        """Of one of its databases."""
        return f"postgresql://govid:{PASSWORD}@/{database}?host={quote(str(self.folder), safe='')}"

    def new_database(self) -> str:
        """The URL of a fresh database."""
        return self.url(self._new("DATABASE"))

    def new_schema(self) -> str:
        """The URL of a fresh schema: as good for a store, and a fifth of the files."""
        return f"{self.url()}&options=-c%20search_path%3D{self._new('SCHEMA')}"

    def _new(self, kind: str) -> str:
        import psycopg

        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE {kind} {name}".encode())
        return name

    def start(self, seconds: float = 60) -> None:
        """Start it and return when it answers."""
        import psycopg

        deadline = time.monotonic() + seconds
        while True:
            # After kill -9 of the postmaster it refuses to start until the last backend is gone.
            if self._process is None or self._process.poll() is not None:
                self._process = self._launch()
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """kill -9 of the postmaster; its backends notice and go."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it for good: nobody waits for a last checkpoint."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=60)

    def _command(self, program: str, *arguments: str) -> list[str]:
        folder = programs()
        assert folder is not None
        # It ends with the tests even if those are killed.
        prefix = ["setpriv", "--pdeathsig=INT"]
        if os.geteuid() == 0:
            prefix += [f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"]
        return [*prefix, str(folder / program), *arguments]

    def _launch(self) -> subprocess.Popen[bytes]:
        where = ("-D", f"{self.folder}/data", "-k", str(self.folder), "-c", "listen_addresses=")
        durable = ("-c", f"fsync={'on' if self._fsync else 'off'}")
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(self._command("postgres", *where, *durable), cwd=self.folder, stderr=log)


@contextmanager
def postgresql_server(*, fsync: bool) -> Iterator[PostgresqlServer]:
    """A fresh server; the test is skipped where there is none to start.

    Args:
        fsync: whether a commit is on disk when it returns; without it the tests leave the disk in peace.
    """
    if programs() is None:
        pytest.skip(
            "PostgreSQL is not installed: apt-get install postgresql, or scripts/setup.sh dev as root"
        )
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed: apt-get install util-linux")
    with tempfile.TemporaryDirectory(prefix="govid-postgresql-") as name:
        server = PostgresqlServer(Path(name), fsync=fsync)
        try:
            server.start()
            yield server
        finally:
            server.stop()
