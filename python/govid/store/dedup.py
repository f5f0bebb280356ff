"""Dedup jobs, their blocks and the pairs they found.

The functions run inside the caller's transaction. A block row is one range of references against itself and
all before it; ``next_column`` says how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from govid.dedup.plan import Span
from govid.policy import PairThreshold
from govid.store.database import Connection, Database, Row
from govid.store.shadow import SERVING
from govid.store.templates import COLUMNS

_JOB = (
    "job_id, kind, state, model_id, calibration_id, after_change, last_change, threshold, fmr, fmr_upper,"
    " supported, comparisons, created_at, resumed_at, blocks_before, ended_at"
)
_PAGE = 1000
_PAIRS_AT_ONCE = 250


class JobRow(NamedTuple):
    """A row of ``dedup_job``."""

    job_id: int
    kind: str
    state: str
    model_id: str
    calibration_id: str
    after_change: int
    last_change: int
    threshold: float
    fmr: float
    fmr_upper: float
    supported: int
    comparisons: int
    created_at: float
    resumed_at: float
    blocks_before: int
    ended_at: float | None


class Progress(NamedTuple):
    """Sums over the blocks of a job."""

    blocks: int
    blocks_done: int
    compared: int
    same_subject: int
    other_model: int
    not_kept: int


class Claim(NamedTuple):
    """A range that a worker compares until its lease ends."""

    number: int
    next_column: int
    column_count: int


class Tally(NamedTuple):
    """What one block counted."""

    compared: int
    same_subject: int
    other_model: int
    not_kept: int


class Pair(NamedTuple):
    """Two references of different subjects, ``subject_a`` < ``subject_b``, that look like one person."""

    subject_a: str
    subject_b: str
    reference_a: int
    reference_b: int
    score: float


class ExportedPair(NamedTuple):
    """A found pair and the case it went to, if it did."""

    pair: Pair
    case_id: int | None


# --- planning ---------------------------------------------------------------------------------------------


def last_change(connection: Connection) -> int:
    """Number of the newest change of the references."""
    row = connection.row("SELECT coalesce(max(sequence), 0) FROM gallery_change")
    assert row is not None
    return int(row[0])


def change_before(connection: Connection, reference_id: int) -> int:
    """The last change before the first reference behind this one became active."""
    row = connection.row(
        "SELECT coalesce(min(sequence) - 1, (SELECT coalesce(max(sequence), 0) FROM gallery_change))"
        " FROM gallery_change WHERE reference_id > ?",
        (reference_id,),
    )
    assert row is not None
    return int(row[0])


def span_ends(database: Database, *, first: int, last: int, size: int) -> Iterator[tuple[int, int]]:
    """The last change and the number of active references of spans of ``size``; one short query each."""
    while True:
        with database.reading() as connection:
            row = connection.row(
                "SELECT max(sequence), count(*) FROM (SELECT sequence FROM gallery_change"
                " JOIN reference ON reference.reference_id = gallery_change.reference_id"
                " JOIN subject ON subject.subject_id = reference.subject_id"
                " WHERE held = 0 AND sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?) AS span",
                (first, last, size),
            )
        if row is None or not row[1]:
            return
        yield int(row[0]), int(row[1])
        first = int(row[0])


def running(connection: Connection, *, kind: str) -> int | None:
    """The job of this kind that runs."""
    row = connection.row("SELECT max(job_id) FROM dedup_job WHERE state = 'running' AND kind = ?", (kind,))
    return None if row is None or row[0] is None else int(row[0])


def running_with(connection: Connection, model_id: str) -> int | None:
    """The newest running job that compares templates of this model."""
    row = connection.row(
        "SELECT max(job_id) FROM dedup_job WHERE state = 'running' AND model_id = ?", (model_id,)
    )
    return None if row is None or row[0] is None else int(row[0])


def insert_job(
    connection: Connection,
    *,
    kind: str,
    model_id: str,
    calibration_id: str,
    after_change: int,
    last_change: int,
    threshold: PairThreshold,
    comparisons: int,
    spans: Sequence[Span],
) -> int:
    """A job and its blocks; one without a block is done at once."""
    now = time.time()
    todo = any(span.new for span in spans)
    row = connection.row(
        "INSERT INTO dedup_job (kind, state, model_id, calibration_id, after_change, last_change, threshold,"
        " fmr, fmr_upper, supported, comparisons, created_at, resumed_at, blocks_before, ended_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) RETURNING job_id",
        (
            kind,
            "running" if todo else "done",
            model_id,
            calibration_id,
            after_change,
            last_change,
            threshold.threshold,
            threshold.fmr,
            threshold.fmr_upper,
            int(threshold.supported),
            comparisons,
            now,
            now,
            None if todo else now,
        ),
    )
    assert row is not None
    job_id = int(row[0])
    # A range that is not new was compared with those before it by an earlier job.
    connection.execute_many(
        "INSERT INTO dedup_block VALUES (?, ?, ?, ?, ?, 0, ?, NULL, 0, 0, 0, 0, 0)",
        (
            (
                job_id,
                number,
                span.after,
                span.last,
                number + 1 if span.new else 0,
                "todo" if span.new else "done",
            )
            for number, span in enumerate(spans)
        ),
    )
    return job_id


# --- looking ----------------------------------------------------------------------------------------------


def job(connection: Connection, job_id: int) -> JobRow | None:
    """One job."""
    row = connection.row(f"SELECT {_JOB} FROM dedup_job WHERE job_id = ?", (job_id,))
    return None if row is None else JobRow(*row)


def jobs(connection: Connection, *, before: int | None, limit: int) -> list[JobRow]:
    """Jobs with an id below ``before``, the newest first."""
    where, parameters = ("WHERE job_id < ?", (before, limit)) if before is not None else ("", (limit,))
    rows = connection.rows(f"SELECT {_JOB} FROM dedup_job {where} ORDER BY job_id DESC LIMIT ?", parameters)
    return [JobRow(*row) for row in rows]


def progress(connection: Connection, job_id: int) -> Progress:
    """How far a job is, and what it counted."""
    row = connection.row(
        "SELECT coalesce(sum(column_count), 0), coalesce(sum(next_column), 0), coalesce(sum(compared), 0),"
        " coalesce(sum(same_subject), 0), coalesce(sum(other_model), 0), coalesce(sum(not_kept), 0)"
        " FROM dedup_block WHERE job_id = ?",
        (job_id,),
    )
    assert row is not None
    return Progress(*(int(value) for value in row))


def pairs_of(connection: Connection, job_id: int) -> int:
    """How many pairs a job found."""
    row = connection.row("SELECT count(*) FROM dedup_pair WHERE job_id = ?", (job_id,))
    assert row is not None
    return int(row[0])


def cases_of(connection: Connection, job_id: int) -> int:
    """How many cases a job opened."""
    row = connection.row("SELECT count(*) FROM duplicate_case WHERE job_id = ?", (job_id,))
    assert row is not None
    return int(row[0])


def spans(connection: Connection, job_id: int) -> list[tuple[int, int]]:
    """The changes of each range of a job: behind the first up to the second."""
    return [
        (int(after), int(last))
        for after, last in connection.rows(
            "SELECT after_change, last_change FROM dedup_block WHERE job_id = ? ORDER BY number", (job_id,)
        )
    ]


def templates(connection: Connection, after: int, last: int) -> Iterator[Row]:
    """``store.templates.COLUMNS`` of the active references of a range."""
    return connection.stream(
        f"SELECT {COLUMNS} FROM gallery_change"
        f" JOIN {SERVING} ON reference.reference_id = gallery_change.reference_id"
        " JOIN subject ON subject.subject_id = reference.subject_id"
        " LEFT JOIN subject_key ON subject_key.subject_id = reference.subject_id"
        " WHERE held = 0 AND sequence > ? AND sequence <= ? ORDER BY sequence",
        (after, last),
    )


def exported(connection: Connection, job_id: int, after: tuple[int, int]) -> list[ExportedPair]:
    """The next pairs of a job whose subjects are both still enrolled, in order of their references."""
    rows = connection.rows(
        "SELECT p.subject_a, p.subject_b, p.reference_a, p.reference_b, p.score, p.case_id FROM dedup_pair p"
        " JOIN reference a ON a.reference_id = p.reference_a"
        " JOIN reference b ON b.reference_id = p.reference_b"
        " WHERE p.job_id = ? AND (p.reference_a, p.reference_b) > (?, ?)"
        " ORDER BY p.reference_a, p.reference_b LIMIT ?",
        (job_id, *after, _PAGE),
    )
    return [ExportedPair(Pair(*row[:5]), row[5]) for row in rows]


# --- working ----------------------------------------------------------------------------------------------


def claim(connection: Connection, job_id: int, worker: str, lease_seconds: float) -> Claim | None:
    """The next range without a worker, or whose worker's lease has run out."""
    now = time.time()
    # On PostgreSQL two could otherwise choose the same row and one claim it after the other.
    connection.exclusive(f"dedup_job {job_id}")
    row = connection.row(
        "UPDATE dedup_block SET state = 'running', worker = ?, lease_until = ?"
        " WHERE job_id = ? AND number = (SELECT max(number) FROM dedup_block WHERE job_id = ?"
        "  AND (state = 'todo' OR (state = 'running' AND lease_until < ?)))"
        " AND EXISTS (SELECT 1 FROM dedup_job WHERE job_id = ? AND state = 'running')"
        " RETURNING number, next_column, column_count",
        (worker, now + lease_seconds, job_id, job_id, now, job_id),
    )
    return None if row is None else Claim(*row)


