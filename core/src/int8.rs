//! Comparison of rows of int8 codes, as `quantize_rows` makes them: the exact cosine of the codes.
//!
//! A cosine does not depend on length, so that a row of codes needs no scale beside it.

use crate::error::{CoreError, Operand};
use crate::kernels::{CodePanel, Kernels, MAX_CODES, SEVERAL, prefetch_all};
use crate::walk::{
    Comparison, Group, PANEL_REFERENCE_BYTES, REFERENCE_BYTES, ROWS_OF_ONE, Walk, check_out,
    check_rows, to_score,
};

/// Rows between two looks at their sums of squares.
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
    let mut squares = Squares([0; BLOCK]);
    let mut inverse_norm = [0.0];
    squares.invert_norms(kernels, (Operand::Probe, 0), probe, &mut inverse_norm)?;
    let probe = (probe, inverse_norm[0]);
    let blocks = references.chunks(BLOCK * dimensions).zip(out.chunks_mut(BLOCK));
    for (block, (rows, scores)) in blocks.enumerate() {
        prefetch_all(scores);
        squares.compare(kernels, probe, (Operand::References, block * BLOCK), rows, scores)?;
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
    let comparison = Int8::new(kernels, dimensions, probes.len() / dimensions);
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

/// Sums of squares of one block of rows.
struct Squares([i32; BLOCK]);

impl Squares {
    /// Scores of up to `BLOCK` rows, the first of which has the number `first` in the operand, with
    /// a probe and 1 / its norm. Returns the sums of squares of the rows.
    fn compare(
        &mut self,
        kernels: &Kernels,
        (probe, inverse_norm): (&[i8], f32),
        (operand, first): (Operand, usize),
        rows: &[i8],
        scores: &mut [f32],
    ) -> Result<&[i32], CoreError> {
        let squares = &mut self.0[..scores.len()];
        kernels.rows_int8(probe, inverse_norm, rows, scores, squares);
        // Not `position` at once, which would look at them one by one.
        if squares.iter().fold(i32::MAX, |least, square| least.min(*square)) == 0 {
            let row = first + squares.iter().position(|square| *square == 0).unwrap_or_default();
            return Err(CoreError::ZeroNorm { operand, row });
        }
        Ok(squares)
    }

    /// 1 / norm of each of up to `BLOCK` rows.
    fn invert_norms(
        &mut self,
        kernels: &Kernels,
        (operand, first): (Operand, usize),
        rows: &[i8],
        inverse_norms: &mut [f32],
    ) -> Result<(), CoreError> {
        let row = &rows[..rows.len() / inverse_norms.len()];
        let squares = self.compare(kernels, (row, 1.0), (operand, first), rows, inverse_norms)?;
        for (inverse, square) in inverse_norms.iter_mut().zip(squares) {
            *inverse = 1.0 / (*square as f32).sqrt();
        }
        Ok(())
    }
}

/// Comparison of rows of codes.
pub(crate) struct Int8<'a> {
    kernels: &'a Kernels,
    dimensions: usize,
    squares: Squares,
    /// For several probes, if the kernels have it.
    panel: Option<CodePanel>,
    /// Without it.
    dots: Vec<i32>,
}

impl<'a> Int8<'a> {
    /// For so many probes.
    pub(crate) fn new(kernels: &'a Kernels, dimensions: usize, probes: usize) -> Self {
        let (squares, panel) = (Squares([0; BLOCK]), kernels.panel_int8_for(probes));
        Self { kernels, dimensions, squares, panel, dots: Vec::new() }
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
            let place = (operand, first + block * BLOCK);
            self.squares.invert_norms(self.kernels, place, rows, inverse_norms)?;
        }
        Ok(())
    }

    /// References are interleaved for each group of probes anew: the larger these are, the better.
    fn most_probes(&self) -> usize {
        if self.panel.is_some() { 256 } else { 64 }
    }

    fn reference_bytes(&self) -> usize {
        if self.panel.is_some() { PANEL_REFERENCE_BYTES } else { REFERENCE_BYTES }
    }

    fn compare(
        &mut self,
        probes: &Group<i8>,
        references: &Group<i8>,
        scores: &mut [f32],
        stride: usize,
    ) -> Result<(), CoreError> {
        if let Some(panel) = &mut self.panel
            && probes.inverse_norms.len() >= SEVERAL
        {
            let dimensions = self.dimensions;
            self.kernels.panel_int8(panel, dimensions, probes, references, scores, stride);
            return Ok(());
        }
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
        let (probe, place) = ((probe.rows, probe.inverse_norms[0]), (Operand::References, first));
        self.squares.compare(self.kernels, probe, place, references, scores)?;
        Ok(())
    }
}
