"""Exact search: every float32 vector is compared, so nobody is missed."""

from __future__ import annotations

from collections.abc import Sequence

from govid import _core
from govid.gallery import Probes
from govid.gallery.found import Found
from govid.gallery.scan import scan
from govid.gallery.segments import Part


def search(parts: Sequence[Part], probes: Probes, k: int, threshold: float) -> Found:
    """The ``k`` best of the parts for each probe with a score >= ``threshold``, best first."""
    return scan(
        parts,
        len(probes),
        probes.shape[1],
        k,
        lambda segment, fetch: _core.nearest(probes, segment.vectors, fetch, threshold),
    )
