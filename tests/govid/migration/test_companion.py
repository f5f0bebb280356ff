"""What an engine that runs makes of the steps of a migration."""

from __future__ import annotations

import pytest

from govid import Settings
from govid.errors import ModelNotServing
from govid.migration.companion import Companion
from govid.store.records import SqlStore
from tests.govid.migration.support import OLD, begin, enter


@pytest.mark.parametrize("end", ["rolled_back", "finished"])
def test_an_engine_of_before_does_not_go_on_where_its_gallery_missed_something(
    store: SqlStore, end: str
) -> None:
    companion = Companion(store, Settings(), OLD.model_id)
    begin(store)
    enter(store, "cut_over", "target")
    with pytest.raises(ModelNotServing, match="templates of n count"):
        companion.check(now=True)
    enter(store, end, "source" if end == "rolled_back" else None)
    with pytest.raises(ModelNotServing, match="since this engine was started"):
        companion.check(now=True)
    companion.close()
    if end == "finished":
        Companion(store, Settings(), "n").close()
