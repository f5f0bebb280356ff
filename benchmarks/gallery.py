"""A million references: the int8 tier beside FAISS' flat index, one probe and 64 at once, on two threads."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks import templates
from benchmarks.harness import Call, Contender, Options, Pace, compare, main
from benchmarks.results import Table
from govid import cores
from govid.gallery import Hit, parallel
from govid.gallery.choose import Rules, Tier
from govid.gallery.tiered import TieredGallery

_THREADS = 2
_NEAREST = 10
_AT_ONCE = 64
# Of the mates. Codes are not asked to find more than exact search does, but the same.
_PROBES = 10_000


def claim(options: Options) -> list[Table]:
    """One probe, then 64 at once. FAISS' own way with many probes is a contender, too."""
    parallel.CORES = min(_THREADS, cores.available())
    faiss.omp_set_num_threads(parallel.CORES)
    count = 20_000 if options.quick else 1_000_000
    looks = np.concatenate([*templates.people(count, seed=1)])
    rows = templates.photos(looks, seed=2)
    some = looks[:: max(1, count // (_AT_ONCE if options.quick else _PROBES))]
    probes = templates.photos(some, seed=3)
    del looks
    flat = faiss.IndexFlatIP(templates.DIMENSION)
    flat.add(rows)
    galleries = {tier: _gallery(tier, rows) for tier in ("int8", "exact")}
    first = flat.search(probes, 1)[1][:, 0]
    many, one = probes[:_AT_ONCE], probes[:1]

    def contenders(probes: templates.Matrix) -> list[Contender]:
        one_by_one = Contender(
            "FAISS", "IndexFlatIP, one probe a call", lambda: partial(_each, flat, probes), _faiss_first
        )
        return [
            Contender("govid int8", "tier int8", lambda: _ours(galleries["int8"], probes), _ours_first),
            Contender("govid exact", "tier exact", lambda: _ours(galleries["exact"], probes), _ours_first),
            one_by_one,
        ]

    def right(_: int, found: list[int]) -> int:
        return sum(mine == wanted for mine, wanted in zip(found, first.tolist(), strict=False))

    together = Contender(
        "FAISS", "IndexFlatIP, all at once", lambda: partial(flat.search, many, _NEAREST), _rows
    )
    title = f"The {_NEAREST} nearest of {count:,} x {templates.DIMENSION}, {parallel.CORES} threads"
    return [
        compare("gallery_one", f"{title}, one probe", "ms", contenders(one), right, options.pace),
        compare(
            "gallery_many",
            f"{title}, {_AT_ONCE} probes, time of each",
            "ms",
            [*contenders(many), together],
            right,
            options.pace,
            items=_AT_ONCE,
        ),
        compare(
            "gallery_found",
            f"{title}, {len(probes):,} mated probes, time of each",
            "ms",
            [Contender("govid int8", "tier int8", lambda: _ours(galleries["int8"], probes), _ours_first)],
            right,
            # It counts answers; once is enough.
            Pace(1, 0.0),
            items=len(probes),
            strict=False,
        ),
    ]


def _gallery(tier: Tier, rows: templates.Matrix) -> TieredGallery:
    # No memory runs short here: the folder is not used.
    rules = Rules(tier, sys.maxsize, 1.0, lambda _: 0.0)
    gallery = TieredGallery(templates.DIMENSION, "benchmark", rules, Path())
    gallery.add(range(len(rows)), rows)
    gallery.build()
    return gallery


def _ours(gallery: TieredGallery, probes: templates.Matrix) -> Call:
    return partial(gallery.search, probes, _NEAREST)


def _ours_first(found: list[list[Hit]]) -> list[int]:
    return [hits[0].reference_id for hits in found]


def _each(index: Any, probes: templates.Matrix) -> list[Any]:  # noqa: ANN401 - no stubs
    return [index.search(probe[None], _NEAREST) for probe in probes]


def _faiss_first(found: list[Any]) -> list[int]:
    return [int(rows[0, 0]) for _, rows in found]


def _rows(found: Any) -> list[int]:  # noqa: ANN401
    return [int(row) for row in found[1][:, 0]]


if __name__ == "__main__":
    main(claim)
