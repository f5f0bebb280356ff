//! The walk over many pairs: every group of probes meets every group of references.
//!
//! A group of references stays in a near cache while a larger group of probes, which stays in the
//! second one, goes over it: memory is read once for so many probes. Of scores that nobody keeps no
//! more exist at a time than those of two groups.

use std::ops::Range;

use crate::error::{CoreError, Operand};
use crate::kernels::prefetch_all;

/// Bytes of a group of references: with the few probes of a tile, a first cache.
pub(crate) const REFERENCE_BYTES: usize = 24 << 10;

/// The same, where each reference is read once: the second cache will do.
pub(crate) const PANEL_REFERENCE_BYTES: usize = 128 << 10;

/// Bytes of a group of probes: a quarter of a second cache.
const PROBE_BYTES: usize = 128 << 10;

/// What the tiles of every instruction set divide.
const WHOLE_TILES: usize = 12;

/// The most references that several probes meet at a time.
pub(crate) const REFERENCES: usize = 4 * WHOLE_TILES;

/// The most references that one probe alone meets at a time: enough for the step from one such group
/// to the next to cost nothing, few enough for their sums to stay in the first cache.
pub(crate) const ROWS_OF_ONE: usize = 128;

/// Some rows of an operand.
pub(crate) struct Group<'a, T> {
    /// The number of the first one.
    pub(crate) first: usize,
    pub(crate) rows: &'a [T],
    /// 1 / norm of each.
    pub(crate) inverse_norms: &'a [f32],
}

/// How rows of one type are compared.
pub(crate) trait Comparison<T> {
    /// Writes 1 / norm of each of these rows, of which the first one has the number `first`.
    fn invert_norms(
        &mut self,
        operand: Operand,
        first: usize,
        rows: &[T],
        inverse_norms: &mut [f32],
    ) -> Result<(), CoreError>;

    /// Bytes of a group of references.
    fn reference_bytes(&self) -> usize {
        REFERENCE_BYTES
    }

    /// The most probes that references meet at a time.
    fn most_probes(&self) -> usize {
        64
    }

    /// Comparison scores of each probe with each reference. Those of a probe begin `stride` after
    /// those of the one before.
    fn compare(
        &mut self,
        probes: &Group<T>,
        references: &Group<T>,
        scores: &mut [f32],
        stride: usize,
    ) -> Result<(), CoreError>;

    /// The same of one probe and up to `ROWS_OF_ONE` references, whose norms are not known yet and
    /// will not be asked for again.
    fn compare_one(
        &mut self,
        probe: &Group<T>,
        first: usize,
        references: &[T],
        scores: &mut [f32],
    ) -> Result<(), CoreError> {
        let inverse_norms = &mut [0.0; ROWS_OF_ONE][..scores.len()];
        self.invert_norms(Operand::References, first, references, inverse_norms)?;
        let stride = scores.len();
        self.compare(probe, &Group { first, rows: references, inverse_norms }, scores, stride)
    }
}

/// A walk under way, one group of probes after the other.
pub(crate) struct Walk<'a, T, C> {
    comparison: C,
    dimensions: usize,
    probes: &'a [T],
    references: &'a [T],
    probe_inverses: Vec<f32>,
    /// As long as `known` of them are known; none for a single probe, which needs them once.
    reference_inverses: Vec<f32>,
    known: usize,
    probes_at_once: usize,
    references_at_once: usize,
}

impl<'a, T, C: Comparison<T>> Walk<'a, T, C> {
    /// Checks all probes. The lengths have been checked.
    pub(crate) fn new(
        mut comparison: C,
        dimensions: usize,
        probes: &'a [T],
        references: &'a [T],
    ) -> Result<Self, CoreError> {
        let count = probes.len() / dimensions;
        let mut probe_inverses = vec![0.0; count];
        comparison.invert_norms(Operand::Probes, 0, probes, &mut probe_inverses)?;
        let row_bytes = dimensions * size_of::<T>();
        let probes_at_once =
            (PROBE_BYTES / row_bytes).clamp(1, comparison.most_probes()).min(count);
        let tiles = (comparison.reference_bytes() / row_bytes / WHOLE_TILES).max(1);
        let most = if count == 1 { ROWS_OF_ONE } else { REFERENCES };
        let references_at_once = tiles.min(most / WHOLE_TILES) * WHOLE_TILES;
        let stored = if count <= 1 { 0 } else { references.len() / dimensions };
        Ok(Self {
            comparison,
            dimensions,
            probes,
            references,
            probe_inverses,
            reference_inverses: vec![0.0; stored],
            known: 0,
            probes_at_once,
            references_at_once,
        })
    }

