//! Panels by AVX-512 VNNI. As in `avxvnni`, the references are raised by 128, which is taken off
//! exactly.

use core::arch::x86_64::{_mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_set1_epi32};

use super::{CODES, CodePanel, PANELS, ROWS, Words, interleave, load_inverses};
use crate::kernels::sixteen::write_scores;
use crate::kernels::tiles::{prefetch_next, split};
use crate::walk::Group;

/// Probes of a tile, whose sums with all panels stay in registers: 24 of 32.
const TILE: usize = 8;

/// Some probes, prepared.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// The codes of each, four a word, with zeros behind the last.
    words: Vec<i32>,
    /// What the raised references make too much of each of their sums, taken off beforehand.
    starts: Vec<i32>,
}

impl Probes {
    fn prepare(&mut self, rows: &[i8], dimensions: usize) {
        self.words.clear();
        self.starts.clear();
        for row in rows.chunks_exact(dimensions) {
            let (whole, tail) = row.as_chunks::<CODES>();
            self.words.extend(whole.iter().map(|codes| word(*codes)));
            if !tail.is_empty() {
                let mut codes = [0; CODES];
                codes[..tail.len()].copy_from_slice(tail);
                self.words.push(word(codes));
            }
            // The sums are modular, and this may be the one number of them that does not fit.
            let sum: i32 = row.iter().map(|code| i32::from(*code)).sum();
            self.starts.push(sum.wrapping_mul(-128));
        }
    }
}

fn word(codes: [i8; CODES]) -> i32 {
    i32::from_le_bytes(codes.map(i8::cast_unsigned))
}

/// As [`crate::kernels::int8::Scores`].
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(in crate::kernels::int8) fn scores(
    panel: &mut CodePanel,
    dimensions: usize,
    probes: &Group<i8>,
    references: &Group<i8>,
    scores: &mut [f32],
    stride: usize,
) {
    if panel.first != Some(probes.first) {
        panel.vnni.prepare(probes.rows, dimensions);
        panel.first = Some(probes.first);
    }
    let groups = references.rows.chunks(PANELS * ROWS * dimensions);
    let groups = groups.zip(references.inverse_norms.chunks(PANELS * ROWS));
    for (i, (rows, inverse_norms)) in groups.enumerate() {
        interleave::<true>(rows, dimensions, &mut panel.references);
        let group = Group { first: 0, rows, inverse_norms };
        let (all, panels) = (&panel.vnni, &panel.references[..]);
        let scores = &mut scores[i * PANELS * ROWS..];
        match inverse_norms.len().div_ceil(ROWS) {
            1 => tiles::<1>(all, probes.inverse_norms, panels, &group, scores, stride),
            2 => tiles::<2>(all, probes.inverse_norms, panels, &group, scores, stride),
            _ => tiles::<PANELS>(all, probes.inverse_norms, panels, &group, scores, stride),
        }
    }
}

/// All probes with the `G` panels of these references.
#[target_feature(enable = "avx512f,avx512vnni")]
fn tiles<const G: usize>(
    Probes { words, starts }: &Probes,
    probe_inverses: &[f32],
    panels: &[Words],
    references: &Group<i8>,
    scores: &mut [f32],
    stride: usize,
) {
    let count = starts.len();
    let (steps, parts) = (words.len() / count, count.div_ceil(TILE));
    let mut probe = 0;
    while probe < count {
        prefetch_next(references.rows, probe / TILE, parts);
        let words = &words[probe * steps..];
        let probes = (&starts[probe..], &probe_inverses[probe..]);
        let scores = &mut scores[probe * stride..];
        probe += match count - probe {
            TILE.. => {
                tile::<TILE, G>(words, probes, panels, references.inverse_norms, scores, stride)
            }
            4.. => tile::<4, G>(words, probes, panels, references.inverse_norms, scores, stride),
            2.. => tile::<2, G>(words, probes, panels, references.inverse_norms, scores, stride),
            _ => tile::<1, G>(words, probes, panels, references.inverse_norms, scores, stride),
        };
    }
}

/// `P` probes with `G` panels; returns `P`.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn tile<const P: usize, const G: usize>(
    words: &[i32],
    (starts, probe_inverses): (&[i32], &[f32]),
    panels: &[Words],
    inverse_norms: &[f32],
    scores: &mut [f32],
    stride: usize,
) -> usize {
    let steps = words.len() / starts.len();
    let words: [&[i32]; P] = split(words, steps);
    let panels: [&[Words]; G] = split(panels, panels.len() / G);
    let panels = panels.map(|panel| &panel.as_flattened()[..steps]);
    let mut sums = [[_mm512_set1_epi32(0); G]; P];
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
    let inverses = load_inverses(inverse_norms);
    for i in 0..P {
        let scores = &mut scores[i * stride..][..inverse_norms.len()];
        for (j, scores) in scores.chunks_mut(ROWS).enumerate() {
            write_scores(_mm512_cvtepi32_ps(sums[i][j]), probe_inverses[i], inverses[j], scores);
        }
    }
    P
}
