"""What `govid restore` says is left to do before servers start."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from govid import Settings
from govid.cli import cli
from tests import support
from tests.govid.backup.support import Place, journal


def said(*words: str) -> str:
    done = CliRunner().invoke(cli, [*words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("models", [False, True])
def test_it_says_where_models_are_missing(tmp_path: Path, models: bool) -> None:
    place = Place(Settings(data_dir=str(tmp_path / "var")))
    place.enrol("alice")
    place.checkpoint()
    backup, keys, new = str(tmp_path / "backup"), str(tmp_path / "keys.json"), tmp_path / "new"
    if models:
        support.data_dir(new)
    said("--data-dir", str(tmp_path / "var"), "backup", "create", backup, "--with-keys", keys)
    text = said("restore", backup, "--data-dir", str(new), "--private-keys", keys, "--none-erased")
    assert text.index("Now check") < text.index("Then start the servers")
    assert ("govid models pull" in text) is not models


def test_it_says_who_has_to_be_enrolled_again(tmp_path: Path) -> None:
    """The backup has no reference of the subject but one that was erased since."""
    place = Place(Settings(data_dir=str(tmp_path / "var")))
    place.enrol("alice", "bob")
    place.checkpoint()
    backup, keys = str(tmp_path / "backup"), str(tmp_path / "keys.json")
    said("--data-dir", str(tmp_path / "var"), "backup", "create", backup, "--with-keys", keys)
    (first,) = place.references("alice")
    place.add("alice", 7)
    place.delete_reference("alice", first)
    place.delete("bob")
    text = said(
        *("restore", backup, "--data-dir", str(tmp_path / "new"), "--private-keys", keys),
        *("--erasures", str(journal(place))),
    )
    assert "enrol again 'alice'" in text
    assert "enrol again 'bob'" not in text
