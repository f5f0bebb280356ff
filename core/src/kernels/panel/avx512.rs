//! Panels by AVX-512F: tiles of 64 probes by 6 references, whose sums stay in 24 of 32 registers.
//!
//! Sums are to the bit those of the tiles of AVX2, which serve few probes: the products are added up
//! in the same order, as if in eight lanes that are added up at the end.

use core::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_fmadd_ps,
    _mm512_load_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_store_ps,
};

use super::{Line, PROBES, Panel};
use crate::kernels::prefetch::{LINE, prefetch};
use crate::kernels::sixteen::{load_some, write_scores};
use crate::kernels::tiles::{lanes, split};
use crate::kernels::transpose::transposed;
use crate::walk::{Group, REFERENCES};

/// Strips and references of a tile.
const STRIPS: usize = 4;
const TILE: usize = 6;

/// Lanes of AVX2, in the order in which its `totals` adds them up: the first two, the next two, both
/// sums, and so on.
const LANES: usize = 8;
const ORDER: [usize; LANES] = [0, 2, 1, 3, 4, 6, 5, 7];

const ZERO: Line = Line([0.0; PROBES]);

/// As [`super::Scores`].
#[target_feature(enable = "avx512f")]
pub(in crate::kernels) fn scores(
    panel: &mut Panel,
    dimensions: usize,
    probes: &Group<f32>,
    references: &Group<f32>,
    scores: &mut [f32],
    stride: usize,
) {
    if panel.first != Some(probes.first) {
        pack(panel, probes.rows, dimensions);
        panel.first = Some(probes.first);
    }
    let groups = references.rows.chunks(REFERENCES * dimensions);
    let groups = groups.zip(references.inverse_norms.chunks(REFERENCES));
    for (i, (rows, inverse_norms)) in groups.enumerate() {
        let strips = panel.lines.chunks(STRIPS * dimensions);
        for (lines, sums) in strips.zip(panel.sums.chunks_mut(STRIPS * REFERENCES)) {
            match lines.len() / dimensions {
                1 => tiles::<1>(lines, rows, dimensions, sums),
                2 => tiles::<2>(lines, rows, dimensions, sums),
                3 => tiles::<3>(lines, rows, dimensions, sums),
                _ => tiles::<STRIPS>(lines, rows, dimensions, sums),
            }
        }
        let scores = &mut scores[i * REFERENCES..];
        finish(&panel.sums, probes.inverse_norms, inverse_norms, scores, stride);
    }
}

/// Takes these probes instead of those before. The lanes behind the last probe hold zeros.
fn pack(panel: &mut Panel, probes: &[f32], dimensions: usize) {
    let strips = (probes.len() / dimensions).div_ceil(PROBES);
    panel.sums.resize(strips * REFERENCES, ZERO);
    panel.lines.clear();
    panel.lines.resize(strips * dimensions, ZERO);
    let strips = panel.lines.chunks_exact_mut(dimensions);
    for (lines, probes) in strips.zip(probes.chunks(PROBES * dimensions)) {
        let order = ORDER.into_iter().flat_map(|lane| (lane..dimensions).step_by(LANES));
        for (line, dimension) in lines.iter_mut().zip(order) {
            for (x, probe) in line.0.iter_mut().zip(probes.chunks_exact(dimensions)) {
                *x = probe[dimension];
            }
        }
    }
}

/// The sums of `S` strips with all references.
#[target_feature(enable = "avx512f")]
fn tiles<const S: usize>(lines: &[Line], references: &[f32], dimensions: usize, sums: &mut [Line]) {
    let lines: [_; S] = split(lines, dimensions);
    for (i, rows) in references.chunks(TILE * dimensions).enumerate() {
        let sums = &mut sums[i * TILE..];
        match rows.len() / dimensions {
            1 => tile::<S, 1>(lines, split(rows, dimensions), sums),
            2 => tile::<S, 2>(lines, split(rows, dimensions), sums),
            3 => tile::<S, 3>(lines, split(rows, dimensions), sums),
            4 => tile::<S, 4>(lines, split(rows, dimensions), sums),
            5 => tile::<S, 5>(lines, split(rows, dimensions), sums),
            _ => tile::<S, TILE>(lines, split(rows, dimensions), sums),
        }
    }
}

