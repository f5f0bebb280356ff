"""The gallery's figures at /metrics, read when they are scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from govid.gallery import GalleryStats


class GalleryCollector(Collector):
    """One look at the gallery for all its metrics, so that they belong together."""

    def __init__(self) -> None:
        """Without a gallery there are no metrics."""
        self.stats: Callable[[], GalleryStats] | None = None

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        if self.stats is None:
            return
        stats = self.stats()
        yield InfoMetricFamily("govid_gallery_tier", "How the gallery is searched.", {"tier": stats.tier})
        gauges: dict[str, tuple[str, float]] = {
            "references": ("References that a search covers.", stats.references),
            "memory_bytes": ("Memory of the gallery.", stats.memory_bytes),
            "disk_bytes": ("Vectors of the gallery that lie on disk.", stats.disk_bytes),
            "pending_references": (
                "References compared beside the index until its next build.",
                stats.pending,
            ),
            "building": ("1 while an index is built.", stats.building),
            "refused": (
                "1 if the index of the last build found too few and does not serve.",
                bool(stats.refused),
            ),
            "build_seconds": ("Time that the last build took.", stats.build_seconds),
        }
        if recall := stats.recall:
            gauges |= {
                "recall_at_1": (
                    "Mates that the index puts first, of those exact search does.",
                    recall.recall_at_1,
                ),
                "recall_at_10": ("The same among the first ten.", recall.recall_at_10),
                "fnir": ("Mates above the threshold that the index misses.", recall.fnir),
            }
        for name, (meaning, value) in gauges.items():
            yield GaugeMetricFamily(f"govid_gallery_{name}", meaning, value)
