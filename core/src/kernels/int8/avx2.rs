//! AVX2: 16 codes widened to i16, whose products are added in pairs to 8 lanes of i32. No pair of
//! products, at most 2^15, saturates.

use core::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256, _mm256_hadd_epi32,
    _mm256_madd_epi16, _mm256_setzero_si256,
};

use super::{Int8Kernels, rows};
use crate::kernels::tiles::tiles;

pub(in crate::kernels) const KERNELS: Int8Kernels = Int8Kernels { rows, block };

const LANES: usize = 16;
type Lanes = [i8; LANES];
type Sums = __m256i;

rows! { "avx2", load and load_tail, load and load_tail }
tiles! { "avx2", i8 => i32, 2 references, load and load_tail, load and load_tail }

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

#[inline]
#[target_feature(enable = "avx2")]
fn load_tail(tail: &[i8]) -> __m256i {
    let mut padded = [0; LANES];
    padded[..tail.len()].copy_from_slice(tail);
    load(&padded)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_products(sums: Sums, probe: __m256i, reference: __m256i) -> Sums {
    _mm256_add_epi32(sums, _mm256_madd_epi16(probe, reference))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_squares(sums: Sums, row: __m256i) -> Sums {
    add_products(sums, row, row)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn totals(sums: [Sums; PROBES]) -> [i32; PROBES] {
    let [a, b, c, d] = sums;
    let halves = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let upper = _mm256_extracti128_si256::<1>(halves);
    let four = _mm_add_epi32(_mm256_castsi256_si128(halves), upper);
    let mut totals = [0; PROBES];
    // SAFETY: the array holds 16 writable bytes.
    unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast(), four) };
    totals
}