/// The sums of `S` strips with `R` references.
#[inline]
#[target_feature(enable = "avx512f")]
fn tile<const S: usize, const R: usize>(
    mut lines: [&[Line]; S],
    references: [&[f32]; R],
    to: &mut [Line],
) {
    let dimensions = references[0].len();
    let steps = dimensions / LANES;
    let rows = lanes::<_, LANES, R>(references, steps);
    // Those of lanes that wait for their partner.
    let mut waiting = [[[_mm512_setzero_ps(); S]; R]; LANES.ilog2() as usize + 1];
    let mut depth = 0;
    for (turn, lane) in ORDER.into_iter().enumerate() {
        prefetch_next(references, turn);
        let mut sums = [[_mm512_setzero_ps(); S]; R];
        let (now, tail);
        (now, lines) = take(lines, steps);
        for step in 0..steps {
            let mut probes = [_mm512_setzero_ps(); S];
            for s in 0..S {
                probes[s] = load(&now[s][step]);
            }
            for r in 0..R {
                let element = _mm512_set1_ps(rows[r][step][lane]);
                for s in 0..S {
                    sums[r][s] = _mm512_fmadd_ps(probes[s], element, sums[r][s]);
                }
            }
        }
        if lane < dimensions % LANES {
            (tail, lines) = take(lines, 1);
            for r in 0..R {
                let element = _mm512_set1_ps(references[r][steps * LANES + lane]);
                for s in 0..S {
                    sums[r][s] = _mm512_fmadd_ps(load(&tail[s][0]), element, sums[r][s]);
                }
            }
        }
        for _ in 0..turn.trailing_ones() {
            depth -= 1;
            for r in 0..R {
                for s in 0..S {
                    sums[r][s] = _mm512_add_ps(waiting[depth][r][s], sums[r][s]);
                }
            }
        }
        waiting[depth] = sums;
        depth += 1;
    }
    for s in 0..S {
        for (r, to) in to[s * REFERENCES..][..R].iter_mut().enumerate() {
            store(to, waiting[0][r][s]);
        }
    }
}

/// The first lines of each strip, and the others.
#[inline]
fn take<const S: usize>(lines: [&[Line]; S], count: usize) -> ([&[Line]; S], [&[Line]; S]) {
    (lines.map(|lines| &lines[..count]), lines.map(|lines| &lines[count..]))
}

/// Asks memory for a part of what comes after these references, if they are one of a whole group.
#[inline]
fn prefetch_next<const R: usize>(references: [&[f32]; R], part: usize) {
    let bytes = size_of_val(references[0]);
    let lines = bytes.div_ceil(LINE);
    for line in lines * part / LANES..lines * (part + 1) / LANES {
        for row in references {
            prefetch(row.as_ptr().wrapping_byte_add(REFERENCES * bytes + line * LINE));
        }
    }
}

/// Makes scores of sums.
#[target_feature(enable = "avx512f")]
fn finish(
    sums: &[Line],
    probe_inverses: &[f32],
    inverse_norms: &[f32],
    scores: &mut [f32],
    stride: usize,
) {
    let strips = sums.chunks_exact(REFERENCES).zip(probe_inverses.chunks(PROBES));
    for (strip, (sums, probe_inverses)) in strips.enumerate() {
        let references = sums.chunks_exact(PROBES).zip(inverse_norms.chunks(PROBES));
        for (part, (sums, inverse_norms)) in references.enumerate() {
            let inverses = load_some(inverse_norms);
            let mut rows = [_mm512_castps_si512(inverses); PROBES];
            for (row, sums) in rows.iter_mut().zip(sums) {
                *row = _mm512_castps_si512(load(sums));
            }
            let columns = transposed(&rows);
            for (i, probe_inverse) in probe_inverses.iter().enumerate() {
                let first = (strip * PROBES + i) * stride + part * PROBES;
                let to = &mut scores[first..first + inverse_norms.len()];
                write_scores(_mm512_castsi512_ps(columns[i]), *probe_inverse, inverses, to);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &Line) -> __m512 {
    // SAFETY: the reference grants 16 readable f32, aligned to their size.
    unsafe { _mm512_load_ps(line.0.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(line: &mut Line, vector: __m512) {
    // SAFETY: the reference grants 16 writable f32, aligned to their size.
    unsafe { _mm512_store_ps(line.0.as_mut_ptr(), vector) };
}
