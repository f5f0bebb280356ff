//! Up to sixteen f32 at a time by AVX-512F, under a mask where there are fewer.

use core::arch::x86_64::{
    __m512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_set1_ps,
};

/// Elements of a vector.
const LANES: usize = 16;

/// Up to sixteen elements, the other lanes zero.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_some(elements: &[f32]) -> __m512 {
    // SAFETY: the mask reads only the elements that the slice has.
    unsafe { _mm512_maskz_loadu_ps(mask(elements), elements.as_ptr()) }
}

/// Writes the scores of a probe with up to sixteen references.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn write_scores(dots: __m512, probe_inverse: f32, inverses: __m512, scores: &mut [f32]) {
    // As `to_score`.
    let scaled = _mm512_mul_ps(dots, _mm512_set1_ps(probe_inverse));
    let scaled = _mm512_mul_ps(scaled, inverses);
    let least = _mm512_max_ps(scaled, _mm512_set1_ps(-1.0));
    let score = _mm512_min_ps(least, _mm512_set1_ps(1.0));
    // SAFETY: the mask writes only the elements that the slice has.
    unsafe { _mm512_mask_storeu_ps(scores.as_mut_ptr(), mask(scores), score) };
}

/// A bit for each of up to sixteen elements.
#[inline]
fn mask(elements: &[f32]) -> u16 {
    debug_assert!((1..=LANES).contains(&elements.len()));
    u16::MAX >> (LANES - elements.len())
}
