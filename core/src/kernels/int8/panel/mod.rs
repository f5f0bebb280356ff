//! Many probes times references, of codes.
//!
//! Sixteen references are interleaved to a panel, four codes of each at a time: the sums of sixteen
//! pairs stand in the lanes of one vector and need not be added up across them, which for a short
//! row takes longer than its products. The probes are prepared once for all references.

pub(super) mod amx;
pub(super) mod vnni;

use core::arch::x86_64::{__m512, __m512i, _mm512_setzero_ps, _mm512_setzero_si512};

use super::avx512vnni::{LANES, load, load_tail, raise};
use crate::kernels::sixteen::load_some;
use crate::kernels::transpose::transposed;

/// References of a panel: the lanes of a vector of sums.
const ROWS: usize = 16;

/// Codes that one lane multiplies and adds at once: a word.
const CODES: usize = 4;

const _: () = assert!(ROWS * CODES == LANES, "a vector of codes is a word of each row of a panel");

/// Panels whose sums stay in registers.
const PANELS: usize = 3;

/// The same 64 codes of the rows of a panel: a vector for each word.
type Words = [__m512i; LANES / CODES];

/// What a comparison keeps from one group of references to the next.
#[derive(Debug, Default)]
pub(crate) struct CodePanel {
    /// The first of the probes that are prepared.
    first: Option<usize>,
    /// The probes, as each instruction set wants them.
    vnni: vnni::Probes,
    amx: amx::Probes,
    /// Some references, interleaved.
    references: Vec<Words>,
}

/// The rows of up to [`PANELS`] panels, one panel after the other, with zeros behind the last code of
/// a row. `RAISED` by 128, where a multiplication takes unsigned bytes.
#[target_feature(enable = "avx512f,avx512bw")]
fn interleave<const RAISED: bool>(rows: &[i8], dimensions: usize, panels: &mut Vec<Words>) {
    let steps = dimensions.div_ceil(LANES);
    let count = (rows.len() / dimensions).div_ceil(ROWS);
    panels.resize(count * steps, [_mm512_setzero_si512(); _]);
    for (rows, panel) in rows.chunks(ROWS * dimensions).zip(panels.chunks_exact_mut(steps)) {
        for (step, words) in panel.iter_mut().enumerate() {
            let mut vectors = [_mm512_setzero_si512(); ROWS];
            for (i, vector) in vectors.iter_mut().enumerate() {
                // The lanes of rows that are not there repeat the last one, and nobody reads their sums.
                let first = (i * dimensions).min(rows.len() - dimensions);
                let (whole, _) = rows[first..][..dimensions].as_chunks();
                *vector = match whole.get(step) {
                    Some(codes) => load(codes),
                    None => load_tail(&rows[first..][..dimensions]),
                };
                if RAISED {
                    *vector = raise(*vector);
                }
            }
            *words = transposed(&vectors);
        }
    }
}

/// 1 / norm of the rows of up to [`PANELS`] panels of references; nothing is read of those that are not there.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_inverses(inverse_norms: &[f32]) -> [__m512; PANELS] {
    let mut inverses = [_mm512_setzero_ps(); PANELS];
    for (inverses, norms) in inverses.iter_mut().zip(inverse_norms.chunks(ROWS)) {
        *inverses = load_some(norms);
    }
    inverses
}
