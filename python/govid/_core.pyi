"""The numbers of govid, in Rust: checked SIMD normalisation and cosine comparison.

Arrays are `numpy.ndarray` of native float32, or of int8 where a function says so, C-contiguous, 1-D
or 2-D as each function says.
Anything else is a `TypeError` that names what was expected and what came: there is never a silent
copy or conversion. NaN, infinity and zero vectors are a `CoreError`: a NaN score fails every `>=`
and would read as NON_MATCH.

Values may be as small or as large as float32 allows; results do not overflow or underflow.

The SIMD path is chosen at first use: the fastest of this CPU, or the one that the environment
variable `GOVID_ISA` names (`scalar`, `neon`, `avx2`, `avxvnni`, `avx512`, `avx512vnni`; the VNNI
ones differ from those before them in int8 only). A value that is unknown or not available is a
`CoreError` at each call, never a silent fallback.

Calls on 4 MiB of input or more release the GIL, and those of a block on 2**22 multiplications. No
other thread may write to an argument, or resize it, until the call returns: that is the caller's
duty, and is not checked.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CoreError",
    "__version__",
    "above",
    "above_int8",
    "available_isas",
    "cosine",
    "cosine_block",
    "cosine_block_int8",
    "cosine_many",
    "cosine_many_int8",
    "isa",
    "l2_normalize",
    "l2_normalize_inplace",
    "nearest",
    "nearest_int8",
    "quantize",
]

__version__: Final[str]

class CoreError(ValueError):
    """The numbers are wrong, or `GOVID_ISA` is.

    slug                fields              meaning
    `empty`                                 an embedding has no elements
    `length-mismatch`   expected, received  two lengths that must agree differ
    `too-long`          limit, received     more int8 codes a row than exact sums allow
    `non-finite`        row, index          NaN or infinity; the first one's place
    `zero-norm`         row                 all elements are zero: no direction
    `overlap`                               `out` shares memory with an input
    `too-many`          limit               more pairs reach the threshold than `limit`
    `unknown-isa`                           `GOVID_ISA` has no such value
    `isa-unavailable`                       this CPU lacks what `GOVID_ISA` names

    `row` is 0 for a single vector. `operand` is the name of the argument at fault, None for the
    last two.
    """

    slug: str
    fields: dict[str, int]
    operand: str | None

def l2_normalize(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """A new array with every row of `x` scaled to L2 norm 1.

    x: (d,) or (n, d) float32, C-contiguous, d >= 1; n may be 0. Not changed.
    Returns an array of the same shape. Idempotent to the bit: a row whose norm is 1 within 5e-7
    comes back as it is.
    Raises TypeError; CoreError `empty`, `non-finite`, `zero-norm`.
    """

def l2_normalize_inplace(x: NDArray[np.float32]) -> None:
    """Scales every row of `x` to L2 norm 1, in place.

    x: (d,) or (n, d) float32, C-contiguous, writeable, d >= 1; n may be 0.
    Raises TypeError; CoreError `empty`, `non-finite`, `zero-norm`. Then the rows before the culprit
    are normalised, it and the rows after it untouched; as normalising twice changes nothing, the
    caller may mend the row and call again.
    """

def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Comparison score of two embeddings: dot(a, b) / (|a| |b|), higher is more alike.

    a, b: (d,) float32, C-contiguous, d >= 1, of any norm but 0.
    Returns a float in [-1, 1].
    Raises TypeError; CoreError `empty`, `length-mismatch`, `non-finite`, `zero-norm`.
    """

