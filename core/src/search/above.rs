//! All pairs that reach a threshold.

use super::{least_score, reaching};
use crate::block::Float32;
use crate::error::{CoreError, Operand};
use crate::int8::{Int8, check_codes};
use crate::kernels::Kernels;
use crate::walk::{Comparison, Walk, check_rows};

/// Pairs, ordered by the probe's row, then the reference's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Rows of the probes.
    pub probe_rows: Vec<i64>,
    /// Rows of the references.
    pub reference_rows: Vec<i64>,
    /// Comparison scores.
    pub scores: Vec<f32>,
}

/// All pairs whose comparison score is at least `threshold`, up to `limit` of them. Both matrices
/// are stored row after row, `dimensions` elements each. Without probes, no reference is checked.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite` (`threshold`, too), `ZeroNorm`, `TooMany`.
pub fn above(
    kernels: &Kernels,
    dimensions: usize,
    probes: &[f32],
    references: &[f32],
    threshold: f64,
    limit: usize,
) -> Result<Pairs, CoreError> {
    check_rows(dimensions, probes, references)?;
    let least = least_score(threshold)?;
    let comparison = Float32::new(kernels, dimensions, probes, references);
    search(Walk::new(comparison, dimensions, probes, references)?, least, limit)
}

/// `above` of int8 codes.
///
/// # Errors
/// `Empty`, `TooLong`, `LengthMismatch`, `NonFinite` (`threshold`), `ZeroNorm`, `TooMany`.
pub fn above_int8(
    kernels: &Kernels,
    dimensions: usize,
    probes: &[i8],
    references: &[i8],
    threshold: f64,
    limit: usize,
) -> Result<Pairs, CoreError> {
    check_codes(dimensions, probes, references)?;
    let least = least_score(threshold)?;
    let comparison = Int8::new(kernels, dimensions, probes.len() / dimensions);
    search(Walk::new(comparison, dimensions, probes, references)?, least, limit)
}

fn search<T, C: Comparison<T>>(
    mut walk: Walk<T, C>,
    least: f32,
    limit: usize,
) -> Result<Pairs, CoreError> {
    let mut pairs = Pairs::default();
    // One list a probe of the group: references come in order, probes take turns.
    let mut found: Vec<Vec<(usize, f32)>> = Vec::new();
    let mut count = 0;
    for group in walk.groups() {
        found.resize_with(group.len(), Vec::new);
        walk.compare(group.clone(), |probe, first, scores| {
            let found = &mut found[probe - group.start];
            let before = found.len();
            reaching(scores, least, |i, score| {
                found.push((first + i, score));
                least
            });
            count += found.len() - before;
            if count > limit {
                return Err(CoreError::TooMany { operand: Operand::Threshold, limit });
            }
            Ok(())
        })?;
        for (probe, found) in group.zip(&mut found) {
            for (reference, score) in found.drain(..) {
                pairs.probe_rows.push(probe as i64);
                pairs.reference_rows.push(reference as i64);
                pairs.scores.push(score);
            }
        }
    }
    Ok(pairs)
}
