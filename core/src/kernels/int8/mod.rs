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
        #[target_feature(enable = $features)]
        fn rows(probe: &[i8], references: &[i8], dots: &mut [i32], squares: &mut [i32]) {
            let start = start(probe);
            let groups = references.chunks(PROBES * probe.len());
            let results = dots.chunks_mut(PROBES).zip(squares.chunks_mut(PROBES));
            for (group, (dots, squares)) in groups.zip(results) {
                let mut dot_sums = [start; PROBES];
                let mut square_sums = [zero(); PROBES];
                for (i, row) in group.chunks_exact(probe.len()).enumerate() {
                    let (p, p_tail) = probe.as_chunks::<LANES>();
                    let (x, x_tail) = row.as_chunks::<LANES>();
                    let (mut dot, mut square) = (start, zero());
                    for (p, x) in p.iter().zip(x) {
                        dot = add_products(dot, $probe(p), $reference(x));
                        square = add_squares(square, $probe(x));
                    }
                    if !p_tail.is_empty() {
                        dot = add_products(dot, $probe_tail(p_tail), $reference_tail(x_tail));
                        square = add_squares(square, $probe_tail(x_tail));
                    }
                    (dot_sums[i], square_sums[i]) = (dot, square);
                }
                dots.copy_from_slice(&totals(dot_sums)[..dots.len()]);
                squares.copy_from_slice(&totals(square_sums)[..squares.len()]);
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use rows;
