//! L2 normalisation of one embedding, or of every row of a matrix, in place.

#[cfg(feature = "python")]
use std::{mem::MaybeUninit, ptr};

use crate::check::{exact_square_sum, trusted};
use crate::error::{CoreError, Operand};
use crate::kernels::Kernels;

/// A sum of squares this close to 1 is the rounding of an earlier normalisation. Leaving such a
/// row alone makes normalisation idempotent to the bit, and costs a norm error under 5e-7.
const UNIT_TOLERANCE: f64 = 1.0 / (1 << 20) as f64;

/// Scales `vector` to norm 1. A vector already of norm 1 is not changed.
///
/// # Errors
/// `Empty`, `NonFinite`, `ZeroNorm`; the vector is then as it was.
pub fn l2_normalize(kernels: &Kernels, vector: &mut [f32]) -> Result<(), CoreError> {
    let dimensions = vector.len();
    l2_normalize_rows(kernels, vector, dimensions)
}

/// Scales every row of a row-major matrix of `dimensions` columns to norm 1.
///
/// On an error the rows before the culprit are normalised, it and the rows after it untouched.
/// As normalising twice changes nothing, the caller may mend the row and call again.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite`, `ZeroNorm`.
pub fn l2_normalize_rows(
    kernels: &Kernels,
    matrix: &mut [f32],
    dimensions: usize,
) -> Result<(), CoreError> {
    check_lengths(matrix.len(), dimensions)?;
    for (row, vector) in matrix.chunks_exact_mut(dimensions).enumerate() {
        normalize_row(kernels, vector, row)?;
    }
    Ok(())
}

/// Writes every row of `matrix`, scaled to norm 1, to `out`, of the same length: to the bit what
/// `l2_normalize_rows` makes of it, without a copy first.
///
/// # Errors
/// As `l2_normalize_rows`. The contents of `out` are then not all written.
#[cfg(feature = "python")]
pub(crate) fn l2_normalize_to(
    kernels: &Kernels,
    matrix: &[f32],
    dimensions: usize,
    out: &mut [MaybeUninit<f32>],
) -> Result<(), CoreError> {
    check_lengths(matrix.len(), dimensions)?;
    let rows = matrix.chunks_exact(dimensions).zip(out.chunks_exact_mut(dimensions));
    for (row, (vector, out)) in rows.enumerate() {
        let square_sum = kernels.square_sum(vector);
        if trusted(square_sum) && !is_unit(square_sum) {
            let factor = (1.0 / square_sum.sqrt()) as f32;
            for (out, x) in out.iter_mut().zip(vector) {
                out.write(x * factor);
            }
            continue;
        }
        // SAFETY: both have `dimensions` elements, and a borrow to write overlaps no other.
        let copy = unsafe {
            ptr::copy_nonoverlapping(vector.as_ptr(), out.as_mut_ptr().cast(), dimensions);
            &mut *(ptr::from_mut(out) as *mut [f32])
        };
        normalize_row(kernels, copy, row)?;
    }
    Ok(())
}

/// Whether the norm is 1 but for the rounding of an earlier normalisation.
fn is_unit(square_sum: f64) -> bool {
    (square_sum - 1.0).abs() <= UNIT_TOLERANCE
}

pub(crate) fn check_lengths(received: usize, dimensions: usize) -> Result<(), CoreError> {
    let operand = Operand::X;
    if dimensions == 0 {
        return Err(CoreError::Empty { operand });
    }
    let expected = received - received % dimensions;
    if received != expected {
        return Err(CoreError::LengthMismatch { operand, expected, received });
    }
    Ok(())
}

fn normalize_row(kernels: &Kernels, vector: &mut [f32], row: usize) -> Result<(), CoreError> {
    let square_sum = kernels.square_sum(vector);
    if !trusted(square_sum) {
        return exact(vector, row);
    }
    if !is_unit(square_sum) {
        kernels.scale(vector, (1.0 / square_sum.sqrt()) as f32);
    }
    Ok(())
}

/// The slow way, for a vector whose f32 sum cannot be trusted.
#[cold]
fn exact(vector: &mut [f32], row: usize) -> Result<(), CoreError> {
    let norm = exact_square_sum(vector, Operand::X, row)?.sqrt();
    for x in vector {
        *x = (f64::from(*x) / norm) as f32;
    }
    Ok(())
}
