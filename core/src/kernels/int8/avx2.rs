//! AVX2: 16 codes widened to i16, whose products are added in pairs to 8 lanes of i32. No pair of
//! products, at most 2^15, saturates.

use core::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_loadu_si128, _mm_storeu_si128, _mm256_abs_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_movemask_epi8,
    _mm256_or_si256, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_sign_epi8,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use super::{Int8Kernels, to_scores};
use crate::kernels::prefetch::prefetch;
use crate::kernels::rows::by_fours;
use crate::kernels::tiles::tiles;

pub(in crate::kernels) const KERNELS: Int8Kernels = Int8Kernels { rows, block, panel: None };

const LANES: usize = 16;
const BYTES: usize = 32;

/// How far `rows` asks memory ahead: the processor's own prefetching stops at each page, and these
/// sums leave it too little time.
const BYTES_AHEAD: usize = 2048;

type Lanes = [i8; LANES];
type Sums = __m256i;

tiles! { "avx2", i8 => i32, 2 references, load and load_tail, load and load_last }

/// Unlike the tiles, this multiplies bytes: memory is faster than widening. The instruction takes
/// unsigned and signed bytes, |x| and the probe's with the sign of x; two products of up to 127 fit
/// into i16. -128, whose magnitude is no signed byte, goes the way of the tiles.
#[target_feature(enable = "avx2")]
fn rows(
    probe: &[i8],
    inverse_norm: f32,
    references: &[i8],
    scores: &mut [f32],
    squares: &mut [i32],
) {
    let (fours, rest) = by_fours(references, probe.len(), scores, squares);
    let slow = probe.contains(&i8::MIN);
    for (rows, scores, squares) in fours {
        let mut dots = [0; PROBES];
        if slow || !few_rows(probe, rows, &mut dots, squares) {
            for (i, row) in rows.into_iter().enumerate() {
                (dots[i], squares[i]) = row_widened(probe, row);
            }
        }
        *scores = to_scores(dots, *squares, inverse_norm);
    }
    for (row, score, square) in rest {
        let dot;
        (dot, *square) = row_widened(probe, row);
        [*score] = to_scores([dot], [*square], inverse_norm);
    }
}

/// Whether there was no -128; else the sums are wrong. One row after the other: memory likes it.
#[inline]
#[target_feature(enable = "avx2")]
fn few_rows<const R: usize>(
    probe: &[i8],
    rows: [&[i8]; R],
    dots: &mut [i32; PROBES],
    squares: &mut [i32; PROBES],
) -> bool {
    let (p, p_tail) = probe.as_chunks::<BYTES>();
    let (last, mask) = (load_bytes_tail(probe), load_bytes(tail_mask(probe)));
    let (mut dot_sums, mut square_sums) = ([zero(); PROBES], [zero(); PROBES]);
    let mut magnitudes = zero();
    for i in 0..R {
        let x = rows[i].as_chunks::<BYTES>().0;
        let (mut dot, mut square) = (zero(), zero());
        for (p, x) in p.iter().zip(x) {
            prefetch(x.as_ptr().wrapping_byte_add(BYTES_AHEAD));
            let (p, x) = (load_bytes(p), load_bytes(x));
            let magnitude = _mm256_abs_epi8(x);
            dot = add_byte_products(dot, magnitude, _mm256_sign_epi8(p, x));
            square = add_byte_products(square, magnitude, magnitude);
            magnitudes = _mm256_or_si256(magnitudes, magnitude);
        }
        if !p_tail.is_empty() {
            let x = _mm256_and_si256(load_bytes_last(rows[i]), mask);
            let magnitude = _mm256_abs_epi8(x);
            dot = add_byte_products(dot, magnitude, _mm256_sign_epi8(last, x));
            square = add_byte_products(square, magnitude, magnitude);
            magnitudes = _mm256_or_si256(magnitudes, magnitude);
        }
        (dot_sums[i], square_sums[i]) = (dot, square);
    }
    (*dots, *squares) = (totals(dot_sums), totals(square_sums));
    _mm256_movemask_epi8(magnitudes) == 0
}

#[target_feature(enable = "avx2")]
fn row_widened(probe: &[i8], row: &[i8]) -> (i32, i32) {
    let (mut dot, mut square) = ([0], [0]);
    block(probe, row, row.len(), &mut dot);
    block(row, row, row.len(), &mut square);
    (dot[0], square[0])
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_byte_products(sums: Sums, unsigned: __m256i, signed: __m256i) -> Sums {
    let pairs = _mm256_maddubs_epi16(unsigned, signed);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_bytes(bytes: &[i8; BYTES]) -> __m256i {
    // SAFETY: the array reference grants 32 readable bytes.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero() -> Sums {
    _mm256_setzero_si256()
}

#[inline]
#[target_feature(enable = "avx2")]
fn start(_probe: &[i8]) -> Sums {
    zero()
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(lanes: &Lanes) -> __m256i {
    // SAFETY: the array reference grants 16 readable bytes.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(lanes.as_ptr().cast()) })
}

/// `load_last` with zeros in place of what the vectors before have had.
#[inline]
#[target_feature(enable = "avx2")]
fn load_tail(row: &[i8]) -> __m256i {
    _mm256_and_si256(load_last(row), load(tail_mask(row)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_last(row: &[i8]) -> __m256i {
    row.last_chunk().map_or_else(|| load(&padded(row)), |lanes| load(lanes))
}

/// As `load_tail`, of 32 codes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_bytes_tail(row: &[i8]) -> __m256i {
    _mm256_and_si256(load_bytes_last(row), load_bytes(tail_mask(row)))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_bytes_last(row: &[i8]) -> __m256i {
    row.last_chunk().map_or_else(|| load_bytes(&padded(row)), |lanes| load_bytes(lanes))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_products(sums: Sums, probe: __m256i, reference: __m256i) -> Sums {
    _mm256_add_epi32(sums, _mm256_madd_epi16(probe, reference))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn totals(sums: [Sums; PROBES]) -> [i32; PROBES] {
    let [a, b, c, d] = sums;
    let ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    let halves = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    let upper = _mm256_extracti128_si256::<1>(halves);
    let four = _mm_add_epi32(_mm256_castsi256_si128(halves), upper);
    let mut totals = [0; PROBES];
    // SAFETY: the array holds 16 writable bytes.
    unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast(), four) };
    totals
}

/// Ones for the codes of a row that fill no vector of `N`, zeros before them.
#[inline]
fn tail_mask<const N: usize>(row: &[i8]) -> &'static [i8; N] {
    static MASK: [i8; 2 * BYTES] = {
        let mut mask = [0; 2 * BYTES];
        let mut i = BYTES;
        while i < 2 * BYTES {
            mask[i] = -1;
            i += 1;
        }
        mask
    };
    MASK[BYTES - N + row.len() % N..].first_chunk().expect("a row's tail is shorter than N")
}

/// A row shorter than a vector, behind zeros.
#[cold]
fn padded<const N: usize>(row: &[i8]) -> [i8; N] {
    let mut padded = [0; N];
    padded[N - row.len()..].copy_from_slice(row);
    padded
}
