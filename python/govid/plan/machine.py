"""What this machine does in a second, measured in a few of them and kept beside the records."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import faiss
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from govid import _core, cores
from govid.audit import AuditRecord
from govid.config import private_folder
from govid.store import bulk
from govid.store.audit import append_many
from govid.store.sqlite import SqliteStore

# Far larger than a cache, or a scan would not read memory.
_SCAN_BYTES = 128 << 20
_SECONDS = 0.4
_BLOCK = 2048
_IVF_ROWS = 100_000
_HNSW_ROWS = 10_000
_STORE_ROWS = 4096
LINKS, BUILD_EFFORT, SEARCH_EFFORT = 32, 128, 512
"""Of the HNSW that is measured and planned: neighbours, and candidates kept in hand."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Measured on all cores at once, unless it says otherwise."""

    dimension: int
    measured_at: str
    isa: str
    cores: int
    scan_float32: Annotated[float, Meta(description="Bytes a second that cosine_many reads")]
    scan_int8: Annotated[float, Meta(description="Bytes a second that cosine_many_int8 reads")]
    block_float32: Annotated[float, Meta(description="Multiply-adds a second of cosine_block")]
    block_int8: Annotated[float, Meta(description="Multiply-adds a second of cosine_block_int8")]
    ivf_codes: Annotated[float, Meta(description="4-bit codes a second that a scan of IVF lists compares")]
    hnsw_rows: int
    hnsw_search: Annotated[float, Meta(description="Seconds of a search among hnsw_rows, one core")]
    hnsw_insert: Annotated[float, Meta(description="Seconds of an insert into hnsw_rows, one core")]
    spread: Annotated[float, Meta(description="p99 of a scan by its median, while it was measured")]
    store_bytes: Annotated[float, Meta(description="Of the record store for a reference, without embedding")]
    store_writes: Annotated[float, Meta(description="References a second into the record store, one core")]
    store_reads: Annotated[float, Meta(description="References a second out of it, one core")]


def measured(dimension: int, data_dir: Path, *, anew: bool) -> Machine:
    """What is kept of an earlier measurement of this machine, else a new one, which is kept."""
    kept = data_dir / "plan" / f"{dimension}.json"
    if not anew and kept.is_file():
        try:
            machine = msgspec.json.decode(kept.read_bytes(), type=Machine)
        except msgspec.MsgspecError:
            pass  # of another version: measured again
        else:
            if (machine.isa, machine.cores) == (_core.isa(), cores.available()):
                return machine
    machine = measure(dimension)
    private_folder(kept.parent)
    kept.write_bytes(msgspec.json.format(msgspec.json.encode(machine)) + b"\n")
    return machine


