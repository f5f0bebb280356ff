//! Kernels on int8 codes. Sums are i32 and exact, whatever the codes and the order of the sum.

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

/// The longest row whose sums fit into i32: each product is at most 2^14, that of -128 and -128.
pub const MAX_CODES: usize = (1 << 17) - 1;

/// Probe, references; for each row its dot product and its sum of squares.
type Rows = unsafe fn(&[i8], &[i8], &mut [i32], &mut [i32]);

/// Probes, references, length of a row; the dot products of the first probe, of the second...
type Block = unsafe fn(&[i8], &[i8], usize, &mut [i32]);

/// The int8 kernels of one instruction set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Int8Kernels {
    pub(super) rows: Rows,
    pub(super) block: Block,
}

/// Defines `rows` in terms of what `tiles!` needs and `add_squares(sums, row)`. The rows are read
/// one after the other, but four of them add up their lanes together.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! rows {
    (
        $features:literal,
        $probe:ident and $probe_tail:ident, $reference:ident and $reference_tail:ident
    ) => {
        use crate::kernels::prefetch::{prefetch, prefetch_first};
        use crate::kernels::rows::by_fours;

        /// How far `rows` asks memory ahead, for the second cache and for the first one: the processor's own
        /// prefetching stops at each page, and the sums leave it too little time.
        const BYTES_AHEAD: usize = 4096;
        const BYTES_NEXT: usize = 1024;

        #[target_feature(enable = $features)]
        fn rows(probe: &[i8], references: &[i8], dots: &mut [i32], squares: &mut [i32]) {
            let start = start(probe);
            let (fours, rest) = by_fours(references, probe.len(), dots, squares);
            for (rows, dots, squares) in fours {
                (*dots, *squares) = few_rows(start, probe, rows);
            }
            for (row, dot, square) in rest {
                let (dots, squares) = few_rows(start, probe, [row]);
                (*dot, *square) = (dots[0], squares[0]);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn few_rows<const R: usize>(
            start: Sums,
            probe: &[i8],
            rows: [&[i8]; R],
        ) -> ([i32; PROBES], [i32; PROBES]) {
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
            (totals(dots), totals(squares))
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use rows;
