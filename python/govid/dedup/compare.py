"""The pairs of one block: a range of references against another one, or against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.dedup.ranges import References
from govid.dedup.screen import loosened
from govid.store.dedup import Pair, Tally

# Probes between two pauses: some hundredths of a second.
SLICE = 1024
# What one call of the search may find, and what one block may keep. A photo of nobody that was enrolled for
# thousands of subjects would otherwise fill memory and disk with its square.
SLICE_PAIRS = 1 << 16
BLOCK_PAIRS = 500_000


class _Found(NamedTuple):
    """(m,) rows of both ranges, and the scores of these pairs."""

    probes: NDArray[np.int64]
    references: NDArray[np.int64]
    scores: NDArray[np.float32]

    def where(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> _Found:
        return _Found(self.probes[which], self.references[which], self.scores[which])

    def and_(self, more: _Found) -> _Found:
        return _Found(
            np.concatenate((self.probes, more.probes)),
            np.concatenate((self.references, more.references)),
            np.concatenate((self.scores, more.scores)),
        )


def compare(
    probes: References,
    references: References,
    threshold: float,
    *,
    pause: Callable[[], None],
    block_pairs: int = BLOCK_PAIRS,
) -> tuple[list[Pair], Tally]:
    """All pairs of different subjects with a score >= ``threshold``, each once.

    Args:
        references: the same object as ``probes`` for the block of a range with itself.
        pause: called between slices, so that more urgent work can go before.
        block_pairs: the most pairs to keep: those with the highest scores. The rest is counted.
    """
    same_range = probes is references
    screen = loosened(threshold, probes.embeddings.shape[1], probes.codes, references.codes)
    compared = same_subject = not_kept = 0
    kept = _Found(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
    for start in range(0, len(probes.ids), SLICE):
        pause()
        end = min(start + SLICE, len(probes.ids))
        # Of a range with itself, the half below the diagonal: each pair once, and nobody with oneself.
        columns = end if same_range else len(references.ids)
        compared += (end - start) * (start + end - 1) // 2 if same_range else (end - start) * columns
        for candidates in _candidates(
            (start, probes.codes.rows[start:end]), (0, references.codes.rows[:columns]), screen
        ):
            some = candidates
            if same_range:
                some = some.where(some.references < some.probes)
            some = _exact(some, probes, references, threshold)
            strangers = probes.subjects[some.probes] != references.subjects[some.references]
            same_subject += int(len(strangers) - np.count_nonzero(strangers))
            kept = kept.and_(some.where(strangers))
            if (surplus := len(kept.scores) - block_pairs) > 0:
                not_kept += surplus
                best = np.argsort(-kept.scores, kind="stable")[:block_pairs]
                kept = kept.where(np.sort(best))
    return (
        [_pair(probes, references, *row) for row in zip(*(c.tolist() for c in kept), strict=True)],
        Tally(compared, same_subject, probes.other_model if same_range else 0, not_kept),
    )


def _candidates(
    probes: tuple[int, NDArray[np.int8]], references: tuple[int, NDArray[np.int8]], screen: float
) -> Iterator[_Found]:
    """The pairs that pass the screen, in parts that fit memory. Each side has the row it begins at."""
    (first, rows), (second, columns) = probes, references
    try:
        i, j, scores = _core.above_int8(rows, columns, screen, SLICE_PAIRS)
    except _core.CoreError as error:
        if error.slug != "too-many":
            raise
        if len(rows) > 1:
            middle = len(rows) // 2
            for part in ((first, rows[:middle]), (first + middle, rows[middle:])):
                yield from _candidates(part, references, screen)
        else:
            middle = len(columns) // 2
            for part in ((second, columns[:middle]), (second + middle, columns[middle:])):
                yield from _candidates(probes, part, screen)
    else:
        yield _Found(i + first, j + second, scores)


def _exact(candidates: _Found, probes: References, references: References, threshold: float) -> _Found:
    """The candidates whose embeddings reach the threshold, with the scores of these."""
    scores = np.empty(len(candidates.scores), dtype=np.float32)
    # They come in order of the probes.
    rows, starts = np.unique(candidates.probes, return_index=True)
    for row, start, end in zip(rows, starts, [*starts[1:], len(scores)], strict=False):
        _core.cosine_block(
            probes.embeddings[row : row + 1],
            references.embeddings[candidates.references[start:end]],
            out=scores[None, start:end],
        )
    return candidates._replace(scores=scores).where(scores >= threshold)


def _pair(probes: References, references: References, i: int, j: int, score: float) -> Pair:
    one = (str(probes.subjects[i]), int(probes.ids[i]))
    other = (str(references.subjects[j]), int(references.ids[j]))
    (subject_a, a), (subject_b, b) = sorted((one, other))
    return Pair(subject_a, subject_b, a, b, score)
