//! AVX2 and FMA: 8 lanes of f32; the last, partial vector is loaded under a mask.

use core::arch::x86_64::{
    __m256, __m256i, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps,
    _mm_storeu_ps, _mm256_add_ps, _mm256_castps256_ps128, _mm256_cmpgt_epi32,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskload_ps, _mm256_mul_ps,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use super::rows::{rows, to_scores};
use super::tiles::tiles;
use super::{Isa, Kernels, PairSums, int8};

const TABLE: Kernels = Kernels {
    isa: Isa::Avx2,
    pair,
    rows,
    block,
    panel: None,
    square_sum,
    scale,
    int8: int8::avx2::KERNELS,
};

pub(super) static KERNELS: Kernels = TABLE;

/// The same, but for the int8 kernels.
pub(super) static WITH_VNNI: Kernels =
    Kernels { isa: Isa::AvxVnni, int8: int8::avxvnni::KERNELS, ..TABLE };

const LANES: usize = 8;
type Lanes = [f32; LANES];

/// Independent accumulators: enough to hide the 4 cycles of an FMA, few enough for 16 registers.
const UNROLL: usize = 4;

#[target_feature(enable = "avx2,fma")]
fn pair(a: &[f32], b: &[f32]) -> PairSums {
    let (a, a_tail) = a.as_chunks::<LANES>();
    let (b, b_tail) = b.as_chunks::<LANES>();
    let (a, a_rest) = a.as_chunks::<UNROLL>();
    let (b, b_rest) = b.as_chunks::<UNROLL>();
    let mut dot = [_mm256_setzero_ps(); UNROLL];
    let mut aa = dot;
    let mut bb = dot;
    for (xs, ys) in a.iter().zip(b) {
        for i in 0..UNROLL {
            let (x, y) = (load(&xs[i]), load(&ys[i]));
            dot[i] = _mm256_fmadd_ps(x, y, dot[i]);
            aa[i] = _mm256_fmadd_ps(x, x, aa[i]);
            bb[i] = _mm256_fmadd_ps(y, y, bb[i]);
        }
    }
    for (x, y) in a_rest.iter().zip(b_rest) {
        let (x, y) = (load(x), load(y));
        dot[0] = _mm256_fmadd_ps(x, y, dot[0]);
        aa[0] = _mm256_fmadd_ps(x, x, aa[0]);
        bb[0] = _mm256_fmadd_ps(y, y, bb[0]);
    }
    if !a_tail.is_empty() {
        let (x, y) = (load_tail(a_tail), load_tail(b_tail));
        dot[1] = _mm256_fmadd_ps(x, y, dot[1]);
        aa[1] = _mm256_fmadd_ps(x, x, aa[1]);
        bb[1] = _mm256_fmadd_ps(y, y, bb[1]);
    }
    PairSums { dot: reduce(dot), aa: reduce(aa), bb: reduce(bb) }
}

rows! { "avx2,fma" }

#[inline]
#[target_feature(enable = "avx2,fma")]
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
#[target_feature(enable = "avx2,fma")]
fn row(probe: &[f32], reference: &[f32]) -> (f64, f64) {
    let (p, p_tail) = probe.as_chunks::<LANES>();
    let (x, x_tail) = reference.as_chunks::<LANES>();
    let (p, p_rest) = p.as_chunks::<UNROLL>();
    let (x, x_rest) = x.as_chunks::<UNROLL>();
    let mut dot = [_mm256_setzero_ps(); UNROLL];
    let mut square = dot;
    for (ps, xs) in p.iter().zip(x) {
        for i in 0..UNROLL {
            let (p, x) = (load(&ps[i]), load(&xs[i]));
            dot[i] = _mm256_fmadd_ps(p, x, dot[i]);
            square[i] = _mm256_fmadd_ps(x, x, square[i]);
        }
    }
    for (p, x) in p_rest.iter().zip(x_rest) {
        let (p, x) = (load(p), load(x));
        dot[0] = _mm256_fmadd_ps(p, x, dot[0]);
        square[0] = _mm256_fmadd_ps(x, x, square[0]);
    }
    if !p_tail.is_empty() {
        let (p, x) = (load_tail(p_tail), load_tail(x_tail));
        dot[1] = _mm256_fmadd_ps(p, x, dot[1]);
        square[1] = _mm256_fmadd_ps(x, x, square[1]);
    }
    (reduce(dot), reduce(square))
}

type Sums = __m256;

tiles! { "avx2,fma", f32 => f32, 3 references, load and load_tail, load and load_tail }

#[inline]
#[target_feature(enable = "avx2")]
fn start(_probe: &[f32]) -> Sums {
    _mm256_setzero_ps()
}

#[inline]
#[target_feature(enable = "fma")]
fn add_products(sums: Sums, probe: __m256, reference: __m256) -> Sums {
    _mm256_fmadd_ps(probe, reference, sums)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn totals(sums: [Sums; PROBES]) -> [f32; PROBES] {
    let [a, b, c, d] = sums;
    // Not three horizontal additions, each of which takes two cycles.
    let ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let lower = _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd);
    let halves = _mm256_add_ps(lower, _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd));
    let four = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
    let mut totals = [0.0; PROBES];
    // SAFETY: the array holds 4 writable f32.
    unsafe { _mm_storeu_ps(totals.as_mut_ptr(), four) };
    totals
}

