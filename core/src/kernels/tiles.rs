//! Probes times references: the walk that the block kernels of all instruction sets share.
//!
//! A tile of sums, four probes by a few references, stays in registers while the walk goes along
//! the rows: each vector that is loaded serves several products. The rows are read as they lie,
//! nothing is packed or transposed.

use super::prefetch::{LINE, prefetch};

/// Probes of a tile: as many sums as the `totals` of an instruction set adds up at once.
pub(in crate::kernels) const PROBES: usize = 4;

/// Defines `block` in terms of what stands in scope beside it:
///
/// - `Sums`, a vector of sums, and `LANES`, how many elements one vector takes,
/// - the loads named in the call: one vector, and a last one for the elements that fill none. The
///   latter gets the whole row. Where the probe's vector has a zero, the reference's may have
///   anything; the same elements are in the same lanes of both.
/// - `start(probe)`, the sums to begin with for each pair of this probe,
/// - `add_products(sums, probe, reference)`,
/// - `totals(sums)`: for each of four, its lanes added up.
macro_rules! tiles {
    (
        $features:literal, $element:ty => $sum:ty, $references:literal references,
        $probe:ident and $probe_tail:ident, $reference:ident and $reference_tail:ident
    ) => {
        use crate::kernels::tiles::{PROBES, lanes, prefetch_next, split};

        #[target_feature(enable = $features)]
        pub(super) fn block(
            probes: &[$element],
            references: &[$element],
            dimensions: usize,
            dots: &mut [$sum],
        ) {
            let columns = references.len() / dimensions;
            let strips = probes.chunks(PROBES * dimensions);
            let count = strips.len();
            let strips = strips.zip(dots.chunks_mut(PROBES * columns));
            for (i, (probes, dots)) in strips.enumerate() {
                prefetch_next(references, i, count);
                match probes.len() / dimensions {
                    1 => strip::<1>(probes, references, dimensions, dots),
                    2 => strip::<2>(probes, references, dimensions, dots),
                    3 => strip::<3>(probes, references, dimensions, dots),
                    _ => strip::<PROBES>(probes, references, dimensions, dots),
                }
            }
        }

        /// `P` probes with all references.
        #[target_feature(enable = $features)]
        fn strip<const P: usize>(
            probes: &[$element],
            references: &[$element],
            dimensions: usize,
            dots: &mut [$sum],
        ) {
            const REFERENCES: usize = $references;
            let probes: [_; P] = split(probes, dimensions);
            let mut starts = [start(&[]); PROBES];
            for i in 0..P {
                starts[i] = start(probes[i]);
            }
            let mut column = 0;
            // Each sum waits for itself: few probes need more references to have enough of them.
            if P == 1 {
                column =
                    tiles_from::<P, { 2 * REFERENCES }>(probes, references, starts, dots, column);
            } else if P == 2 {
                column =
                    tiles_from::<P, { REFERENCES + 1 }>(probes, references, starts, dots, column);
            }
            column = tiles_from::<P, REFERENCES>(probes, references, starts, dots, column);
            tiles_from::<P, 1>(probes, references, starts, dots, column);
        }

        /// As many tiles as fit in, from this column on; returns the next column.
        #[inline]
        #[target_feature(enable = $features)]
        fn tiles_from<const P: usize, const R: usize>(
            probes: [&[$element]; P],
            references: &[$element],
            starts: [Sums; PROBES],
            dots: &mut [$sum],
            mut column: usize,
        ) -> usize {
            let dimensions = probes[0].len();
            let columns = references.len() / dimensions;
            while column + R <= columns {
                let references = split(&references[column * dimensions..], dimensions);
                tile::<P, R>(probes, references, starts, &mut dots[column..], columns);
                column += R;
            }
            column
        }

        /// `P` probes with `R` references; each probe's dot products are `stride` apart.
        #[inline]
        #[target_feature(enable = $features)]
        fn tile<const P: usize, const R: usize>(
            probes: [&[$element]; P],
            references: [&[$element]; R],
            starts: [Sums; PROBES],
            dots: &mut [$sum],
            stride: usize,
        ) {
            let steps = probes[0].len() / LANES;
            let probe_lanes = lanes::<_, LANES, P>(probes, steps);
            let reference_lanes = lanes::<_, LANES, R>(references, steps);
            let mut sums = [starts; R];
            for step in 0..steps {
                let mut vectors = [$reference(&reference_lanes[0][step]); R];
                for j in 1..R {
                    vectors[j] = $reference(&reference_lanes[j][step]);
                }
                for i in 0..P {
                    let probe = $probe(&probe_lanes[i][step]);
                    for j in 0..R {
                        sums[j][i] = add_products(sums[j][i], probe, vectors[j]);
                    }
                }
            }
            if !probes[0].len().is_multiple_of(LANES) {
                for j in 0..R {
                    let reference = $reference_tail(references[j]);
                    for i in 0..P {
                        let probe = $probe_tail(probes[i]);
                        sums[j][i] = add_products(sums[j][i], probe, reference);
                    }
                }
            }
            for j in 0..R {
                let totals = totals(sums[j]);
                for i in 0..P {
                    dots[i * stride + j] = totals[i];
                }
            }
        }
    };
}
pub(in crate::kernels) use tiles;

/// The first `N` rows.
#[inline]
pub(in crate::kernels) fn split<T, const N: usize>(rows: &[T], dimensions: usize) -> [&[T]; N] {
    std::array::from_fn(|row| &rows[row * dimensions..][..dimensions])
}

/// The first `steps` vectors of each row: of one length, so that the compiler sees that no index is
/// out of range. Here, because a closure in a kernel would not be inlined.
#[inline]
pub(in crate::kernels) fn lanes<T, const LANES: usize, const N: usize>(
    rows: [&[T]; N],
    steps: usize,
) -> [&[[T; LANES]]; N] {
    rows.map(|row| &row.as_chunks::<LANES>().0[..steps])
}

/// Asks memory for what comes after these references, one of several parts of it: the next group,
/// while this one is compared. Beyond the end of the matrix it does nothing. Nor for a single part:
/// few probes are compared too soon, and would wait for so many requests at once.
#[inline]
pub(in crate::kernels) fn prefetch_next<T>(references: &[T], part: usize, parts: usize) {
    if parts == 1 {
        return;
    }
    let lines = size_of_val(references).div_ceil(LINE);
    for line in lines * part / parts..lines * (part + 1) / parts {
        prefetch(references.as_ptr_range().end.wrapping_byte_add(line * LINE));
    }
}
