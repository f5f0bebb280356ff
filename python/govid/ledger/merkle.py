"""Merkle tree hash of RFC 6962, section 2.1: one digest over many rows, and proofs that a row is among them.

Leaves and nodes are hashed with different prefixes, so that a node can never be passed off as a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's hash; SHA-256 of nothing for no leaves."""
    if not leaves:
        return hashlib.sha256().digest()
    level = [_leaf(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def proof(leaves: Sequence[bytes], index: int) -> list[tuple[bool, bytes]]:
    """What joins one leaf to the root: (stands on the left, digest) from the leaf upwards."""
    path = []
    level = [_leaf(leaf) for leaf in leaves]
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append((sibling < index, level[sibling]))
        level = _parents(level)
        index //= 2
    return path


def proven(leaf: bytes, path: Sequence[tuple[bool, bytes]]) -> bytes:
    """The root that this leaf and path lead to."""
    digest = _leaf(leaf)
    for left, sibling in path:
        digest = _node(sibling, digest) if left else _node(digest, sibling)
    return digest


def _parents(level: list[bytes]) -> list[bytes]:
    # The last of an odd level goes up as it is, which gives the tree of the RFC: its left part is full.
    pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return pairs + level[len(pairs) * 2 :]


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
