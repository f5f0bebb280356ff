"""What the sealing of templates costs: the same store, and one whose keys let all pass in clear.

    python -m benchmarks.sealing

For each reference: microseconds of CPU, the least of some rounds in which the two take turns, and bytes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govid.store import bulk
from govid.store.sqlite import SqliteStore
from govid.vault.keys import FileKeys
from govid.vault.vault import SubjectKey, SubjectKeyRow, Vault

_DIMENSION = 128
_BATCH = 8192


class _ClearKey(SubjectKey):
    def seal(self, kind: str, data: bytes, *context: str | float, nonce: bytes | None = None) -> bytes:  # noqa: ARG002
        return data

    def open(self, kind: str, sealed: bytes, *context: str | float) -> bytes:  # noqa: ARG002
        return sealed


class _ClearVault(Vault):
    """Has keys and their rows, which are half of the SQL, and no cryptography."""

    _none = _ClearKey("", AESGCM(bytes(32)))

    def new_keys(self, subject_ids: Sequence[str]) -> Iterator[tuple[SubjectKeyRow, SubjectKey]]:
        key_id = self.keys.current()
        for subject_id in subject_ids:
            yield SubjectKeyRow(subject_id, key_id, b"", b""), self._none

    def unwrapped(self, subject_id: str, key_id: str | None, wrapped: bytes | None) -> SubjectKey:  # noqa: ARG002
        return self._none


def main() -> None:
    """Print a row for each thing that a template is sealed or opened for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sealing", description=__doc__)
    parser.add_argument("--references", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    incoming = _references(given.references)
    least: dict[str, dict[str, float]] = {}
    for _ in range(given.rounds):
        for name, vault in (("sealed", Vault), ("clear", _ClearVault)):
            for what, cost in _round(vault, incoming).items():
                found = least.setdefault(what, {})
                found[name] = min(found.get(name, cost), cost)
    print(f"| {given.references} references | sealed | clear |\n| --- | ---: | ---: |")
    for what, found in least.items():
        print(f"| {what} | {found['sealed']:.1f} | {found['clear']:.1f} |")


def _references(count: int) -> list[bulk.Incoming]:
    rows = np.random.default_rng(0).normal(size=(count, _DIMENSION)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [
        bulk.Incoming(f"subject-{number:08d}", (), False, "model", row.tobytes(), "[]", 1.5e9 + number)
        for number, row in enumerate(rows)
    ]


def _round(vault: Callable[[FileKeys], Vault], incoming: Sequence[bulk.Incoming]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="govid-bench-") as name:
        store = SqliteStore(Path(name) / "govid.sqlite3", vault(FileKeys(Path(name) / "keys.json")))
        begun = time.process_time()
        for start in range(0, len(incoming), _BATCH):
            with store.database.writing() as connection:
                bulk.insert(connection, store.vault, incoming[start : start + _BATCH], max_references=1)
        inserted = time.process_time()
        read = sum(1 for _ in store.all_templates()[1])
        filled = time.process_time()
        for one in incoming:
            store.templates(one.subject_id)
        ended = time.process_time()
        store.close()
        size = Path(name, "govid.sqlite3").stat().st_size
    assert read == len(incoming)
    return {
        "import one, µs": (inserted - begun) * 1e6 / read,
        "read one to fill a gallery, µs": (filled - inserted) * 1e6 / read,
        "look one up to verify, µs": (ended - filled) * 1e6 / read,
        "on disk, bytes": size / read,
    }


if __name__ == "__main__":
    main()
