//! AVX-VNNI: 32 codes a vector. The instruction multiplies unsigned by signed bytes, so 128 is
//! added to each code of a reference and 128 times the sum of the probe's codes is taken off:
//! i32 arithmetic is modular, and the result, which fits, is exact.

use core::arch::x86_64::{
    __m256i, _mm256_dpbusd_avx_epi32, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_sub_epi32,
    _mm256_xor_si256,
};

use super::avx2::{load_bytes as load, load_bytes_last, load_bytes_tail as load_tail, totals};
use super::{Int8Kernels, rows};
use crate::kernels::tiles::tiles;

pub(in crate::kernels) const KERNELS: Int8Kernels = Int8Kernels { rows, block, panel: None };

const LANES: usize = 32;
type Lanes = [i8; LANES];
type Sums = __m256i;

rows! { "avx2,avxvnni", load and load_tail, load_raised and load_raised_tail }
tiles! {
    "avx2,avxvnni", i8 => i32, 3 references, load and load_tail, load_raised and load_raised_tail
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero() -> Sums {
    _mm256_setzero_si256()
}

/// What the raised references make too much, taken off beforehand.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn start(probe: &[i8]) -> Sums {
    let (lanes, tail) = probe.as_chunks::<LANES>();
    let mut excess = zero();
    for lanes in lanes {
        excess = _mm256_dpbusd_avx_epi32(excess, raise(zero()), load(lanes));
    }
    if !tail.is_empty() {
        excess = _mm256_dpbusd_avx_epi32(excess, raise(zero()), load_tail(probe));
    }
    _mm256_sub_epi32(zero(), excess)
}

/// Each code plus 128, an unsigned byte.
#[inline]
#[target_feature(enable = "avx2")]
fn raise(codes: __m256i) -> __m256i {
    _mm256_xor_si256(codes, _mm256_set1_epi8(i8::MIN))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_raised(lanes: &Lanes) -> __m256i {
    raise(load(lanes))
}

/// What the vectors before have had meets a zero of the probe.
#[inline]
#[target_feature(enable = "avx2")]
fn load_raised_tail(row: &[i8]) -> __m256i {
    raise(load_bytes_last(row))
}

#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn add_products(sums: Sums, probe: __m256i, reference: __m256i) -> Sums {
    _mm256_dpbusd_avx_epi32(sums, reference, probe)
}

#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn add_squares(sums: Sums, row: __m256i) -> Sums {
    let excess = _mm256_dpbusd_avx_epi32(zero(), raise(zero()), row);
    _mm256_sub_epi32(_mm256_dpbusd_avx_epi32(sums, raise(row), row), excess)
}
