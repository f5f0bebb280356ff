//! AVX-512 VNNI: 64 codes a vector, raised by 128 as in `avxvnni`; the last, partial vector is
//! loaded under a mask.

use core::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm512_castsi512_si256, _mm512_dpbusd_epi32,
    _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_sub_epi32, _mm512_xor_si512,
};

use super::{Int8Kernels, avx2, panel, rows};
use crate::kernels::tiles::tiles;

pub(in crate::kernels) const KERNELS: Int8Kernels =
    Int8Kernels { rows, block, panel: Some(panel::vnni::scores) };

/// The same, but for panels.
pub(in crate::kernels) const WITH_AMX: Int8Kernels =
    Int8Kernels { panel: Some(panel::amx::scores), ..KERNELS };

pub(super) const LANES: usize = 64;
type Lanes = [i8; LANES];
type Sums = __m512i;

rows! {
    "avx512f,avx512bw,avx512vnni,avx2", load and load_tail, load_raised and load_raised_tail
}
tiles! {
    "avx512f,avx512bw,avx512vnni,avx2", i8 => i32, 6 references,
    load and load_tail, load_raised and load_raised_tail
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> Sums {
    _mm512_setzero_si512()
}

/// What the raised references make too much, taken off beforehand.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn start(probe: &[i8]) -> Sums {
    let (lanes, tail) = probe.as_chunks::<LANES>();
    let mut excess = zero();
    for lanes in lanes {
        excess = _mm512_dpbusd_epi32(excess, raise(zero()), load(lanes));
    }
    if !tail.is_empty() {
        excess = _mm512_dpbusd_epi32(excess, raise(zero()), load_tail(probe));
    }
    _mm512_sub_epi32(zero(), excess)
}

/// Each code plus 128, an unsigned byte.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn raise(codes: __m512i) -> __m512i {
    _mm512_xor_si512(codes, _mm512_set1_epi8(i8::MIN))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(lanes: &Lanes) -> __m512i {
    // SAFETY: the array reference grants 64 readable bytes.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn load_tail(row: &[i8]) -> __m512i {
    let tail = row.as_chunks::<LANES>().1;
    // SAFETY: the mask reads only the bytes that the slice has.
    unsafe { _mm512_maskz_loadu_epi8((1 << tail.len()) - 1, tail.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_raised(lanes: &Lanes) -> __m512i {
    raise(load(lanes))
}

/// The lanes beyond the tail are 128, and meet a zero of the probe.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_raised_tail(row: &[i8]) -> __m512i {
    raise(load_tail(row))
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_products(sums: Sums, probe: __m512i, reference: __m512i) -> Sums {
    _mm512_dpbusd_epi32(sums, reference, probe)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_squares(sums: Sums, row: __m512i) -> Sums {
    let excess = _mm512_dpbusd_epi32(zero(), raise(zero()), row);
    _mm512_sub_epi32(_mm512_dpbusd_epi32(sums, raise(row), row), excess)
}

#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn totals(sums: [Sums; PROBES]) -> [i32; PROBES] {
    avx2::totals([fold(sums[0]), fold(sums[1]), fold(sums[2]), fold(sums[3])])
}

/// The upper half added to the lower one.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn fold(sums: Sums) -> __m256i {
    _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums))
}
