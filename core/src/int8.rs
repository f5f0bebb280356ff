//! Comparison of rows of int8 codes, as `quantize_rows` makes them: the exact cosine of the codes.
//!
//! A cosine does not depend on length, so that a row of codes needs no scale beside it.

use crate::block::{check_lengths, fill, to_score};
use crate::error::{CoreError, Operand};
use crate::kernels::{Kernels, MAX_CODES};

/// Rows between two conversions of sums to scores: small enough for the sums to stay in L1.
const BLOCK: usize = 32;

/// Comparison scores of one probe against `out.len()` references, stored row after row.
///
/// On an error the contents of `out` are unspecified.
///
/// # Errors
/// `Empty`, `TooLong`, `LengthMismatch`, `ZeroNorm`.
pub fn cosine_many_int8(
    kernels: &Kernels,
    probe: &[i8],
    references: &[i8],
    out: &mut [f32],
) -> Result<(), CoreError> {
    let dimensions = probe.len();
    check_dimensions(dimensions, Operand::Probe)?;
    let expected = out.len().saturating_mul(dimensions);
    if references.len() != expected {
        let received = references.len();
        return Err(CoreError::LengthMismatch { operand: Operand::References, expected, received });
    }
    let (mut dots, mut squares) = ([0; BLOCK], [0; BLOCK]);
    kernels.rows_int8(probe, probe, &mut dots[..1], &mut squares[..1]);
    let probe_inverse = invert_norm(squares[0], Operand::Probe, 0)?;
    let blocks = references.chunks(BLOCK * dimensions).zip(out.chunks_mut(BLOCK));
    for (block, (rows, scores)) in blocks.enumerate() {
        let (dots, squares) = (&mut dots[..scores.len()], &mut squares[..scores.len()]);
        kernels.rows_int8(probe, rows, dots, squares);
        for (i, score) in scores.iter_mut().enumerate() {
            let inverse = invert_norm(squares[i], Operand::References, block * BLOCK + i)?;
            *score = to_score(dots[i] as f32, probe_inverse, inverse);
        }
    }
    Ok(())
}

/// Comparison scores of each probe with each reference, in [-1, 1]: a row of `out` for each probe.
/// Both matrices are stored row after row, `dimensions` codes each. To the bit the scores of
/// `cosine_many_int8`.
///
/// On an error the contents of `out` are unspecified. Without probes, no reference is checked.
///
/// # Errors
/// `Empty`, `TooLong`, `LengthMismatch`, `ZeroNorm`.
pub fn cosine_block_int8(
    kernels: &Kernels,
    dimensions: usize,
    probes: &[i8],
    references: &[i8],
    out: &mut [f32],
) -> Result<(), CoreError> {
    check_dimensions(dimensions, Operand::Probes)?;
    check_lengths(dimensions, probes, references, out)?;
    let invert_norms = |operand, first: usize, rows: &[i8], inverse_norms: &mut [f32]| {
        let rows = rows.chunks_exact(dimensions).zip(inverse_norms);
        for (i, (row, inverse)) in rows.enumerate() {
            let (mut dot, mut square) = ([0], [0]);
            kernels.rows_int8(row, row, &mut dot, &mut square);
            *inverse = invert_norm(square[0], operand, first + i)?;
        }
        Ok(())
    };
    let multiply = |probes: &[i8], references: &[i8], dots: &mut [i32]| {
        kernels.block_int8(probes, references, dimensions, dots);
    };
    fill(dimensions, probes, references, out, invert_norms, multiply, |dot| dot as f32)
}

fn check_dimensions(received: usize, operand: Operand) -> Result<(), CoreError> {
    match received {
        0 => Err(CoreError::Empty { operand }),
        1..=MAX_CODES => Ok(()),
        _ => Err(CoreError::TooLong { operand, limit: MAX_CODES, received }),
    }
}

#[inline]
fn invert_norm(square_sum: i32, operand: Operand, row: usize) -> Result<f32, CoreError> {
    if square_sum == 0 {
        return Err(CoreError::ZeroNorm { operand, row });
    }
    Ok((1.0 / f64::from(square_sum).sqrt()) as f32)
}
