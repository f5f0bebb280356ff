"""The gallery that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable

from govid.config import Settings, private_folder
from govid.gallery.choose import Rules, usable_memory
from govid.gallery.tiered import TieredGallery
from govid.vault.vault import Vault


def open_gallery(
    settings: Settings, dimension: int, model_id: str, threshold_at: Callable[[int], float], vault: Vault
) -> TieredGallery:
    """An empty gallery.

    Args:
        threshold_at: the score at which a search among so many references begins to find somebody.
        vault: seals its snapshots.

    Raises:
        InvalidSettings: its folder cannot be made.
    """
    rules = Rules(
        tier=None if settings.gallery == "auto" else settings.gallery,
        budget=settings.gallery_memory_bytes or usable_memory() // 2,
        floor=settings.gallery_min_recall,
        threshold_at=threshold_at,
    )
    return TieredGallery(
        dimension,
        model_id,
        rules,
        private_folder(settings.gallery_dir),
        vault=vault if settings.gallery_snapshot == "sealed" else None,
    )
