//! Kernels on int8 codes. Sums are i32 and exact, whatever the codes and the order of the sum.

use crate::walk::{Group, to_score};

pub(super) mod scalar;

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512vnni;
#[cfg(target_arch = "x86_64")]
pub(super) mod avxvnni;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
#[cfg(target_arch = "x86_64")]
mod panel;

#[cfg(target_arch = "x86_64")]
pub(crate) use panel::CodePanel;
#[cfg(target_arch = "x86_64")]
pub(super) use panel::amx::available as has_amx;
/// No kernel of this architecture has one.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Debug, Default)]
pub(crate) struct CodePanel;

/// The longest row whose sums fit into i32: each product is at most 2^14, that of -128 and -128.
pub const MAX_CODES: usize = (1 << 17) - 1;

/// Probe, 1 / its norm, references; for each row its score and its sum of squares.
type Rows = unsafe fn(&[i8], f32, &[i8], &mut [f32], &mut [i32]);

/// Probes, references, length of a row; the dot products of the first probe, of the second...
type Block = unsafe fn(&[i8], &[i8], usize, &mut [i32]);

/// Panel, length of a row, probes, references; the scores of each probe, so many after those of the
/// one before.
type Scores = unsafe fn(&mut CodePanel, usize, &Group<i8>, &Group<i8>, &mut [f32], usize);

/// Probes for which interleaving the references pays.
pub(crate) const SEVERAL: usize = 4;

/// The int8 kernels of one instruction set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Int8Kernels {
    pub(super) rows: Rows,
    pub(super) block: Block,
    pub(super) panel: Option<Scores>,
}

/// The scores of rows from their sums.
#[inline]
fn to_scores<const N: usize>(dots: [i32; N], squares: [i32; N], inverse_norm: f32) -> [f32; N] {
    std::array::from_fn(|i| {
        to_score(dots[i] as f32, inverse_norm, 1.0 / (squares[i] as f32).sqrt())
    })
}

/// Defines `rows` in terms of what `tiles!` needs and `add_squares(sums, row)`. The rows are read
/// one after the other, but four of them add up their lanes together.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! rows {
    (
        $features:literal,
        $probe:ident and $probe_tail:ident, $reference:ident and $reference_tail:ident
    ) => {
        use crate::kernels::int8::to_scores;
        use crate::kernels::prefetch::{prefetch, prefetch_first};
        use crate::kernels::rows::by_fours;

        /// How far `rows` asks memory ahead, for the second cache and for the first one: the processor's own
        /// prefetching stops at each page, and the sums leave it too little time.
        const BYTES_AHEAD: usize = 4096;
        const BYTES_NEXT: usize = 1024;

        #[target_feature(enable = $features)]
        fn rows(
            probe: &[i8],
            inverse_norm: f32,
            references: &[i8],
            scores: &mut [f32],
            squares: &mut [i32],
        ) {
            let start = start(probe);
            let (fours, rest) = by_fours(references, probe.len(), scores, squares);
            for (rows, scores, squares) in fours {
                (*scores, *squares) = few_rows(start, probe, inverse_norm, rows);
            }
            for (row, score, square) in rest {
                let (scores, squares) = few_rows(start, probe, inverse_norm, [row]);
                (*score, *square) = (scores[0], squares[0]);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn few_rows<const R: usize>(
            start: Sums,
            probe: &[i8],
            inverse_norm: f32,
            rows: [&[i8]; R],
        ) -> ([f32; PROBES], [i32; PROBES]) {
            let (mut dots, mut squares) = ([zero(); PROBES], [zero(); PROBES]);
            let (p, p_tail) = probe.as_chunks::<LANES>();
            for i in 0..R {
                let x = rows[i].as_chunks::<LANES>().0;
                let (mut dot, mut square) = (start, zero());
                for (p, x) in p.iter().zip(x) {
                    prefetch(x.as_ptr().wrapping_byte_add(BYTES_AHEAD));
                    prefetch_first(x.as_ptr().wrapping_byte_add(BYTES_NEXT));
                    dot = add_products(dot, $probe(p), $reference(x));
                    square = add_squares(square, $probe(x));
                }
                if !p_tail.is_empty() {
                    dot = add_products(dot, $probe_tail(probe), $reference_tail(rows[i]));
                    square = add_squares(square, $probe_tail(rows[i]));
                }
                (dots[i], squares[i]) = (dot, square);
            }
            let squares = totals(squares);
            (to_scores(totals(dots), squares, inverse_norm), squares)
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use rows;