def cosine_many(
    probe: NDArray[np.float32],
    references: NDArray[np.float32],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Comparison scores of one probe against a block of references, higher is more alike.

    probe: (d,) float32, C-contiguous, d >= 1, of any norm but 0.
    references: (n, d) float32, C-contiguous; n may be 0.
    out: (n,) float32, C-contiguous, writeable, sharing no memory with the inputs; None: a new one.
    Returns `out`: (n,) float32 in [-1, 1], in the order of the rows.
    Raises TypeError; CoreError `empty`, `length-mismatch`, `non-finite`, `zero-norm`, `overlap`.
    After an error the contents of `out` are unspecified.
    """

def cosine_block(
    probes: NDArray[np.float32],
    references: NDArray[np.float32],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Comparison scores of each probe with each reference: `cosine_many` for many probes at once.

    Many times faster than a call a probe, because each number that is loaded serves several pairs.
    Sums are in float32: the error against float64 is at most (d / 4 + 8) 6e-8, and was at most 3e-7
    over a million pairs of 128, of 512 and of 640 dimensions.

    probes: (p, d) float32, C-contiguous, d >= 1, of any norms but 0; p may be 0, and then no
        reference is checked.
    references: (n, d) float32, C-contiguous; n may be 0.
    out: (p, n) float32, C-contiguous, writeable, sharing no memory with the inputs; None: a new one.
    Returns `out`: (p, n) float32 in [-1, 1].
    Raises TypeError; CoreError `empty`, `length-mismatch`, `non-finite`, `zero-norm`, `overlap`.
    After an error the contents of `out` are unspecified.
    """

def quantize(x: NDArray[np.float32]) -> NDArray[np.int8]:
    """Int8 codes of every row of `x`: a quarter of the memory, for the functions named `_int8`.

    A code is 127 x / max |x| of its row, rounded, halves to even; never -128. The scale is not kept:
    a cosine does not depend on it. Codes are the same on every CPU.

    The score of two rows of codes differs from that of the rows themselves, both of random
    directions, by (root mean square, and the most of a million pairs):

    d     typical  most
    128   0.0008   0.0045
    512   0.0005   0.0025
    640   0.0004   0.0022

    x: (d,) or (n, d) float32, C-contiguous, d >= 1; n may be 0. Not changed.
    Returns an int8 array of the same shape, in [-127, 127].
    Raises TypeError; CoreError `empty`, `non-finite`, `zero-norm`.
    """

def cosine_many_int8(
    probe: NDArray[np.int8],
    references: NDArray[np.int8],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """`cosine_many` of codes as `quantize` makes them: the cosine of the codes.

    The sums are exact, so that the scores are the same to the bit on every CPU. Codes of -128 are
    allowed, but may be slow.

    probe: (d,) int8, C-contiguous, 1 <= d < 2**17, not all zeros.
    references: (n, d) int8, C-contiguous; n may be 0.
    out: (n,) float32, C-contiguous, writeable, sharing no memory with the inputs; None: a new one.
    Returns `out`: (n,) float32 in [-1, 1], in the order of the rows.
    Raises TypeError; CoreError `empty`, `too-long`, `length-mismatch`, `zero-norm`, `overlap`.
    After an error the contents of `out` are unspecified.
    """

def cosine_block_int8(
    probes: NDArray[np.int8],
    references: NDArray[np.int8],
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """`cosine_block` of codes as `quantize` makes them; to the bit the scores of `cosine_many_int8`.

    probes: (p, d) int8, C-contiguous, 1 <= d < 2**17, no row all zeros; p may be 0, and then no
        reference is checked.
    references: (n, d) int8, C-contiguous; n may be 0.
    out: (p, n) float32, C-contiguous, writeable, sharing no memory with the inputs; None: a new one.
    Returns `out`: (p, n) float32 in [-1, 1].
    Raises TypeError; CoreError `empty`, `too-long`, `length-mismatch`, `zero-norm`, `overlap`.
    After an error the contents of `out` are unspecified.
    """

def nearest(
    probes: NDArray[np.float32],
    references: NDArray[np.float32],
    k: int,
    threshold: float = -1.0,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `k` references with the highest comparison scores of each probe, at least `threshold`.

    Scores are to the bit those of `cosine_block`, however the rows are divided among calls. The
    matrix of all scores never exists: beside the result, memory holds at most 2 k candidates for
    each of 64 probes.

    probes: (p, d) float32, C-contiguous, d >= 1, of any norms but 0; p may be 0, and then no
        reference is checked.
    references: (n, d) float32, C-contiguous; n may be 0.
    k: 0 or more; may exceed n.
    threshold: finite; compared with the scores in float64.
    Returns rows of `references`, (p, k) int64, highest score first, of equal scores the lower row,
    and their scores, (p, k) float32 in [-1, 1]. Where fewer than `k` reach the threshold, the rest
    of the rows is -1 and the rest of the scores -inf.
    Raises TypeError, MemoryError; OverflowError for a negative `k`; CoreError `empty`,
    `length-mismatch`, `non-finite` (of `threshold`, too), `zero-norm`.
    """

def nearest_int8(
    probes: NDArray[np.int8],
    references: NDArray[np.int8],
    k: int,
    threshold: float = -1.0,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """`nearest` of codes as `quantize` makes them; to the bit the scores of `cosine_block_int8`.

    probes: (p, d) int8, C-contiguous, 1 <= d < 2**17, no row all zeros; p may be 0, and then no
        reference is checked.
    references: (n, d) int8, C-contiguous; n may be 0.
    k, threshold and what is returned: as `nearest`.
    Raises TypeError, MemoryError; OverflowError for a negative `k`; CoreError `empty`, `too-long`,
    `length-mismatch`, `non-finite` (`threshold`), `zero-norm`.
    """

def above(
    probes: NDArray[np.float32],
    references: NDArray[np.float32],
    threshold: float,
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """All pairs whose comparison score is at least `threshold`.

    Scores are to the bit those of `cosine_block`; memory grows with the pairs that are returned.

    probes: (p, d) float32, C-contiguous, d >= 1, of any norms but 0; p may be 0, and then no
        reference is checked.
    references: (n, d) float32, C-contiguous; n may be 0.
    threshold: finite; compared with the scores in float64.
    limit: the most pairs to return, 0 or more. About 40 bytes may be needed for each.
    Returns rows of `probes` and rows of `references`, int64, and scores, float32, each 1-D, ordered
    by the probe's row, then the reference's.
    Raises TypeError; OverflowError for a negative `limit`; CoreError `empty`, `length-mismatch`,
    `non-finite` (of `threshold`, too), `zero-norm`, `too-many`.
    """

def above_int8(
    probes: NDArray[np.int8],
    references: NDArray[np.int8],
    threshold: float,
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """`above` of codes as `quantize` makes them; to the bit the scores of `cosine_block_int8`.

    probes: (p, d) int8, C-contiguous, 1 <= d < 2**17, no row all zeros; p may be 0, and then no
        reference is checked.
    references: (n, d) int8, C-contiguous; n may be 0.
    threshold, limit and what is returned: as `above`.
    Raises TypeError; OverflowError for a negative `limit`; CoreError `empty`, `too-long`,
    `length-mismatch`, `non-finite` (`threshold`), `zero-norm`, `too-many`.
    """

def isa() -> str:
    """The SIMD path in use: `scalar`, `neon`, `avx2`, `avxvnni`, `avx512` or `avx512vnni`.

    Raises CoreError `unknown-isa`, `isa-unavailable`.
    """

def available_isas() -> list[str]:
    """The SIMD paths that this CPU can use, slowest first; `scalar` is always among them."""