def measure(dimension: int, *, scan_bytes: int = _SCAN_BYTES, seconds: float = _SECONDS) -> Machine:
    """Measure.

    Args:
        scan_bytes: of the references that a scan reads; less than a cache gives wrong figures.
        seconds: for each of the constants that are repeated.
    """
    random = np.random.default_rng(0)
    floats = random.random((scan_bytes // (4 * dimension) + 1, dimension), dtype=np.float32) - np.float32(0.5)
    codes = random.integers(-127, 128, (scan_bytes // dimension + 1, dimension), dtype=np.int8)
    scans = _scans(_core.cosine_many, floats, seconds)
    scans_int8 = _scans(_core.cosine_many_int8, codes, seconds)
    some, some_codes = floats[:_BLOCK], codes[:_BLOCK]
    pairs = len(some) ** 2 * dimension * cores.available()
    hnsw_rows, hnsw_search, hnsw_insert = _hnsw(floats[:_HNSW_ROWS])
    store_bytes, store_writes, store_reads = _store(dimension)
    return Machine(
        dimension=dimension,
        measured_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        isa=_core.isa(),
        cores=cores.available(),
        scan_float32=floats.nbytes / float(np.median(scans)),
        scan_int8=codes.nbytes / float(np.median(scans_int8)),
        block_float32=pairs / _median(lambda: _core.cosine_block(some, some), seconds),
        block_int8=pairs / _median(lambda: _core.cosine_block_int8(some_codes, some_codes), seconds),
        ivf_codes=_ivf(floats[:_IVF_ROWS], seconds) * cores.available(),
        hnsw_rows=hnsw_rows,
        hnsw_search=hnsw_search,
        hnsw_insert=hnsw_insert,
        spread=max(1.0, float(np.percentile(scans, 99) / np.median(scans))),
        store_bytes=store_bytes,
        store_writes=store_writes,
        store_reads=store_reads,
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _repeated(work: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each run, the first one left out: it brings pages in."""
    work()
    end = time.perf_counter() + seconds
    found = [_timed(work)]
    while time.perf_counter() < end:
        found.append(_timed(work))
    return found


def _scans(kernel: Callable[..., object], references: NDArray[Any], seconds: float) -> list[float]:
    """Seconds of scans by all cores, each its part."""
    probe = np.ascontiguousarray(references[0])
    parts = np.array_split(references, cores.available())
    with ThreadPoolExecutor(cores.available()) as threads:
        return _repeated(lambda: list(threads.map(lambda part: kernel(probe, part), parts)), seconds)


def _median(work: Callable[[], object], seconds: float) -> float:
    """Median seconds while every core does the same work."""
    with ThreadPoolExecutor(cores.available()) as threads:
        return float(
            np.median(
                _repeated(lambda: list(threads.map(lambda _: work(), range(cores.available()))), seconds),
            )
        )


def _ivf(rows: NDArray[np.float32], seconds: float) -> float:
    """4-bit codes a second of one core: the scan within all cells."""
    even = np.ascontiguousarray(rows[:, : rows.shape[1] // 2 * 2])
    index = faiss.IndexIVFPQFastScan(
        faiss.IndexFlatIP(even.shape[1]), even.shape[1], 16, even.shape[1] // 2, 4, faiss.METRIC_INNER_PRODUCT
    )
    index.by_residual = False
    index.train(even[:4096])
    index.add(even)
    index.nprobe = index.nlist
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        return len(rows) / float(np.median(_repeated(lambda: index.search(even[:1], 10), seconds)))
    finally:
        faiss.omp_set_num_threads(before)


def _hnsw(rows: NDArray[np.float32]) -> tuple[int, float, float]:
    """How many references, and seconds of a search and of an insert, on one core."""
    even = np.ascontiguousarray(rows[:, : rows.shape[1] // 2 * 2])
    kind: Any = faiss.ScalarQuantizer.QT_8bit
    index = faiss.IndexHNSWSQ(even.shape[1], kind, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILD_EFFORT, SEARCH_EFFORT
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index.train(even)
        insert = _timed(lambda: index.add(even)) / len(even)
        # One after the other: a batch would be shared out.
        searches = [_timed(partial(index.search, one, 10)) for one in even[:50, None]]
        return len(even), float(np.median(searches)), insert
    finally:
        faiss.omp_set_num_threads(before)


def _store(dimension: int) -> tuple[float, float, float]:
    """Bytes of a reference beside its embedding, and references a second, written by an import and read."""
    random = np.random.default_rng(0)
    vector = np.full(dimension, dimension**-0.5, dtype="<f4").tobytes()
    incoming = [
        bulk.Incoming(random.bytes(8).hex(), (), False, "m" * 40, vector, "[]", 1.0)
        for _ in range(_STORE_ROWS)
    ]
    rows = len(incoming)
    audit = AuditRecord(
        time=1e9,
        request_id="-" * 40,
        operation="import",
        outcome="ENROLLED",
        subject_id="-" * 16,
        model_id="m" * 40,
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan.sqlite3"
        store = SqliteStore(path)

        def write() -> None:
            with store.database.writing() as connection:
                bulk.insert(connection, store.vault, incoming, max_references=1)
                append_many(connection, [audit] * rows)

        written = _timed(write)
        read = _timed(lambda: list(store.all_templates()[1]))
        store.close()
        return path.stat().st_size / rows - 4 * dimension, rows / written, rows / read
