//! Finding bad values without reading the vector twice.
//!
//! NaN and infinity survive every addition, so a finite sum of squares proves that all elements
//! are finite. Only when the sum is out of [`trusted`] range does someone look at the elements.

use crate::error::{CoreError, Operand};
use crate::kernels::scalar;

/// Below this a sum of squares may have lost f32 terms to underflow (a term under 2^-126 is
/// rounded or flushed to zero; a thousand of them are still 2^-26 of this).
const SMALLEST: f64 = 1.0 / (1u128 << 90) as f64;

/// Whether a kernel's sum of squares is right: nothing was NaN or infinite, nothing overflowed, and
/// what underflowed is too small to see. Nor does a dot product of two such rows overflow as an f32,
/// whatever the kernel adds up in.
#[inline]
pub(crate) fn trusted(square_sum: f64) -> bool {
    // False for NaN, too.
    (SMALLEST..=f64::from(f32::MAX)).contains(&square_sum)
}

/// Refuses an untrusted vector, or gives its sum of squares in f64, where no finite f32 vector
/// overflows or underflows.
pub(crate) fn exact_square_sum(
    vector: &[f32],
    operand: Operand,
    row: usize,
) -> Result<f64, CoreError> {
    if let Some(index) = vector.iter().position(|x| !x.is_finite()) {
        return Err(CoreError::NonFinite { operand, row, index });
    }
    let sum = scalar::square_sum(vector);
    // Compared by the sum, not by element: a thread that treats subnormals as zero (ONNX Runtime
    // can set that) must get an error for them, not a division by zero.
    if sum > 0.0 { Ok(sum) } else { Err(CoreError::ZeroNorm { operand, row }) }
}
