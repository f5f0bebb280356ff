"""`govid settings`: where a value comes from is said, and a secret is not."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from govid import config
from govid.cli import cli
from govid.settings_list import settings
from server.access.settings import AccessSettings
from server.settings import ServerSettings


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, [*arguments], env=environment)


def test_all_of_them_are_there_with_what_they_are() -> None:
    found = json.loads(run("settings", "--json").output)["settings"]
    kinds = (config.Settings, ServerSettings, AccessSettings)
    assert [one["name"] for one in found] == [name for kind in kinds for name in kind.__struct_fields__]
    assert all(one["about"] and one["kind"] and one["variable"].startswith("GOVID_") for one in found)


def test_a_value_says_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "govid.toml"
    file.write_text("max_references = 3\nworkers = 2\n")
    came = run(
        "--data-dir", "d", "settings", "--changed", "--json", GOVID_CONFIG=str(file), GOVID_WORKERS="4"
    )
    found = {one["name"]: (one["value"], one["origin"]) for one in json.loads(came.output)["settings"]}
    assert found["max_references"] == ("3", f"{file}: max_references")
    assert found["workers"] == ("4", "GOVID_WORKERS")
    assert found["data_dir"] == ("d", "command line")
    assert "port" not in found
    assert "GOVID_WORKERS: whole number from 0 to 256; default 0" in run("settings", "workers").output


def test_secrets_are_never_shown() -> None:
    secrets = {
        "GOVID_STORE_URL": "postgresql://govid:hunter2@localhost/govid",
        "GOVID_ENCRYPTION_KEYS": "aHVudGVyMg==",
        "GOVID_WEBHOOK_URL": "https://example.org/hunter2",
        "GOVID_GALLERY_URL": "http://root:hunter2@localhost:19530",
    }
    for arguments in (["settings"], ["settings", "--json"], ["settings", "--changed", "url", "keys"]):
        shown = run(*arguments, **secrets).output
        assert "***" in shown
        assert not any(part in shown for part in ("hunter2", "aHVudGVyMg"))


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(config.InvalidSettings, match="GOVID_WORKERS"):
        settings(ServerSettings, environment={"GOVID_WORKERS": "many"})


@pytest.mark.parametrize("kind", [config.Settings, ServerSettings, AccessSettings])
def test_a_default_is_written_as_a_variable_takes_it(kind: type[msgspec.Struct]) -> None:
    described = settings(kind, environment={})
    again = config.load(kind, environment={one.variable: one.default for one in described})
    assert again == (kind(),)
