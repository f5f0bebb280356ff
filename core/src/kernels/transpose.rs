//! Sixteen rows of sixteen words, exchanged with their columns, by AVX-512F.

use core::arch::x86_64::{
    __m512i, _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

/// As many as words of a vector.
const ROWS: usize = 16;

/// Two even quarters of one vector and two of another; two odd ones of each.
const EVEN: i32 = 0b10_00_10_00;
const ODD: i32 = 0b11_01_11_01;

/// The words of sixteen rows by their place: (16, 16) i32 with rows and columns exchanged.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transposed(rows: &[__m512i; ROWS]) -> [__m512i; ROWS] {
    let mut pairs = *rows;
    for i in (0..ROWS).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    // Quarter `q` of `fours[i + c]`: place 4 q + c of rows i to i + 3.
    let mut fours = pairs;
    for i in (0..ROWS).step_by(4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    let mut places = fours;
    for c in 0..4 {
        let (first, second) = ((fours[c], fours[4 + c]), (fours[8 + c], fours[12 + c]));
        let even = (quarters::<EVEN>(first), quarters::<EVEN>(second));
        let odd = (quarters::<ODD>(first), quarters::<ODD>(second));
        places[c] = quarters::<EVEN>(even);
        places[4 + c] = quarters::<EVEN>(odd);
        places[8 + c] = quarters::<ODD>(even);
        places[12 + c] = quarters::<ODD>(odd);
    }
    places
}

#[inline]
#[target_feature(enable = "avx512f")]
fn quarters<const WHICH: i32>((a, b): (__m512i, __m512i)) -> __m512i {
    _mm512_shuffle_i32x4::<WHICH>(a, b)
}
