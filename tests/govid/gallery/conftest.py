"""Indexes over few references, so that these tests take seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def small_indexes() -> Iterator[None]:
    """Build an index from 2,000 references on, not from 10,000, and graphs with less care."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("govid.gallery.tiered.SMALLEST_INDEX", 2000)
        patch.setattr("govid.gallery.hnsw._BUILD_EFFORT", 40)
        yield
