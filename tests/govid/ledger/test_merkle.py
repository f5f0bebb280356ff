from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=40), st.data())
def test_each_leaf_is_proven_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.proof(leaves, index)
    assert merkle.proven(leaves[index], path) == merkle.root(leaves)
    assert merkle.proven(leaves[index] + b"x", path) != merkle.root(leaves)
