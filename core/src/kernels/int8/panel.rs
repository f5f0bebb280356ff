//! Blocks of several probes by AVX-512 VNNI.
//!
//! Sixteen references are interleaved to a panel, four codes of each at a time: their sums stand in
//! the lanes of one vector and need not be added up across them, which for a short row takes longer
//! than its products. As in `avxvnni`, the references are raised by 128, which is taken off exactly.

use core::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_mask_storeu_epi32, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::avx512vnni::{LANES, load_raised, load_raised_tail};
use crate::kernels::tiles::{prefetch_next, split};
use crate::kernels::transpose::transposed;

/// References of a panel: the lanes of a vector of sums.
const ROWS: usize = 16;

/// Codes that one lane multiplies and adds at once: a word.
const CODES: usize = 4;

const _: () = assert!(ROWS * CODES == LANES, "a vector of codes is a word of each row of a panel");

/// Probes and panels whose sums stay in registers: 24 of 32.
const PROBES: usize = 8;
const PANELS: usize = 3;

/// As [`super::Block`]. Interleaving pays for itself from four probes on.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn block(probes: &[i8], references: &[i8], dimensions: usize, dots: &mut [i32]) {
    let columns = references.len() / dimensions;
    let steps = dimensions.div_ceil(CODES);
    let words = words(probes, dimensions, steps);
    let starts: Vec<i32> = probes.chunks_exact(dimensions).map(excess).collect();
    let mut panels = Vec::with_capacity(PANELS * steps);
    for (i, group) in references.chunks(PANELS * ROWS * dimensions).enumerate() {
        panels.clear();
        for rows in group.chunks(ROWS * dimensions) {
            interleave(rows, dimensions, &mut panels);
        }
        let to = Columns { first: i * PANELS * ROWS, count: group.len() / dimensions, of: columns };
        match panels.len() / steps {
            1 => strips::<1>(&words, &starts, &panels, group, dots, &to),
            2 => strips::<2>(&words, &starts, &panels, group, dots, &to),
            _ => strips::<PANELS>(&words, &starts, &panels, group, dots, &to),
        }
    }
}

/// Where the sums of a group of references belong.
struct Columns {
    first: usize,
    count: usize,
    of: usize,
}

/// The codes of each probe, four a word, with zeros behind the last.
fn words(probes: &[i8], dimensions: usize, steps: usize) -> Vec<i32> {
    let mut words = Vec::with_capacity(probes.len() / dimensions * steps);
    for probe in probes.chunks_exact(dimensions) {
        let (whole, tail) = probe.as_chunks::<CODES>();
        words.extend(whole.iter().map(|codes| i32::from_le_bytes(codes.map(i8::cast_unsigned))));
        if !tail.is_empty() {
            let mut codes = [0; CODES];
            codes[..tail.len()].copy_from_slice(tail);
            words.push(i32::from_le_bytes(codes.map(i8::cast_unsigned)));
        }
    }
    words
}

/// What the raised references make too much.
fn excess(probe: &[i8]) -> i32 {
    // The sums are modular, and this may be the one number of them that does not fit.
    probe.iter().map(|code| i32::from(*code)).sum::<i32>().wrapping_mul(-128)
}

/// Appends up to sixteen rows to the panels, a vector for each word of a row.
#[target_feature(enable = "avx512f,avx512bw")]
fn interleave(rows: &[i8], dimensions: usize, panels: &mut Vec<__m512i>) {
    let last = rows.len() / dimensions - 1;
    // The lanes of rows that are not there repeat the last one, and nobody reads their sums.
    let rows: [&[i8]; ROWS] = split_to(rows, dimensions, last);
    for step in 0..dimensions / LANES {
        let mut vectors = [_mm512_setzero_si512(); ROWS];
        for i in 0..ROWS {
            vectors[i] = load_raised(&rows[i].as_chunks().0[step]);
        }
        panels.extend_from_slice(&transposed(&vectors));
    }
    let left = dimensions % LANES;
    if left > 0 {
        let mut vectors = [_mm512_setzero_si512(); ROWS];
        for i in 0..ROWS {
            vectors[i] = load_raised_tail(rows[i]);
        }
        panels.extend_from_slice(&transposed(&vectors)[..left.div_ceil(CODES)]);
    }
}

fn split_to(rows: &[i8], dimensions: usize, last: usize) -> [&[i8]; ROWS] {
    std::array::from_fn(|row| &rows[row.min(last) * dimensions..][..dimensions])
}

/// All probes with `G` panels.
#[target_feature(enable = "avx512f,avx512vnni")]
fn strips<const G: usize>(
    words: &[i32],
    starts: &[i32],
    panels: &[__m512i],
    group: &[i8],
    dots: &mut [i32],
    to: &Columns,
) {
    let steps = panels.len() / G;
    let parts = starts.len().div_ceil(PROBES);
    let mut probe = 0;
    while probe < starts.len() {
        prefetch_next(group, probe / PROBES, parts);
        let (words, starts) = (&words[probe * steps..], &starts[probe..]);
        let dots = &mut dots[probe * to.of + to.first..];
        probe += match starts.len() {
            PROBES.. => tile::<PROBES, G>(words, starts, panels, dots, to),
            4.. => tile::<4, G>(words, starts, panels, dots, to),
            _ => tile::<1, G>(words, starts, panels, dots, to),
        };
    }
}

/// `P` probes with `G` panels; returns `P`.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn tile<const P: usize, const G: usize>(
    words: &[i32],
    starts: &[i32],
    panels: &[__m512i],
    dots: &mut [i32],
    to: &Columns,
) -> usize {
    let steps = panels.len() / G;
    let words: [&[i32]; P] = split(words, steps);
    let panels: [&[__m512i]; G] = split(panels, steps);
    let mut sums = [[_mm512_setzero_si512(); G]; P];
    for i in 0..P {
        sums[i] = [_mm512_set1_epi32(starts[i]); G];
    }
    for step in 0..steps {
        for i in 0..P {
            let word = _mm512_set1_epi32(words[i][step]);
            for j in 0..G {
                sums[i][j] = _mm512_dpbusd_epi32(sums[i][j], panels[j][step], word);
            }
        }
    }
    for i in 0..P {
        let (whole, tail) = dots[i * to.of..][..to.count].as_chunks_mut::<ROWS>();
        for (dots, sums) in whole.iter_mut().zip(sums[i]) {
            // SAFETY: the array reference grants 16 writable i32.
            unsafe { _mm512_storeu_si512(dots.as_mut_ptr().cast(), sums) };
        }
        if !tail.is_empty() {
            let mask = (1 << tail.len()) - 1;
            // SAFETY: the mask writes only the elements that the slice has.
            unsafe { _mm512_mask_storeu_epi32(tail.as_mut_ptr(), mask, sums[i][G - 1]) };
        }
    }
    P
}
