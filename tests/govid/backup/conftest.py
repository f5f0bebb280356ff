"""Each kind of store, with three citizens, a tab and a backslash in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from govid import Settings
from tests.govid.backup.support import Place

NewPlace: TypeAlias = Callable[[str], Place]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> NewPlace:
    """An empty installation under a name."""

    def make(name: str) -> Place:
        url = request.getfixturevalue("postgresql").new_database() if request.param == "postgresql" else ""
        return Place(Settings(data_dir=str(tmp_path / name), store_url=url))

    return make


@pytest.fixture
def place(new_place: NewPlace) -> Place:
    """An installation with some citizens."""
    made = new_place("var")
    made.enrol("alice", "bob", "王\\n小\\明")
    made.checkpoint()
    return made
