//! The specification: one element after the other, summed in f64.
//!
//! No finite f32 vector overflows or underflows here, so the callers also use these kernels when
//! the f32 sums of a faster one cannot be trusted.

use super::{Isa, Kernels, PairSums, int8, to_score};

pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Scalar,
    pair,
    rows,
    block,
    panel: None,
    square_sum,
    scale,
    int8: int8::scalar::KERNELS,
};

pub(crate) fn pair(a: &[f32], b: &[f32]) -> PairSums {
    let mut sums = PairSums { dot: 0.0, aa: 0.0, bb: 0.0 };
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        sums.dot += x * y;
        sums.aa += x * x;
        sums.bb += y * y;
    }
    sums
}

fn rows(
    probe: &[f32],
    inverse_norm: f64,
    references: &[f32],
    scores: &mut [f32],
    squares: &mut [f64],
) {
    let references = references.chunks_exact(probe.len());
    for ((reference, score), square) in references.zip(scores).zip(squares) {
        let sums = pair(probe, reference);
        *square = sums.bb;
        *score = to_score(sums.dot, sums.bb, inverse_norm);
    }
}

fn block(probes: &[f32], references: &[f32], dimensions: usize, dots: &mut [f32]) {
    let probes = probes.chunks_exact(dimensions);
    for (probe, dots) in probes.zip(dots.chunks_exact_mut(references.len() / dimensions)) {
        for (reference, dot) in references.chunks_exact(dimensions).zip(dots) {
            *dot = pair(probe, reference).dot as f32;
        }
    }
}

pub(crate) fn square_sum(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

fn scale(vector: &mut [f32], factor: f32) {
    for x in vector {
        *x *= factor;
    }
}
