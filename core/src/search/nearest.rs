//! For each probe the references with the highest scores.

use std::cmp::Ordering;

use super::{least_score, reaching};
use crate::block::Float32;
use crate::error::{CoreError, Operand};
use crate::int8::{Int8, check_codes};
use crate::kernels::Kernels;
use crate::walk::{Comparison, Walk, check_length, check_rows};

/// Where `nearest` writes: `k` places for each probe.
#[derive(Debug)]
pub struct Nearest<'a> {
    /// Rows of the references, highest score first, of equal scores the lower row; -1 after the
    /// last one that reaches the threshold.
    pub rows: &'a mut [i64],
    /// Their comparison scores; minus infinity after the last one.
    pub scores: &'a mut [f32],
}

/// The `k` references with the highest comparison scores of each probe, of those that are at least
/// `threshold`. Both matrices are stored row after row, `dimensions` elements each.
///
/// On an error the contents of `out` are unspecified. Without probes, no reference is checked.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite` (`threshold`, too), `ZeroNorm`.
pub fn nearest(
    kernels: &Kernels,
    dimensions: usize,
    probes: &[f32],
    references: &[f32],
    k: usize,
    threshold: f64,
    out: Nearest,
) -> Result<(), CoreError> {
    check_rows(dimensions, probes, references)?;
    let least = least_score(threshold)?;
    let Nearest { rows, scores } = out;
    check_out(probes.len() / dimensions, k, rows, scores)?;
    let comparison = Float32::new(kernels, dimensions, probes, references);
    search(Walk::new(comparison, dimensions, probes, references)?, k, least, rows, scores)
}

/// `nearest` of int8 codes.
///
/// # Errors
/// `Empty`, `TooLong`, `LengthMismatch`, `NonFinite` (`threshold`), `ZeroNorm`.
pub fn nearest_int8(
    kernels: &Kernels,
    dimensions: usize,
    probes: &[i8],
    references: &[i8],
    k: usize,
    threshold: f64,
    out: Nearest,
) -> Result<(), CoreError> {
    check_codes(dimensions, probes, references)?;
    let least = least_score(threshold)?;
    let Nearest { rows, scores } = out;
    check_out(probes.len() / dimensions, k, rows, scores)?;
    let comparison = Int8::new(kernels, dimensions, probes.len() / dimensions);
    search(Walk::new(comparison, dimensions, probes, references)?, k, least, rows, scores)
}

fn check_out(probes: usize, k: usize, rows: &[i64], scores: &[f32]) -> Result<(), CoreError> {
    // Saturation cannot hide a mismatch: no slice of f32 has usize::MAX elements.
    let expected = probes.saturating_mul(k);
    check_length(Operand::Out, expected, rows.len())?;
    check_length(Operand::Out, expected, scores.len())
}

fn search<T, C: Comparison<T>>(
    mut walk: Walk<T, C>,
    k: usize,
    least: f32,
    rows: &mut [i64],
    scores: &mut [f32],
) -> Result<(), CoreError> {
    let mut highest = Vec::new();
    for group in walk.groups() {
        highest.resize_with(group.len(), Highest::default);
        for highest in &mut highest {
            highest.restart(k, least);
        }
        walk.compare(group.clone(), |probe, first, scores| {
            highest[probe - group.start].add(first, scores);
            Ok(())
        })?;
        for (probe, highest) in group.zip(&mut highest) {
            let places = probe * k..(probe + 1) * k;
            highest.write(&mut rows[places.clone()], &mut scores[places]);
        }
    }
    Ok(())
}

/// The highest scores of one probe so far, and others that wait to be sorted out: up to twice as
/// many, so that a score costs the same whatever `k` is.
#[derive(Default)]
struct Highest {
    k: usize,
    least: f32,
    candidates: Vec<(f32, usize)>,
}

impl Highest {
    fn restart(&mut self, k: usize, least: f32) {
        self.k = k;
        self.least = if k == 0 { f32::INFINITY } else { least };
        self.candidates.clear();
    }

    #[inline]
    fn add(&mut self, first: usize, scores: &[f32]) {
        reaching(scores, self.least, |i, score| {
            self.candidates.push((score, first + i));
            if self.candidates.len() >= self.k.saturating_mul(2) {
                self.sort_out();
            }
            self.least
        });
    }

    /// Keeps the `k` highest. Rows come in order: one of an equal score would be behind them.
    #[cold]
    fn sort_out(&mut self) {
        let (_, last, _) = self.candidates.select_nth_unstable_by(self.k - 1, better);
        self.least = last.0.next_up();
        self.candidates.truncate(self.k);
    }

    fn write(&mut self, rows: &mut [i64], scores: &mut [f32]) {
        self.candidates.sort_unstable_by(better);
        self.candidates.truncate(self.k);
        rows.fill(-1);
        scores.fill(f32::NEG_INFINITY);
        let places = rows.iter_mut().zip(scores);
        for ((row, score), candidate) in places.zip(&self.candidates) {
            (*score, *row) = (candidate.0, candidate.1 as i64);
        }
    }
}

/// Higher scores first, of equal ones the lower row. No score is NaN; 0 and -0 are equal.
fn better(a: &(f32, usize), b: &(f32, usize)) -> Ordering {
    b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
}