    pub(crate) fn reference_count(&self) -> usize {
        self.references.len() / self.dimensions
    }

    /// The groups of probes, as ranges of rows.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<T, C> {
        let (count, step) = (self.probe_inverses.len(), self.probes_at_once.max(1));
        (0..count).step_by(step).map(move |first| first..count.min(first + step))
    }

    /// Compares a group of probes with all references. `visit` gets a probe's row, a reference's
    /// row, and the scores of that probe with that reference and those after it. For each probe the
    /// references come in the order of their rows.
    pub(crate) fn compare(
        &mut self,
        group: Range<usize>,
        mut visit: impl FnMut(usize, usize, &[f32]) -> Result<(), CoreError>,
    ) -> Result<(), CoreError> {
        let mut scores = vec![0.0; self.probes_at_once * self.references_at_once];
        for references in self.reference_groups() {
            let (first, count) = (references.start, references.len());
            self.compare_groups(group.clone(), references, &mut scores, count)?;
            for (probe, scores) in group.clone().zip(scores.chunks_exact(count)) {
                visit(probe, first, scores)?;
            }
        }
        Ok(())
    }

    /// Writes all scores, a row for each probe.
    pub(crate) fn fill(mut self, out: &mut [f32]) -> Result<(), CoreError> {
        let columns = self.reference_count();
        for group in self.groups() {
            let out = &mut out[group.start * columns..group.end * columns];
            for references in self.reference_groups() {
                let out = &mut out[references.start..];
                // Each row of it is far from the next: a store would wait for memory.
                for scores in out.chunks(columns) {
                    prefetch_all(&scores[..references.len()]);
                }
                self.compare_groups(group.clone(), references, out, columns)?;
            }
        }
        Ok(())
    }

    /// The groups of references, as ranges of rows.
    fn reference_groups(&self) -> impl Iterator<Item = Range<usize>> + use<T, C> {
        let (count, step) = (self.reference_count(), self.references_at_once);
        (0..count).step_by(step).map(move |first| first..count.min(first + step))
    }

    /// Compares two groups; the scores of a probe begin `stride` after those of the one before.
    fn compare_groups(
        &mut self,
        probes: Range<usize>,
        references: Range<usize>,
        scores: &mut [f32],
        stride: usize,
    ) -> Result<(), CoreError> {
        let dimensions = self.dimensions;
        let probes = Group {
            first: probes.start,
            rows: &self.probes[probes.start * dimensions..probes.end * dimensions],
            inverse_norms: &self.probe_inverses[probes],
        };
        let Range { start: first, end } = references;
        let rows = &self.references[first * dimensions..end * dimensions];
        if self.reference_inverses.is_empty() {
            return self.comparison.compare_one(&probes, first, rows, &mut scores[..end - first]);
        }
        let inverse_norms = &mut self.reference_inverses[references];
        if self.known <= first {
            self.comparison.invert_norms(Operand::References, first, rows, inverse_norms)?;
            self.known = end;
        }
        self.comparison.compare(&probes, &Group { first, rows, inverse_norms }, scores, stride)
    }
}

/// Rounding may carry parallel vectors a hair past 1.
#[inline]
pub(crate) fn to_score(dot: f32, probe_inverse: f32, reference_inverse: f32) -> f32 {
    (dot * probe_inverse * reference_inverse).clamp(-1.0, 1.0)
}

/// The dimensions are not 0 and the rows are whole.
pub(crate) fn check_rows<T>(
    dimensions: usize,
    probes: &[T],
    references: &[T],
) -> Result<(), CoreError> {
    if dimensions == 0 {
        return Err(CoreError::Empty { operand: Operand::Probes });
    }
    for (operand, received) in
        [(Operand::Probes, probes.len()), (Operand::References, references.len())]
    {
        let expected = received - received % dimensions;
        check_length(operand, expected, received)?;
    }
    Ok(())
}

/// `out` has a place for each pair.
pub(crate) fn check_out<T>(
    dimensions: usize,
    probes: &[T],
    references: &[T],
    out: &[f32],
) -> Result<(), CoreError> {
    // Saturation cannot hide a mismatch: no slice of f32 has usize::MAX elements.
    let pairs = (probes.len() / dimensions).saturating_mul(references.len() / dimensions);
    check_length(Operand::Out, pairs, out.len())
}

pub(crate) fn check_length(
    operand: Operand,
    expected: usize,
    received: usize,
) -> Result<(), CoreError> {
    if expected == received {
        return Ok(());
    }
    Err(CoreError::LengthMismatch { operand, expected, received })
}
