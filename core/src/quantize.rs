//! From f32 to int8: a quarter of the memory for a loss of precision that `_core.pyi` states.

use std::mem::MaybeUninit;
use std::ptr;

use crate::error::{CoreError, Operand};
use crate::normalize::check_lengths;

/// The code of a row's largest element. Symmetric: -128 is not used.
const LARGEST: f64 = 127.0;

/// 1.5 * 2^52: adding it rounds to an integer, halves to even, and leaves that integer in the
/// lowest bits. Any CPU does this on several elements at once; for `f64::round` it may need a call.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Codes of every row of a row-major matrix of `dimensions` columns: `127 x / max |x|`, rounded,
/// halves to even. The same on every CPU. In f64, where no finite f32 overflows or underflows.
///
/// On an error the contents of `codes` are unspecified.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite`, `ZeroNorm`.
pub fn quantize_rows(matrix: &[f32], dimensions: usize, codes: &mut [i8]) -> Result<(), CoreError> {
    // SAFETY: `quantize_to` writes nothing but codes.
    let codes = unsafe { &mut *(ptr::from_mut(codes) as *mut [MaybeUninit<i8>]) };
    quantize_to(matrix, dimensions, codes)
}

/// The same into memory that is not written yet. On an error not all of it is.
pub(crate) fn quantize_to(
    matrix: &[f32],
    dimensions: usize,
    codes: &mut [MaybeUninit<i8>],
) -> Result<(), CoreError> {
    check_lengths(matrix.len(), dimensions)?;
    let (expected, received) = (matrix.len(), codes.len());
    if expected != received {
        return Err(CoreError::LengthMismatch { operand: Operand::Out, expected, received });
    }
    let operand = Operand::X;
    let rows = matrix.chunks_exact(dimensions).zip(codes.chunks_exact_mut(dimensions));
    for (row, (vector, codes)) in rows.enumerate() {
        let largest = largest_magnitude(vector);
        if !largest.is_finite() {
            let index = vector.iter().position(|x| !x.is_finite()).unwrap_or_default();
            return Err(CoreError::NonFinite { operand, row, index });
        }
        // Also true for a subnormal in a thread that treats those as zero.
        if largest == 0.0 {
            return Err(CoreError::ZeroNorm { operand, row });
        }
        let factor = LARGEST / f64::from(largest);
        for (code, &x) in codes.iter_mut().zip(vector) {
            code.write((f64::from(x) * factor + ROUND).to_bits() as i8);
        }
    }
    Ok(())
}

/// Not finite if an element is not: without their signs, f32 are ordered as their bits are, and
/// infinity and NaN come last.
fn largest_magnitude(vector: &[f32]) -> f32 {
    let bits = vector.iter().map(|x| x.abs().to_bits().cast_signed());
    f32::from_bits(bits.fold(0, i32::max).cast_unsigned())
}
