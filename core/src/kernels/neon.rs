//! NEON: 4 lanes of f32 with FMA; the last, partial vector is padded with zeros.

use core::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddvq_f32, vdupq_n_f32, vfmaq_f32, vld1q_f32, vmulq_n_f32, vpaddq_f32,
    vst1q_f32,
};

use super::rows::{rows, to_scores};
use super::tiles::tiles;
use super::{Isa, Kernels, PairSums, int8};

pub(super) static KERNELS: Kernels = Kernels {
    isa: Isa::Neon,
    pair,
    rows,
    block,
    panel: None,
    square_sum,
    scale,
    int8: int8::neon::KERNELS,
};

const LANES: usize = 4;
type Lanes = [f32; LANES];

/// Independent accumulators: with the three sums of `pair`, 12 of 32 registers.
const UNROLL: usize = 4;

#[target_feature(enable = "neon")]
fn pair(a: &[f32], b: &[f32]) -> PairSums {
    let (a, a_tail) = a.as_chunks::<LANES>();
    let (b, b_tail) = b.as_chunks::<LANES>();
    let (a, a_rest) = a.as_chunks::<UNROLL>();
    let (b, b_rest) = b.as_chunks::<UNROLL>();
    let mut dot = [vdupq_n_f32(0.0); UNROLL];
    let mut aa = dot;
    let mut bb = dot;
    for (xs, ys) in a.iter().zip(b) {
        for i in 0..UNROLL {
            let (x, y) = (load(&xs[i]), load(&ys[i]));
            dot[i] = vfmaq_f32(dot[i], x, y);
            aa[i] = vfmaq_f32(aa[i], x, x);
            bb[i] = vfmaq_f32(bb[i], y, y);
        }
    }
    for (x, y) in a_rest.iter().zip(b_rest) {
        let (x, y) = (load(x), load(y));
        dot[0] = vfmaq_f32(dot[0], x, y);
        aa[0] = vfmaq_f32(aa[0], x, x);
        bb[0] = vfmaq_f32(bb[0], y, y);
    }
    if !a_tail.is_empty() {
        let (x, y) = (load_tail(a_tail), load_tail(b_tail));
        dot[1] = vfmaq_f32(dot[1], x, y);
        aa[1] = vfmaq_f32(aa[1], x, x);
        bb[1] = vfmaq_f32(bb[1], y, y);
    }
    PairSums { dot: reduce(dot), aa: reduce(aa), bb: reduce(bb) }
}

rows! { "neon" }

#[inline]
#[target_feature(enable = "neon")]
fn few_rows<const R: usize>(
    probe: &[f32],
    inverse_norm: f64,
    rows: [&[f32]; R],
) -> ([f32; PROBES], [f64; PROBES]) {
    let (mut dots, mut squares) = ([0.0; PROBES], [0.0; PROBES]);
    for i in 0..R {
        (dots[i], squares[i]) = row(probe, rows[i]);
    }
    (to_scores(dots, squares, inverse_norm), squares)
}

/// Dot product with the probe, and sum of squares. One row at a time: several rows at once save
/// loads of the probe, but their streams halve the speed of a read from memory (measured on Zen 4).
#[inline]
#[target_feature(enable = "neon")]
fn row(probe: &[f32], reference: &[f32]) -> (f64, f64) {
    let (p, p_tail) = probe.as_chunks::<LANES>();
    let (x, x_tail) = reference.as_chunks::<LANES>();
    let (p, p_rest) = p.as_chunks::<UNROLL>();
    let (x, x_rest) = x.as_chunks::<UNROLL>();
    let mut dot = [vdupq_n_f32(0.0); UNROLL];
    let mut square = dot;
    for (ps, xs) in p.iter().zip(x) {
        for i in 0..UNROLL {
            let (p, x) = (load(&ps[i]), load(&xs[i]));
            dot[i] = vfmaq_f32(dot[i], p, x);
            square[i] = vfmaq_f32(square[i], x, x);
        }
    }
    for (p, x) in p_rest.iter().zip(x_rest) {
        let (p, x) = (load(p), load(x));
        dot[0] = vfmaq_f32(dot[0], p, x);
        square[0] = vfmaq_f32(square[0], x, x);
    }
    if !p_tail.is_empty() {
        let (p, x) = (load_tail(p_tail), load_tail(x_tail));
        dot[1] = vfmaq_f32(dot[1], p, x);
        square[1] = vfmaq_f32(square[1], x, x);
    }
    (reduce(dot), reduce(square))
}

type Sums = float32x4_t;

tiles! { "neon", f32 => f32, 6 references, load and load_tail, load and load_tail }

#[inline]
#[target_feature(enable = "neon")]
fn start(_probe: &[f32]) -> Sums {
    vdupq_n_f32(0.0)
}

#[inline]
#[target_feature(enable = "neon")]
fn add_products(sums: Sums, probe: float32x4_t, reference: float32x4_t) -> Sums {
    vfmaq_f32(sums, probe, reference)
}

#[inline]
#[target_feature(enable = "neon")]
fn totals(sums: [Sums; PROBES]) -> [f32; PROBES] {
    let [a, b, c, d] = sums;
    let four = vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d));
    let mut totals = [0.0; PROBES];
    // SAFETY: the array holds 4 writable f32.
    unsafe { vst1q_f32(totals.as_mut_ptr(), four) };
    totals
}

#[target_feature(enable = "neon")]
fn square_sum(vector: &[f32]) -> f64 {
    let (lanes, tail) = vector.as_chunks::<LANES>();
    let (blocks, rest) = lanes.as_chunks::<UNROLL>();
    let mut sum = [vdupq_n_f32(0.0); UNROLL];
    for xs in blocks {
        for i in 0..UNROLL {
            let x = load(&xs[i]);
            sum[i] = vfmaq_f32(sum[i], x, x);
        }
    }
    for x in rest {
        let x = load(x);
        sum[0] = vfmaq_f32(sum[0], x, x);
    }
    if !tail.is_empty() {
        let x = load_tail(tail);
        sum[1] = vfmaq_f32(sum[1], x, x);
    }
    reduce(sum)
}

#[target_feature(enable = "neon")]
fn scale(vector: &mut [f32], factor: f32) {
    let (lanes, tail) = vector.as_chunks_mut::<LANES>();
    for x in lanes {
        let scaled = vmulq_n_f32(load(x), factor);
        // SAFETY: the array reference grants 4 writable f32.
        unsafe { vst1q_f32(x.as_mut_ptr(), scaled) };
    }
    for x in tail {
        *x *= factor;
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn load(lanes: &Lanes) -> float32x4_t {
    // SAFETY: the array reference grants 4 readable f32.
    unsafe { vld1q_f32(lanes.as_ptr()) }
}

/// The elements of a row that fill no vector, the other lanes zero.
#[inline]
#[target_feature(enable = "neon")]
fn load_tail(row: &[f32]) -> float32x4_t {
    let tail = row.as_chunks::<LANES>().1;
    let mut padded = [0.0; LANES];
    padded[..tail.len()].copy_from_slice(tail);
    load(&padded)
}

#[inline]
#[target_feature(enable = "neon")]
fn reduce(sum: [float32x4_t; UNROLL]) -> f64 {
    let [a, b, c, d] = sum;
    vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d))).into()
}
