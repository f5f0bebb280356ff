"""The numbers of govid, in Rust: checked SIMD normalisation and cosine comparison.

Arrays are `numpy.ndarray` of native float32, or of int8 where a function says so, C-contiguous, 1-D
or 2-D as each function says.
Anything else is a `TypeError` that names what was expected and what came: there is never a silent
copy or conversion. NaN, infinity and zero vectors are a `CoreError`: a NaN score fails every `>=`
and would read as NON_MATCH.

Values may be as small or as large as float32 allows; results do not overflow or underflow.

The SIMD path is chosen at first use: the fastest of this CPU, or the one that the environment
variable `GOVID_ISA` names (`scalar`, `neon`, `avx2`, `avxvnni`, `avx512`, `avx512vnni`, `amx`; the
VNNI ones and AMX differ from those before them in int8 only). A value that is unknown or not
available is a `CoreError` at each call, never a silent fallback. Where the CPU has AMX, Linux is asked
once for the process whether it may use tiles (`arch_prctl`): a filter of system calls that ends the
process for it is met at start, and alternate signal stacks must be larger from then on.

Calls on 4 MiB of input or more release the GIL, and those of a block on 2**22 multiplications. No
other thread may write to an argument, or resize it, until the call returns: that is the caller's
duty, and is not checked.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CoreError",
    "__version__",
    "above",
    "above_int8",
    "available_isas",
    "block_steps",
    "blur_loss",
    "cosine",
    "cosine_block",
    "cosine_block_int8",
    "cosine_many",
    "cosine_many_int8",
    "detections",
    "head_pose",
    "isa",
    "l2_normalize",
    "l2_normalize_inplace",
    "luminance_histogram",
    "nearest",
    "nearest_int8",
    "quantize",
    "similarity",
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
    each of 64 to 256 probes.

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

def detections(
    heads: Sequence[NDArray[np.float32]],
    sides: tuple[int, int],
    stretch: tuple[float, float],
    min_score: float,
    max_overlap: float,
) -> NDArray[np.float32]:
    """Faces from the outputs of YuNet, best first, those that overlap a better one left out.

    heads: twelve arrays of float32: `cls`, `obj`, `bbox` and `kps`, each for strides of 8, 16 and 32.
    sides: width and height of the network's input in pixels.
    stretch: pixels of the picture for each of the input's, along x and y.
    min_score: in [0, 1].
    max_overlap: shared area over covered area, in [0, 1].
    Returns (n, 15) float32 in pixels of the picture: score, x, y, width, height, five landmarks.
    Raises TypeError; CoreError `length-mismatch`.
    """

def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) matrix of the rotation, scale and shift that bring `source` nearest to `target`.

    source, target: (n, 2) float64.
    Raises TypeError; CoreError `length-mismatch`; `zero-norm`: the points of `source` fall together, or
    are not finite.
    """

def head_pose(
    points: NDArray[np.float64], shape: NDArray[np.float64], inverse: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """Yaw, pitch and roll in degrees of a known head; None where the points fall together.

    points: (n, 2) float64, where the points of the head are seen.
    shape: (n, 3) float64, mean zero and sum of squares one.
    inverse: (3, n) float64, the pseudo-inverse of `shape`.
    Raises TypeError; CoreError `length-mismatch`.
    """

def luminance_histogram(
    picture: NDArray[np.uint8], parts: NDArray[np.float32], places: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(256,) how many of the chosen pixels have each level of luminance.

    picture: (height, width, 3) uint8.
    parts: (3, 256) float32, what each level of each colour adds to the luminance (0 to 255 in all).
    places: (n,) int64, row times width plus column; those beyond the picture do not count.
    Raises TypeError; CoreError `length-mismatch`.
    """

def blur_loss(
    picture: NDArray[np.uint8], kernel: NDArray[np.float32], places: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Standard deviations of the chosen pixels: whole, and what blurs along rows and columns take away.

    picture: (height, width) uint8, both sides longer than the kernel's half.
    kernel: (k,) float32, an odd symmetric kernel from its middle on.
    places: (n,) int64, as in `luminance_histogram`.
    Raises TypeError; CoreError `length-mismatch`.
    """

def block_steps(picture: NDArray[np.uint8]) -> tuple[float, float]:
    """How much more neighbours differ at every eighth column, or row, than beside it; 0 for none.

    picture: (height, width) uint8, both at least 24.
    Raises TypeError; CoreError `length-mismatch`.
    """

def isa() -> str:
    """The SIMD path in use: `scalar`, `neon`, `avx2`, `avxvnni`, `avx512`, `avx512vnni` or `amx`.

    Raises CoreError `unknown-isa`, `isa-unavailable`.
    """

def available_isas() -> list[str]:
    """The SIMD paths that this CPU can use, slowest first; `scalar` is always among them."""
