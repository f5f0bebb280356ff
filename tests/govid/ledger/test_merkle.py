from __future__ import annotations

import hashlib

import pytest

from govid.ledger import merkle


def by_the_letter(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_the_letter(leaves[:k]) + by_the_letter(leaves[k:])).digest()


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 100])
def test_the_root_is_that_of_the_rfc(count: int) -> None:
    leaves = [bytes([number]) * 32 for number in range(count)]
    assert merkle.root(leaves) == by_the_letter(leaves)
