//! AVX-512F: 16 lanes of f32 with FMA; the last, partial vector is loaded under a mask.

use core::arch::x86_64::{
    __m256, __m512, __mmask16, _mm256_add_ps, _mm256_castpd_ps, _mm512_add_ps, _mm512_castps_pd,
    _mm512_castps512_ps256, _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_reduce_add_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::prefetch::{prefetch, prefetch_first};
use super::rows::{rows, to_scores};
use super::tiles::PROBES;
use super::{Isa, Kernels, PairSums, avx2, int8, panel};

/// AVX-512F alone has no arithmetic on bytes. Blocks of few probes are those of AVX2: twice as many
/// lanes to add up cost more than they save.
const TABLE: Kernels = Kernels {
    isa: Isa::Avx512,
    pair,
    rows,
    block: avx2::block,
    panel: Some(panel::avx512::scores),
    square_sum,
    scale,
    int8: int8::avx2::KERNELS,
};

pub(super) static KERNELS: Kernels = TABLE;

/// The same, but for the int8 kernels.
pub(super) static WITH_VNNI: Kernels =
    Kernels { isa: Isa::Avx512Vnni, int8: int8::avx512vnni::KERNELS, ..TABLE };

/// The same, but for blocks of int8.
pub(super) static WITH_AMX: Kernels =
    Kernels { isa: Isa::Amx, int8: int8::avx512vnni::WITH_AMX, ..TABLE };

const LANES: usize = 16;
type Lanes = [f32; LANES];

/// Independent accumulators: enough to hide the 4 cycles of an FMA.
const UNROLL: usize = 4;

/// How far `rows` and `square_sum` ask memory ahead, for the second cache and for the first one: the
/// processor's own prefetching stops at each page, and the sums leave it too little time.
const BYTES_AHEAD: usize = 2560;
const BYTES_NEXT: usize = 1024;

#[target_feature(enable = "avx512f")]
fn pair(a: &[f32], b: &[f32]) -> PairSums {
    let (a, a_tail) = a.as_chunks::<LANES>();
    let (b, b_tail) = b.as_chunks::<LANES>();
    let (a, a_rest) = a.as_chunks::<UNROLL>();
    let (b, b_rest) = b.as_chunks::<UNROLL>();
    let mut dot = [_mm512_setzero_ps(); UNROLL];
    let mut aa = dot;
    let mut bb = dot;
    for (xs, ys) in a.iter().zip(b) {
        for i in 0..UNROLL {
            let (x, y) = (load(&xs[i]), load(&ys[i]));
            dot[i] = _mm512_fmadd_ps(x, y, dot[i]);
            aa[i] = _mm512_fmadd_ps(x, x, aa[i]);
            bb[i] = _mm512_fmadd_ps(y, y, bb[i]);
        }
    }
    for (x, y) in a_rest.iter().zip(b_rest) {
        let (x, y) = (load(x), load(y));
        dot[0] = _mm512_fmadd_ps(x, y, dot[0]);
        aa[0] = _mm512_fmadd_ps(x, x, aa[0]);
        bb[0] = _mm512_fmadd_ps(y, y, bb[0]);
    }
    if !a_tail.is_empty() {
        let (x, y) = (load_tail(a_tail), load_tail(b_tail));
        dot[1] = _mm512_fmadd_ps(x, y, dot[1]);
        aa[1] = _mm512_fmadd_ps(x, x, aa[1]);
        bb[1] = _mm512_fmadd_ps(y, y, bb[1]);
    }
    PairSums { dot: reduce(dot), aa: reduce(aa), bb: reduce(bb) }
}

rows! { "avx512f,avx2,fma" }

/// Rows that add up their lanes together, and whose scores come at once: later, memory would wait.
#[inline]
#[target_feature(enable = "avx512f,avx2,fma")]
fn few_rows<const R: usize>(
    probe: &[f32],
    inverse_norm: f64,
    rows: [&[f32]; R],
) -> ([f32; PROBES], [f64; PROBES]) {
    let (mut dots, mut squares) = ([_mm512_setzero_ps(); PROBES], [_mm512_setzero_ps(); PROBES]);
    for i in 0..R {
        (dots[i], squares[i]) = row(probe, rows[i]);
    }
    let (dots, squares) = (totals(dots).map(f64::from), totals(squares).map(f64::from));
    (to_scores(dots, squares, inverse_norm), squares)
}

/// Dot product with the probe, and sum of squares, before their lanes are added up. One row at a
/// time: several rows at once save loads of the probe, but their streams halve the speed of a read
/// from memory (measured on Zen 4).
#[inline]
#[target_feature(enable = "avx512f")]
fn row(probe: &[f32], reference: &[f32]) -> (Sums, Sums) {
    let (p, p_tail) = probe.as_chunks::<LANES>();
    let (x, x_tail) = reference.as_chunks::<LANES>();
    let (p, p_rest) = p.as_chunks::<UNROLL>();
    let (x, x_rest) = x.as_chunks::<UNROLL>();
    let mut dot = [_mm512_setzero_ps(); UNROLL];
    let mut square = dot;
    for (ps, xs) in p.iter().zip(x) {
        ask_ahead(xs);
        for i in 0..UNROLL {
            let (p, x) = (load(&ps[i]), load_and_ask(&xs[i]));
            dot[i] = _mm512_fmadd_ps(p, x, dot[i]);
            square[i] = _mm512_fmadd_ps(x, x, square[i]);
        }
    }
    for (p, x) in p_rest.iter().zip(x_rest) {
        let (p, x) = (load(p), load(x));
        dot[0] = _mm512_fmadd_ps(p, x, dot[0]);
        square[0] = _mm512_fmadd_ps(x, x, square[0]);
    }
    if !p_tail.is_empty() {
        let (p, x) = (load_tail(p_tail), load_tail(x_tail));
        dot[1] = _mm512_fmadd_ps(p, x, dot[1]);
        square[1] = _mm512_fmadd_ps(x, x, square[1]);
    }
    (sum(dot), sum(square))
}

type Sums = __m512;

#[inline]
#[target_feature(enable = "avx512f,avx2,fma")]
fn totals(sums: [Sums; PROBES]) -> [f32; PROBES] {
    avx2::totals([fold(sums[0]), fold(sums[1]), fold(sums[2]), fold(sums[3])])
}

/// The upper half added to the lower one.
#[inline]
#[target_feature(enable = "avx512f")]
fn fold(sums: Sums) -> __m256 {
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sums)));
    _mm256_add_ps(_mm512_castps512_ps256(sums), upper)
}

