"""The numbers of govid, in Rust: checked SIMD normalisation and cosine comparison.

Arrays are `numpy.ndarray` of native float32, C-contiguous, 1-D or 2-D as each function says.
Anything else is a `TypeError` that names what was expected and what came: there is never a silent
copy or conversion. NaN, infinity and zero vectors are a `CoreError`: a NaN score fails every `>=`
and would read as NON_MATCH.

Values may be as small or as large as float32 allows; results do not overflow or underflow.

The SIMD path is chosen at first use: the fastest of this CPU, or the one that the environment
variable `GOVID_ISA` names (`scalar`, `neon`, `avx2`, `avx512`). A value that is unknown or not
available is a `CoreError` at each call, never a silent fallback.

Calls on 2**20 elements (4 MiB) or more release the GIL. No other thread may write to an argument,
or resize it, until the call returns: that is the caller's duty, and is not checked.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CoreError",
    "__version__",
    "available_isas",
    "cosine",
    "cosine_many",
    "isa",
    "l2_normalize",
    "l2_normalize_inplace",
]

__version__: Final[str]

class CoreError(ValueError):
    """The numbers are wrong, or `GOVID_ISA` is.

    slug                fields              meaning
    `empty`                                 an embedding has no elements
    `length-mismatch`   expected, received  two lengths that must agree differ
    `non-finite`        row, index          NaN or infinity; the first one's place
    `zero-norm`         row                 all elements are zero: no direction
    `overlap`                               `out` shares memory with an input
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

def isa() -> str:
    """The SIMD path in use: `scalar`, `neon`, `avx2` or `avx512`.

    Raises CoreError `unknown-isa`, `isa-unavailable`.
    """

def available_isas() -> list[str]:
    """The SIMD paths that this CPU can use, slowest first; `scalar` is always among them."""
