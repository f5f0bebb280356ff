from __future__ import annotations

import base64
from pathlib import Path

from govid.callers import Scope, Sight
from govid.config import Settings
from govid.store.sqlite import SqliteStore
from server.access.settings import AccessSettings
from server.hardening import missing
from server.settings import ServerSettings
from tests.server.access import Authority, caller, make_keys


def found(settings: Settings, server: ServerSettings, access: AccessSettings) -> str:
    """Without who runs the tests."""
    return "\n".join(line for line in missing(settings, server, access) if not line.startswith("run by root"))


def test_each_missing_piece_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    settings = Settings(data_dir=str(folder))
    lines = found(settings, ServerSettings(log_level="debug"), AccessSettings(open_metrics=True))
    for piece in ("no TLS", "no authentication", "on_duplicate", "log_level", "open_metrics"):
        assert piece in lines
    make_keys(folder, caller("hotel", Scope.VERIFY, sees=Sight.EXACT))
    (folder / "govid.sqlite3").chmod(0o644)
    lines = found(settings, ServerSettings(tls_certificate="/nowhere", tls_key="/nowhere"), AccessSettings())
    for piece in (
        "never expires",
        "every use case",
        "exact scores",
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


def test_a_sound_installation_lacks_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    certificate, key, _ = Authority(tmp_path).issue("localhost")
    key.chmod(0o600)
    parties = tmp_path / "parties.toml"
    parties.write_text('[bank]\nsan = "bank.example"\nscopes = ["verify"]\n')
    server = ServerSettings(tls_certificate=str(certificate), tls_key=str(key))
    access = AccessSettings(authentication="required", client_parties=str(parties))
    elsewhere = base64.b64encode(bytes(range(32))).decode()
    sound = Settings(data_dir=str(folder), on_duplicate="hold", encryption_keys=elsewhere)
    assert found(sound, server, access) == ""


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