def advance(
    connection: Connection, job_id: int, claim: Claim, worker: str, lease_seconds: float, tally: Tally
) -> bool:
    """Count one more column of a range; False if it is no longer this worker's, or the job ended."""
    column = claim.next_column + 1
    return bool(
        connection.execute(
            "UPDATE dedup_block SET next_column = ?, state = ?, lease_until = ?, compared = compared + ?,"
            " same_subject = same_subject + ?, other_model = other_model + ?, not_kept = not_kept + ?"
            " WHERE job_id = ? AND number = ? AND worker = ? AND next_column = ? AND state = 'running'"
            " AND EXISTS (SELECT 1 FROM dedup_job WHERE job_id = ? AND state = 'running')",
            (
                column,
                "done" if column == claim.column_count else "running",
                time.time() + lease_seconds,
                *tally,
                job_id,
                claim.number,
                worker,
                claim.next_column,
                job_id,
            ),
        )
    )


def insert_pairs(connection: Connection, job_id: int, pairs: Sequence[Pair]) -> None:
    """Keep pairs; one that is there already is left as it is."""
    connection.execute_many(
        "INSERT INTO dedup_pair (job_id, subject_a, subject_b, reference_a, reference_b, score)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(job_id, *pair) for pair in pairs],
    )


def unfinished(connection: Connection, job_id: int) -> bool:
    """Whether a range is still to be compared."""
    row = connection.row("SELECT 1 FROM dedup_block WHERE job_id = ? AND state <> 'done' LIMIT 1", (job_id,))
    return row is not None


