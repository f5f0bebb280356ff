//! The specification: one code after the other, summed in i32.

use super::{Int8Kernels, to_scores};

pub(in crate::kernels) const KERNELS: Int8Kernels = Int8Kernels { rows, block, panel: None };

fn rows(
    probe: &[i8],
    inverse_norm: f32,
    references: &[i8],
    scores: &mut [f32],
    squares: &mut [i32],
) {
    let references = references.chunks_exact(probe.len());
    for ((reference, score), square) in references.zip(scores).zip(squares) {
        *square = sum_products(reference, reference);
        [*score] = to_scores([sum_products(probe, reference)], [*square], inverse_norm);
    }
}

fn block(probes: &[i8], references: &[i8], dimensions: usize, dots: &mut [i32]) {
    let probes = probes.chunks_exact(dimensions);
    for (probe, dots) in probes.zip(dots.chunks_exact_mut(references.len() / dimensions)) {
        for (reference, dot) in references.chunks_exact(dimensions).zip(dots) {
            *dot = sum_products(probe, reference);
        }
    }
}

fn sum_products(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
}