#[target_feature(enable = "avx512f")]
fn square_sum(vector: &[f32]) -> f64 {
    let (lanes, tail) = vector.as_chunks::<LANES>();
    let (blocks, rest) = lanes.as_chunks::<UNROLL>();
    let mut sum = [_mm512_setzero_ps(); UNROLL];
    for xs in blocks {
        ask_ahead(xs);
        for i in 0..UNROLL {
            let x = load_and_ask(&xs[i]);
            sum[i] = _mm512_fmadd_ps(x, x, sum[i]);
        }
    }
    for x in rest {
        let x = load(x);
        sum[0] = _mm512_fmadd_ps(x, x, sum[0]);
    }
    if !tail.is_empty() {
        let x = load_tail(tail);
        sum[1] = _mm512_fmadd_ps(x, x, sum[1]);
    }
    reduce(sum)
}

#[target_feature(enable = "avx512f")]
fn scale(vector: &mut [f32], factor: f32) {
    let factor = _mm512_set1_ps(factor);
    let (lanes, tail) = vector.as_chunks_mut::<LANES>();
    for x in lanes {
        let scaled = _mm512_mul_ps(load(x), factor);
        // SAFETY: the array reference grants 16 writable f32.
        unsafe { _mm512_storeu_ps(x.as_mut_ptr(), scaled) };
    }
    if !tail.is_empty() {
        let scaled = _mm512_mul_ps(load_tail(tail), factor);
        // SAFETY: `mask` writes only the elements that the slice has.
        unsafe { _mm512_mask_storeu_ps(tail.as_mut_ptr(), mask(tail), scaled) };
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(lanes: &Lanes) -> __m512 {
    // SAFETY: the array reference grants 16 readable f32.
    unsafe { _mm512_loadu_ps(lanes.as_ptr()) }
}

/// For the second cache, before the loads, which take the same way to memory and wait.
#[inline]
fn ask_ahead(block: &[Lanes; UNROLL]) {
    for lanes in block {
        prefetch(lanes.as_ptr().wrapping_byte_add(BYTES_AHEAD));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_and_ask(lanes: &Lanes) -> __m512 {
    prefetch_first(lanes.as_ptr().wrapping_byte_add(BYTES_NEXT));
    load(lanes)
}

/// The elements of a row that fill no vector, the other lanes zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_tail(row: &[f32]) -> __m512 {
    let tail = row.as_chunks::<LANES>().1;
    // SAFETY: `mask` reads only the elements that the slice has.
    unsafe { _mm512_maskz_loadu_ps(mask(tail), tail.as_ptr()) }
}

/// One bit an element of `tail`.
#[inline]
fn mask(tail: &[f32]) -> __mmask16 {
    debug_assert!(tail.len() < LANES);
    (1 << tail.len()) - 1
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum([a, b, c, d]: [__m512; UNROLL]) -> __m512 {
    _mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn reduce(sums: [__m512; UNROLL]) -> f64 {
    _mm512_reduce_add_ps(sum(sums)).into()
}