#[target_feature(enable = "avx2,fma")]
fn square_sum(vector: &[f32]) -> f64 {
    let (lanes, tail) = vector.as_chunks::<LANES>();
    let (blocks, rest) = lanes.as_chunks::<UNROLL>();
    let mut sum = [_mm256_setzero_ps(); UNROLL];
    for xs in blocks {
        for i in 0..UNROLL {
            let x = load(&xs[i]);
            sum[i] = _mm256_fmadd_ps(x, x, sum[i]);
        }
    }
    for x in rest {
        let x = load(x);
        sum[0] = _mm256_fmadd_ps(x, x, sum[0]);
    }
    if !tail.is_empty() {
        let x = load_tail(tail);
        sum[1] = _mm256_fmadd_ps(x, x, sum[1]);
    }
    reduce(sum)
}

#[target_feature(enable = "avx2,fma")]
fn scale(vector: &mut [f32], factor: f32) {
    let factors = _mm256_set1_ps(factor);
    let (lanes, tail) = vector.as_chunks_mut::<LANES>();
    for x in lanes {
        let scaled = _mm256_mul_ps(load(x), factors);
        // SAFETY: the array reference grants 8 writable f32.
        unsafe { _mm256_storeu_ps(x.as_mut_ptr(), scaled) };
    }
    // No masked store: it is slow on AMD.
    for x in tail {
        *x *= factor;
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(lanes: &Lanes) -> __m256 {
    // SAFETY: the array reference grants 8 readable f32.
    unsafe { _mm256_loadu_ps(lanes.as_ptr()) }
}

/// The elements of a row that fill no vector, the other lanes zero.
#[inline]
#[target_feature(enable = "avx2")]
fn load_tail(row: &[f32]) -> __m256 {
    let tail = row.as_chunks::<LANES>().1;
    // SAFETY: `mask` reads only the elements that the slice has.
    unsafe { _mm256_maskload_ps(tail.as_ptr(), mask(tail)) }
}

/// One lane of ones an element of `tail`.
#[inline]
#[target_feature(enable = "avx2")]
fn mask(tail: &[f32]) -> __m256i {
    debug_assert!(tail.len() < LANES);
    let len = _mm256_set1_epi32(tail.len() as i32);
    _mm256_cmpgt_epi32(len, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}

#[inline]
#[target_feature(enable = "avx2")]
fn reduce(sum: [__m256; UNROLL]) -> f64 {
    let [a, b, c, d] = sum;
    let eight = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    let low = _mm256_castps256_ps128(eight);
    let four = _mm_add_ps(low, _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two))).into()
}