def give_up(connection: Connection, job_id: int, worker: str) -> None:
    """Leave what this worker has claimed to others, at once."""
    connection.execute(
        "UPDATE dedup_block SET state = 'todo', worker = NULL"
        " WHERE job_id = ? AND worker = ? AND state = 'running'",
        (job_id, worker),
    )


def restart(connection: Connection, job_id: int) -> None:
    """Let the job run on, and take its ranges from workers that may be dead.

    One that is alive loses the block it is at, and claims the next.
    """
    connection.execute(
        "UPDATE dedup_block SET state = 'todo', worker = NULL WHERE job_id = ? AND state = 'running'",
        (job_id,),
    )
    connection.execute(
        "UPDATE dedup_job SET state = 'running', ended_at = NULL, resumed_at = ?, blocks_before ="
        " (SELECT coalesce(sum(next_column), 0) FROM dedup_block WHERE job_id = ?) WHERE job_id = ?",
        (time.time(), job_id, job_id),
    )


def end(connection: Connection, job_id: int, state: str) -> bool:
    """Let a running job end; False if it did not run."""
    return bool(
        connection.execute(
            "UPDATE dedup_job SET state = ?, ended_at = ? WHERE job_id = ? AND state = 'running'",
            (state, time.time(), job_id),
        )
    )


def pairs(connection: Connection, job_id: int, after: tuple[int, int]) -> list[Pair]:
    """The next pairs of a job in order of their references, whatever became of them."""
    found = connection.rows(
        "SELECT subject_a, subject_b, reference_a, reference_b, score FROM dedup_pair"
        " WHERE job_id = ? AND (reference_a, reference_b) > (?, ?)"
        " ORDER BY reference_a, reference_b LIMIT ?",
        (job_id, *after, _PAGE),
    )
    return [Pair(*row) for row in found]


def without_case(connection: Connection, job_id: int, pairs: Sequence[Pair]) -> list[Pair]:
    """Those of the pairs of a job that have to become cases.

    Left out are those of deleted subjects; those that adjudicators settled as two people, unless a reference
    was added since; and those that a case of this job or an open one has already.
    """
    wanted: set[Row] = set()
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[start : start + _PAIRS_AT_ONCE]
        wanted.update(
            connection.rows(
                "SELECT p.reference_a, p.reference_b FROM dedup_pair p"
                " JOIN reference a ON a.reference_id = p.reference_a"
                " JOIN reference b ON b.reference_id = p.reference_b"
                " WHERE p.job_id = ? AND p.case_id IS NULL"
                f" AND (p.reference_a, p.reference_b) IN (VALUES {','.join(['(?, ?)'] * len(some))})"
                " AND NOT EXISTS (SELECT 1 FROM settled_pair s"
                "  WHERE s.subject_a = p.subject_a AND s.subject_b = p.subject_b"
                "  AND s.verdict IN ('different', 'twins')"
                "  AND s.last_reference >= p.reference_a AND s.last_reference >= p.reference_b)"
                + "".join(
                    f" AND NOT EXISTS (SELECT 1 FROM case_pair c JOIN duplicate_case d"
                    f"  ON d.case_id = c.case_id"
                    f"  JOIN reference x ON x.reference_id = c.reference_a"
                    f"  JOIN reference y ON y.reference_id = c.reference_b"
                    f"  WHERE c.subject_{one} = p.subject_a AND c.subject_{other} = p.subject_b"
                    f"  AND d.closed_at IS NULL)"
                    for one, other in ("ab", "ba")
                ),
                (job_id, *(number for pair in some for number in (pair.reference_a, pair.reference_b))),
            )
        )
    return [pair for pair in pairs if (pair.reference_a, pair.reference_b) in wanted]


def assign(connection: Connection, job_id: int, pairs: Sequence[Pair], case_id: int) -> None:
    """Note the case that pairs went to."""
    connection.execute_many(
        "UPDATE dedup_pair SET case_id = ? WHERE job_id = ? AND reference_a = ? AND reference_b = ?",
        [(case_id, job_id, pair.reference_a, pair.reference_b) for pair in pairs],
    )
