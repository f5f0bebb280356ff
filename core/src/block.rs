//! Comparison scores of many probes with many references, all of them.

use crate::check::{exact_square_sum, trusted};
use crate::cosine::cosine;
use crate::error::{CoreError, Operand};
use crate::kernels::{Kernels, MANY, Panel};
use crate::walk::{
    Comparison, Group, PANEL_REFERENCE_BYTES, REFERENCE_BYTES, Walk, check_out, check_rows,
    to_score,
};

/// Comparison scores of each probe with each reference, in [-1, 1]: a row of `out` for each probe.
/// Both matrices are stored row after row, `dimensions` elements each.
///
/// On an error the contents of `out` are unspecified. Without probes, no reference is checked.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite`, `ZeroNorm`.
pub fn cosine_block(
    kernels: &Kernels,
    dimensions: usize,
    probes: &[f32],
    references: &[f32],
    out: &mut [f32],
) -> Result<(), CoreError> {
    check_rows(dimensions, probes, references)?;
    check_out(dimensions, probes, references, out)?;
    let comparison = Float32::new(kernels, dimensions, probes, references);
    Walk::new(comparison, dimensions, probes, references)?.fill(out)
}

/// Comparison of rows of f32.
pub(crate) struct Float32<'a> {
    kernels: &'a Kernels,
    dimensions: usize,
    probes: &'a [f32],
    references: &'a [f32],
    /// Rows of finite values whose sums in f32 cannot be trusted, in order.
    probes_apart: Vec<usize>,
    references_apart: Vec<usize>,
    /// For many probes, if the kernels have it.
    panel: Option<Panel>,
    /// Without it.
    dots: Vec<f32>,
}

impl<'a> Float32<'a> {
    pub(crate) fn new(
        kernels: &'a Kernels,
        dimensions: usize,
        probes: &'a [f32],
        references: &'a [f32],
    ) -> Self {
        let (probes_apart, references_apart) = (Vec::new(), Vec::new());
        let panel = kernels.panel_for(probes.len() / dimensions);
        let dots = Vec::new();
        Self {
            kernels,
            dimensions,
            probes,
            references,
            probes_apart,
            references_apart,
            panel,
            dots,
        }
    }

    /// The score of a pair with a row that stands apart.
    fn exact(&self, probe: usize, reference: usize) -> Result<f32, CoreError> {
        let row = |rows: &'a [f32], row| &rows[row * self.dimensions..][..self.dimensions];
        let (probe, reference) = (row(self.probes, probe), row(self.references, reference));
        Ok(cosine(self.kernels, probe, reference)? as f32)
    }

    #[cold]
    fn mend(
        &self,
        probes: &Group<f32>,
        references: &Group<f32>,
        scores: &mut [f32],
        stride: usize,
    ) -> Result<(), CoreError> {
        let columns = references.inverse_norms.len();
        let apart = |rows: &[usize], row| rows.binary_search(&row).is_ok();
        for (i, scores) in scores.chunks_mut(stride).take(probes.inverse_norms.len()).enumerate() {
            let probe_apart = apart(&self.probes_apart, probes.first + i);
            for (j, score) in scores[..columns].iter_mut().enumerate() {
                if probe_apart || apart(&self.references_apart, references.first + j) {
                    *score = self.exact(probes.first + i, references.first + j)?;
                }
            }
        }
        Ok(())
    }
}

impl Comparison<f32> for Float32<'_> {
    fn invert_norms(
        &mut self,
        operand: Operand,
        first: usize,
        rows: &[f32],
        inverse_norms: &mut [f32],
    ) -> Result<(), CoreError> {
        let rows = rows.chunks_exact(self.dimensions);
        for (i, (row, inverse)) in rows.zip(inverse_norms).enumerate() {
            let square_sum = self.kernels.square_sum(row);
            if !trusted(square_sum) {
                exact_square_sum(row, operand, first + i)?;
                let probes = operand == Operand::Probes;
                let apart =
                    if probes { &mut self.probes_apart } else { &mut self.references_apart };
                apart.push(first + i);
            }
            *inverse = (1.0 / square_sum.sqrt()) as f32;
        }
        Ok(())
    }

    fn reference_bytes(&self) -> usize {
        if self.panel.is_some() { PANEL_REFERENCE_BYTES } else { REFERENCE_BYTES }
    }

    fn compare(
        &mut self,
        probes: &Group<f32>,
        references: &Group<f32>,
        scores: &mut [f32],
        stride: usize,
    ) -> Result<(), CoreError> {
        if let Some(panel) = &mut self.panel
            && probes.inverse_norms.len() >= MANY
        {
            let dimensions = self.dimensions;
            self.kernels.panel(panel, dimensions, probes, references, scores, stride);
        } else {
            let columns = references.inverse_norms.len();
            self.dots.resize(probes.inverse_norms.len() * columns, 0.0);
            self.kernels.block(probes.rows, references.rows, self.dimensions, &mut self.dots);
            let lines = scores.chunks_mut(stride).zip(self.dots.chunks_exact(columns));
            for ((scores, dots), probe_inverse) in lines.zip(probes.inverse_norms) {
                let pairs = scores.iter_mut().zip(dots).zip(references.inverse_norms);
                for ((score, dot), inverse) in pairs {
                    *score = to_score(*dot, *probe_inverse, *inverse);
                }
            }
        }
        if self.probes_apart.is_empty() && self.references_apart.is_empty() {
            return Ok(());
        }
        self.mend(probes, references, scores, stride)
    }
}
