"""The numbered news by which every gallery follows the store."""

from __future__ import annotations

from collections.abc import Sequence

from govid.store.database import Connection


def announce(connection: Connection, reference_ids: Sequence[int]) -> None:
    """Tell every gallery to look at these references again.

    Sequence numbers become visible in their order: whoever has read one has missed none before it.
    """
    connection.exclusive("gallery_change")
    connection.execute_many(
        "INSERT INTO gallery_change (reference_id) VALUES (?)",
        [(reference_id,) for reference_id in reference_ids],
    )
