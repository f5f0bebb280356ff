from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from govid.callers import Scope, Sight
from govid.config import Settings
from govid.store.sqlite import SqliteStore
from server import hardening, machine
from server.access.settings import AccessSettings
from server.hardening import missing
from server.settings import ServerSettings
from tests import support
from tests.server.access import Authority, caller, make_keys


def found(settings: Settings, server: ServerSettings, access: AccessSettings) -> str:
    """Without what is of the machine that runs the tests."""
    own = machine.missing()
    return "\n".join(line for line in missing(settings, server, access) if line not in own)


def test_each_missing_piece_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    settings = Settings(data_dir=str(folder))
    lines = found(settings, ServerSettings(log_level="debug"), AccessSettings(open_metrics=True))
    for piece in ("no TLS", "no authentication", "on_duplicate", "log_level", "open_metrics"):
        assert piece in lines
    make_keys(folder, caller("hotel", Scope.VERIFY, Scope.AUDIT, sees=Sight.EXACT))
    (folder / "govid.sqlite3").chmod(0o644)
    lines = found(settings, ServerSettings(tls_certificate="/nowhere", tls_key="/nowhere"), AccessSettings())
    for piece in (
        "never expires",
        "every use case",
        "exact scores",
        "read the audit of it",
        "`auto`",
        "read or written",
        "not start",
    ):
        assert piece in lines
    assert "no TLS" not in lines
    own = folder / "use_cases"
    own.mkdir()
    own.chmod(0o777)
    assert f"{own} can be written by others" in found(settings, ServerSettings(), AccessSettings())


@pytest.mark.parametrize(
    ("settings", "access", "piece"),
    [
        ({"lockout_attempts": 50}, {}, "lockout_attempts is 50"),
        ({"lockout_lock_seconds": 1.0}, {}, "lockout_lock_seconds is 1:"),
        ({"lockout_window_seconds": 1.0}, {}, "lockout_window_seconds is 1:"),
        ({}, {"requests_per_second": 10_000.0}, "requests_per_second is 10000"),
        ({}, {"open_schema": True}, "open_schema"),
        ({}, {}, "no use case of your own"),
        ({}, {}, "the signing key lies beside the records"),
        ({}, {}, "nobody is told of complaints"),
    ],
)
def test_each_loose_setting_is_named(
    tmp_path: Path, settings: dict[str, Any], access: dict[str, Any], piece: str
) -> None:
    chosen = Settings(data_dir=str(tmp_path / "var"), **settings)
    assert piece in found(chosen, ServerSettings(), AccessSettings(**access))


def test_rare_checkpoints_are_named(tmp_path: Path) -> None:
    server = ServerSettings(audit_checkpoint_seconds=86400.0)
    assert "set at most 3600" in found(Settings(data_dir=str(tmp_path)), server, AccessSettings())


@pytest.mark.parametrize(
    ("url", "piece"),
    [
        ("postgresql://u@db.example/govid", "travel to db.example "),
        ("postgresql://u@db.example/govid?sslmode=require", "sslmode=verify-full"),
        ("postgresql://u@127.0.0.1:5432,db2.example:5432/govid", "travel to db2.example:5432 "),
        ("postgresql://u@[2001:db8::1]:5432/govid", "travel to [2001:db8::1]:5432 "),
        ("postgresql:///govid?host=db.example", "travel to db.example "),
        ("postgresql://u@db.example/govid?sslmode=verify-full", ""),
        ("postgresql://u@localhost/govid", ""),
        ("postgresql://u@[::1]:5432/govid", ""),
        ("postgresql:///govid?host=/run/postgresql", ""),
        ("postgresql://u:secret@localhost/govid", "store_url_file"),
    ],
)
def test_a_database_in_the_clear_is_named(url: str, piece: str, tmp_path: Path) -> None:
    """The lines about the database alone: it is not asked."""
    lines = "\n".join(hardening._database(Settings(data_dir=str(tmp_path), store_url=url)))
    assert (piece in lines) if piece else not lines
    assert "secret" not in lines


def test_a_password_in_a_file_is_in_no_environment(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u:secret@localhost/govid\n")
    assert not list(hardening._database(Settings(data_dir=str(tmp_path), store_url_file=str(file))))


def test_a_certificate_that_ends_soon_is_named(tmp_path: Path) -> None:
    certificate, key, _ = Authority(tmp_path).issue("localhost")  # ends in a day
    server = ServerSettings(tls_certificate=str(certificate), tls_key=str(key))
    assert "tls_certificate ends in 0 days" in found(
        Settings(data_dir=str(tmp_path)), server, AccessSettings()
    )


def test_strict_fails_where_something_is_missing(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    command = [support.GOVID, "--data-dir", str(folder), "doctor", "--json"]
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    strict = subprocess.run([*command, "--strict"], capture_output=True, text=True, check=False)
    assert (plain.returncode, strict.returncode) == (0, 1)
    assert any("no TLS" in line for line in json.loads(strict.stdout)["hardening"])


def test_a_sound_installation_lacks_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    certificate, key, _ = Authority(tmp_path).issue("localhost", days=365)
    key.chmod(0o600)
    signing = tmp_path / "signing.pem"
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    own = folder / "use_cases"
    own.mkdir(mode=0o700)
    support.use_case(folder, "hotel")
    parties = tmp_path / "parties.toml"
    parties.write_text('[bank]\nsan = "bank.example"\nscopes = ["verify"]\n')
    server = ServerSettings(
        tls_certificate=str(certificate),
        tls_key=str(key),
        webhook_url="https://hook.example/",
        webhook_secret_file=str(secret),
    )
    access = AccessSettings(authentication="required", client_parties=str(parties))
    settings = Settings(
        data_dir=str(folder),
        on_duplicate="hold",
        signing_key_file=str(signing),
        encryption_keys=base64.b64encode(bytes(range(32))).decode(),
    )
    assert found(settings, server, access) == ""


def test_keys_beside_the_records_and_faces_in_clear_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    SqliteStore(folder / "govid.sqlite3").close()
    keys = folder / "keys" / "encryption.json"
    beside = f"{keys} lies on the file system of the records"
    lines = found(Settings(data_dir=str(folder)), ServerSettings(), AccessSettings())
    assert beside in lines
    assert "gallery_snapshot" not in lines
    keys.chmod(0o644)
    lines = found(
        Settings(data_dir=str(folder), gallery_snapshot="clear"), ServerSettings(), AccessSettings()
    )
    assert f"{keys} can be read or written by others" in lines
    assert "gallery_snapshot is `clear`" in lines


def test_a_key_that_may_not_be_looked_at_ends_no_report(tmp_path: Path) -> None:
    # A name too long to be asked for fails as a folder of another user does, for root as well.
    hidden = str(tmp_path / ("x" * 300))
    settings = Settings(data_dir=str(tmp_path / "var"), signing_key_file=hidden, encryption_keys_file=hidden)
    assert "no TLS" in found(settings, ServerSettings(tls_key=hidden), AccessSettings())


def test_too_few_files_are_named(tmp_path: Path) -> None:
    program = f"""
import resource
from govid.config import Settings
from server.access.settings import AccessSettings
from server.hardening import missing
from server.settings import ServerSettings
resource.setrlimit(resource.RLIMIT_NOFILE, (1500, 1500))
print("\\n".join(missing(Settings(data_dir={str(tmp_path)!r}), ServerSettings(), AccessSettings())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "the server would not start: open files: " in done.stdout
