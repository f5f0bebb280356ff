//! Comparison of rows of int8 codes, as `quantize_rows` makes them: the exact cosine of the codes.
//!
//! A cosine does not depend on length, so that a row of codes needs no scale beside it.

use crate::error::{CoreError, Operand};
use crate::kernels::{Kernels, MAX_CODES, prefetch_all};
use crate::walk::{Comparison, Group, ROWS_OF_ONE, Walk, check_out, check_rows, to_score};

/// Rows between two conversions of sums to scores.
const BLOCK: usize = ROWS_OF_ONE;

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
    let mut sums = Sums::new();
    let (_, probe_inverse) = sums.compare(kernels, probe, probe, Operand::Probe, 0)?;
    let probe_inverse = probe_inverse[0];
    let blocks = references.chunks(BLOCK * dimensions).zip(out.chunks_mut(BLOCK));
    for (block, (rows, scores)) in blocks.enumerate() {
        let first = block * BLOCK;
        prefetch_all(scores);
        let (dots, inverses) = sums.compare(kernels, probe, rows, Operand::References, first)?;
        for ((score, dot), inverse) in scores.iter_mut().zip(dots).zip(inverses) {
            *score = to_score(*dot as f32, probe_inverse, *inverse);
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
    check_codes(dimensions, probes, references)?;
    check_out(dimensions, probes, references, out)?;
    let comparison = Int8::new(kernels, dimensions);
    Walk::new(comparison, dimensions, probes, references)?.fill(out)
}

/// The dimensions are within the bounds and the rows are whole.
pub(crate) fn check_codes(
    dimensions: usize,
    probes: &[i8],
    references: &[i8],
) -> Result<(), CoreError> {
    check_dimensions(dimensions, Operand::Probes)?;
    check_rows(dimensions, probes, references)
}

fn check_dimensions(received: usize, operand: Operand) -> Result<(), CoreError> {
    match received {
        0 => Err(CoreError::Empty { operand }),
        1..=MAX_CODES => Ok(()),
        _ => Err(CoreError::TooLong { operand, limit: MAX_CODES, received }),
    }
}

/// Sums of one block of rows.
struct Sums {
    dots: [i32; BLOCK],
    squares: [i32; BLOCK],
    inverse_norms: [f32; BLOCK],
}

impl Sums {
    fn new() -> Self {
        Self { dots: [0; BLOCK], squares: [0; BLOCK], inverse_norms: [0.0; BLOCK] }
    }

    /// Dot products with `probe` and 1 / norm of up to `BLOCK` rows, the first of which has the
    /// number `first` in the operand.
    fn compare(
        &mut self,
        kernels: &Kernels,
        probe: &[i8],
        rows: &[i8],
        operand: Operand,
        first: usize,
    ) -> Result<(&[i32], &[f32]), CoreError> {
        let count = rows.len() / probe.len();
        let (dots, squares) = (&mut self.dots[..count], &mut self.squares[..count]);
        kernels.rows_int8(probe, rows, dots, squares);
        // Not `position` at once, which would look at them one by one.
        if squares.iter().fold(i32::MAX, |least, square| least.min(*square)) == 0 {
            let row = first + squares.iter().position(|square| *square == 0).unwrap_or_default();
            return Err(CoreError::ZeroNorm { operand, row });
        }
        let inverse_norms = &mut self.inverse_norms[..count];
        for (inverse, square) in inverse_norms.iter_mut().zip(squares) {
            *inverse = 1.0 / (*square as f32).sqrt();
        }
        Ok((dots, inverse_norms))
    }
}

/// Comparison of rows of codes.
pub(crate) struct Int8<'a> {
    kernels: &'a Kernels,
    dimensions: usize,
    sums: Sums,
    dots: Vec<i32>,
}

impl<'a> Int8<'a> {
    pub(crate) fn new(kernels: &'a Kernels, dimensions: usize) -> Self {
        Self { kernels, dimensions, sums: Sums::new(), dots: Vec::new() }
    }
}

impl Comparison<i8> for Int8<'_> {
    fn invert_norms(
        &mut self,
        operand: Operand,
        first: usize,
        rows: &[i8],
        inverse_norms: &mut [f32],
    ) -> Result<(), CoreError> {
        let blocks = rows.chunks(BLOCK * self.dimensions).zip(inverse_norms.chunks_mut(BLOCK));
        for (block, (rows, inverse_norms)) in blocks.enumerate() {
            let (probe, first) = (&rows[..self.dimensions], first + block * BLOCK);
            let (_, inverses) = self.sums.compare(self.kernels, probe, rows, operand, first)?;
            inverse_norms.copy_from_slice(inverses);
        }
        Ok(())
    }

    fn compare(
        &mut self,
        probes: &Group<i8>,
        references: &Group<i8>,
        scores: &mut [f32],
        stride: usize,
    ) -> Result<(), CoreError> {
        let columns = references.inverse_norms.len();
        self.dots.resize(probes.inverse_norms.len() * columns, 0);
        self.kernels.block_int8(probes.rows, references.rows, self.dimensions, &mut self.dots);
        let lines = scores.chunks_mut(stride).zip(self.dots.chunks_exact(columns));
        for ((scores, dots), probe_inverse) in lines.zip(probes.inverse_norms) {
            let pairs = scores.iter_mut().zip(dots).zip(references.inverse_norms);
            for ((score, dot), inverse) in pairs {
                *score = to_score(*dot as f32, *probe_inverse, *inverse);
            }
        }
        Ok(())
    }

    /// The norms come beside the dot products: memory is read once.
    fn compare_one(
        &mut self,
        probe: &Group<i8>,
        first: usize,
        references: &[i8],
        scores: &mut [f32],
    ) -> Result<(), CoreError> {
        let operand = Operand::References;
        let sums = self.sums.compare(self.kernels, probe.rows, references, operand, first)?;
        for ((score, dot), inverse) in scores.iter_mut().zip(sums.0).zip(sums.1) {
            *score = to_score(*dot as f32, probe.inverse_norms[0], *inverse);
        }
        Ok(())
    }
}
