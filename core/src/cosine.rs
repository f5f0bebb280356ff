//! Cosine comparison: 1:1, and one probe against a block of references.
//!
//! This is the full cosine, `dot / (|a| |b|)`: inputs need not be normalised. Dot product and
//! norms come from one pass, so memory is read once.

use crate::check::{exact_square_sum, trusted};
use crate::error::{CoreError, Operand};
use crate::kernels::{Kernels, PairSums, prefetch_all, scalar};

/// Rows between two looks at their sums of squares, while memory waits: many enough for that to be
/// seldom, few enough for the sums to stay in L1.
const BLOCK: usize = 128;

/// Comparison score of two embeddings, in [-1, 1], higher is more alike.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite`, `ZeroNorm`.
#[inline]
pub fn cosine(kernels: &Kernels, a: &[f32], b: &[f32]) -> Result<f64, CoreError> {
    if a.is_empty() {
        return Err(CoreError::Empty { operand: Operand::A });
    }
    if a.len() != b.len() {
        let (expected, received) = (a.len(), b.len());
        return Err(CoreError::LengthMismatch { operand: Operand::B, expected, received });
    }
    let sums = kernels.pair(a, b);
    if trusted(sums.aa) && trusted(sums.bb) {
        return Ok(score(&sums));
    }
    exact(a, b, Operand::A, Operand::B, 0)
}

/// Comparison scores of one probe against `out.len()` references, stored row after row.
///
/// On an error the contents of `out` are unspecified.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite`, `ZeroNorm`.
pub fn cosine_many(
    kernels: &Kernels,
    probe: &[f32],
    references: &[f32],
    out: &mut [f32],
) -> Result<(), CoreError> {
    let dimensions = probe.len();
    if dimensions == 0 {
        return Err(CoreError::Empty { operand: Operand::Probe });
    }
    // Saturation cannot hide a mismatch: no slice of f32 has usize::MAX elements.
    let expected = out.len().saturating_mul(dimensions);
    if references.len() != expected {
        let received = references.len();
        return Err(CoreError::LengthMismatch { operand: Operand::References, expected, received });
    }

    let probe_square_sum = kernels.square_sum(probe);
    if !trusted(probe_square_sum) {
        // The score does not depend on the probe's length: bring it to 1 and start again.
        let norm = exact_square_sum(probe, Operand::Probe, 0)?.sqrt();
        let unit: Vec<f32> = probe.iter().map(|&x| (f64::from(x) / norm) as f32).collect();
        return cosine_many(kernels, &unit, references, out);
    }

    let mut squares = [0.0; BLOCK];
    let inverse_norm = 1.0 / probe_square_sum.sqrt();
    let blocks = references.chunks(BLOCK * dimensions).zip(out.chunks_mut(BLOCK));
    for (block, (rows, scores)) in blocks.enumerate() {
        let squares = &mut squares[..scores.len()];
        prefetch_all(scores);
        kernels.rows(probe, inverse_norm, rows, scores, squares);
        // Not `all`, which would look at them one by one.
        if squares.iter().fold(true, |good, &square| good & trusted(square)) {
            continue;
        }
        for (i, row) in rows.chunks_exact(dimensions).enumerate() {
            if !trusted(squares[i]) {
                let row_number = block * BLOCK + i;
                let exact = exact(probe, row, Operand::Probe, Operand::References, row_number)?;
                scores[i] = exact as f32;
            }
        }
    }
    Ok(())
}

#[inline]
fn score(sums: &PairSums) -> f64 {
    // Rounding may carry parallel vectors a hair past 1.
    (sums.dot / (sums.aa * sums.bb).sqrt()).clamp(-1.0, 1.0)
}

/// The slow way, for vectors whose f32 sums cannot be trusted: names the culprit, or, when all
/// values are finite and merely tiny or huge, computes the score in f64.
#[cold]
fn exact(
    a: &[f32],
    b: &[f32],
    first: Operand,
    second: Operand,
    row: usize,
) -> Result<f64, CoreError> {
    let aa = exact_square_sum(a, first, 0)?;
    let bb = exact_square_sum(b, second, row)?;
    let dot = scalar::pair(a, b).dot;
    Ok(score(&PairSums { dot, aa, bb }))
}
