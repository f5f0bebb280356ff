from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from govid import Settings
from govid.errors import InvalidSettings, StoreDriverMissing
from govid.store.opening import open_store
from govid.store.sqlite import SqliteStore
from tests.postgresql import PASSWORD, PostgresqlServer
from tests.support import ROOT


def test_without_a_url_records_lie_in_the_data_folder(tmp_path: Path) -> None:
    store = open_store(Settings(data_dir=str(tmp_path)))
    assert isinstance(store, SqliteStore)
    assert store.database.name == str(tmp_path / "govid.sqlite3")
    store.close()


def test_a_url_or_a_file_that_holds_it_names_a_postgresql(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    url = postgresql.new_schema()
    first = open_store(Settings(data_dir=str(tmp_path / "var"), store_url=url))
    (tmp_path / "url").write_text(f"{url}\n")
    second = open_store(Settings(data_dir=str(tmp_path / "var"), store_url_file=str(tmp_path / "url")))
    assert first.identity == second.identity
    assert first.database.name.startswith("postgresql://govid@")
    assert PASSWORD not in first.database.name
    assert not (tmp_path / "var" / "govid.sqlite3").exists()
    first.close()
    second.close()


@pytest.mark.parametrize(
    "url", [f"mysql://u:{PASSWORD}@h/d", f"u:{PASSWORD}@h", "sqlite:///x", "postgresql:x"]
)
def test_another_kind_of_store_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(InvalidSettings, match="begins with postgresql://") as caught:
        open_store(Settings(store_url=url))
    assert PASSWORD not in caught.value.detail


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"\n", "empty"), (b"\xff\xfe", "not UTF-8")]
)
def test_a_file_without_a_url_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    with pytest.raises(InvalidSettings, match=message):
        open_store(Settings(data_dir=str(tmp_path), store_url_file=str(tmp_path / "url")))


def test_two_places_for_one_url_are_refused() -> None:
    with pytest.raises(InvalidSettings, match="keep one"):
        open_store(Settings(store_url="postgresql://h/d", store_url_file="f"))


def test_settings_show_no_password() -> None:
    settings = Settings(store_url=f"postgresql://u:{PASSWORD}@h/d")
    assert PASSWORD not in repr(settings) + str(settings) + f"{settings!r}"
    assert "max_references=10" in repr(settings)


def test_without_the_driver_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for module in ("postgresql", "pool"):
        monkeypatch.delitem(sys.modules, f"govid.store.{module}", raising=False)
    with pytest.raises(StoreDriverMissing) as caught:
        open_store(Settings(store_url="postgresql://h/d"))
    assert "pip install" in caught.value.remedy


def test_nobody_else_loads_the_driver() -> None:
    code = "import sys, govid.pipeline, govid.doctor, server.app; print('psycopg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "False\n"
