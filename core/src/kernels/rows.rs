//! One probe with many rows: what the row kernels of all instruction sets share.
//!
//! They read the rows one after the other, a single stream, but finish four at a time.

use super::tiles::{PROBES, split};

/// Four rows, and the places of their results.
type Four<'a, T, A, B> = ([&'a [T]; PROBES], &'a mut [A; PROBES], &'a mut [B; PROBES]);

/// One row, and the places of its results.
type One<'a, T, A, B> = (&'a [T], &'a mut A, &'a mut B);

/// The rows by fours, then those left over. `a` and `b` have a place for each row.
#[inline]
pub(in crate::kernels) fn by_fours<'a, T, A, B>(
    rows: &'a [T],
    dimensions: usize,
    a: &'a mut [A],
    b: &'a mut [B],
) -> (impl Iterator<Item = Four<'a, T, A, B>>, impl Iterator<Item = One<'a, T, A, B>>) {
    let (a, last_a) = a.as_chunks_mut::<PROBES>();
    let (b, last_b) = b.as_chunks_mut::<PROBES>();
    let (fours, last) = rows.split_at(a.len() * PROBES * dimensions);
    let fours = fours.chunks_exact(PROBES * dimensions).zip(a.iter_mut().zip(b));
    let last = last.chunks_exact(dimensions).zip(last_a.iter_mut().zip(last_b));
    (
        fours.map(move |(rows, (a, b))| (split(rows, dimensions), a, b)),
        last.map(|(row, (a, b))| (row, a, b)),
    )
}

/// Four scores at once: one root and one division of vectors.
#[inline]
pub(in crate::kernels) fn to_scores(
    dots: [f64; PROBES],
    squares: [f64; PROBES],
    probe_inverse: f64,
) -> [f32; PROBES] {
    std::array::from_fn(|i| super::to_score(dots[i], squares[i], probe_inverse))
}

/// Defines `rows` of f32 in terms of `few_rows(probe, inverse_norm, rows)`: scores and sums of squares
/// of up to four rows.
macro_rules! rows {
    ($features:literal) => {
        use crate::kernels::rows::by_fours;

        #[target_feature(enable = $features)]
        fn rows(
            probe: &[f32],
            inverse_norm: f64,
            references: &[f32],
            scores: &mut [f32],
            squares: &mut [f64],
        ) {
            let (fours, rest) = by_fours(references, probe.len(), scores, squares);
            for (rows, scores, squares) in fours {
                (*scores, *squares) = few_rows(probe, inverse_norm, rows);
            }
            for (row, score, square) in rest {
                let (scores, squares) = few_rows(probe, inverse_norm, [row]);
                (*score, *square) = (scores[0], squares[0]);
            }
        }
    };
}
pub(in crate::kernels) use rows;
