//! Search on every instruction set: what `cosine_block` and a sort would find.

#![allow(clippy::float_cmp, reason = "search returns the scores of the blocks, to the bit")]

mod support;

use govid_core::{
    CoreError, Kernels, Nearest, Operand, Pairs, above, above_int8, cosine_block,
    cosine_block_int8, nearest, nearest_int8, quantize_rows,
};
use proptest::prelude::*;
use support::{LENGTHS, every_isa, integers, ramp, scalar};

/// The tests of the blocks hug the vectors; here the counts matter more.
fn lengths() -> impl Iterator<Item = usize> {
    LENGTHS.into_iter().skip(1).step_by(4)
}

/// They hug the groups: 64 probes; 48 references, 128 for one probe; and the 16 scores that are
/// compared at once.
const COUNTS: [(usize, usize); 12] = [
    (0, 3),
    (3, 0),
    (1, 1),
    (1, 127),
    (1, 129),
    (2, 15),
    (2, 17),
    (4, 47),
    (5, 49),
    (64, 48),
    (65, 31),
    (66, 97),
];

every_isa! {
    nearest_is_a_sorted_block,
    above_is_a_filtered_block,
    equal_scores_come_in_the_order_of_the_rows,
    integers_find_what_scalar_finds,
    rows_apart_are_found,
    thresholds_are_compared_in_f64,
    too_many_pairs_are_refused,
    culprits_are_named,
    random_searches_are_sorted_blocks,
}

type Found = (Vec<i64>, Vec<f32>);
type Result<T> = std::result::Result<T, CoreError>;

/// Either type of rows, so that each property is stated once.
trait Rows: Sized {
    fn make(values: &[f32], dimensions: usize) -> Vec<Self>;
    fn scores(kernels: &Kernels, d: usize, p: &[Self], r: &[Self], out: &mut [f32]) -> Result<()>;
    fn nearest(
        kernels: &Kernels,
        d: usize,
        p: &[Self],
        r: &[Self],
        k: usize,
        t: f64,
        out: Nearest,
    ) -> Result<()>;
    fn above(
        kernels: &Kernels,
        d: usize,
        p: &[Self],
        r: &[Self],
        t: f64,
        limit: usize,
    ) -> Result<Pairs>;

    fn block(kernels: &Kernels, d: usize, p: &[Self], r: &[Self]) -> Vec<f32> {
        let mut scores = vec![f32::NAN; p.len() / d * (r.len() / d)];
        Self::scores(kernels, d, p, r, &mut scores).expect("good rows");
        scores
    }

    fn find(kernels: &Kernels, d: usize, p: &[Self], r: &[Self], k: usize, t: f64) -> Found {
        let places = p.len() / d * k;
        let (mut rows, mut scores) = (vec![7; places], vec![f32::NAN; places]);
        let out = Nearest { rows: &mut rows, scores: &mut scores };
        Self::nearest(kernels, d, p, r, k, t, out).expect("good rows");
        (rows, scores)
    }
}

macro_rules! rows {
    ($type:ty, $scores:ident, $nearest:ident, $above:ident, $make:expr) => {
        impl Rows for $type {
            fn make(values: &[f32], dimensions: usize) -> Vec<Self> {
                $make(values, dimensions)
            }
            fn scores(
                kernels: &Kernels,
                d: usize,
                p: &[Self],
                r: &[Self],
                out: &mut [f32],
            ) -> Result<()> {
                $scores(kernels, d, p, r, out)
            }
            fn nearest(
                kernels: &Kernels,
                d: usize,
                p: &[Self],
                r: &[Self],
                k: usize,
                t: f64,
                out: Nearest,
            ) -> Result<()> {
                $nearest(kernels, d, p, r, k, t, out)
            }
            fn above(
                kernels: &Kernels,
                d: usize,
                p: &[Self],
                r: &[Self],
                t: f64,
                limit: usize,
            ) -> Result<Pairs> {
                $above(kernels, d, p, r, t, limit)
            }
        }
    };
}

rows!(f32, cosine_block, nearest, above, |values: &[f32], _| values.to_vec());
rows!(i8, cosine_block_int8, nearest_int8, above_int8, |values: &[f32], dimensions| {
    let mut codes = vec![0; values.len()];
    quantize_rows(values, dimensions, &mut codes).expect("good values");
    codes
});

/// The specification: all scores of a probe, sorted.
fn sorted(scores: &[f32], columns: usize, k: usize, threshold: f64) -> Found {
    let mut found = (Vec::new(), Vec::new());
    for scores in scores.chunks_exact(columns.max(1)) {
        let mut pairs: Vec<_> =
            (0..).zip(scores).filter(|(_, score)| f64::from(**score) >= threshold).collect();
        // Stable: of equal scores the lower row comes first.
        pairs.sort_by(|a, b| b.1.partial_cmp(a.1).expect("no NaN"));
        let places = pairs.into_iter().map(|(row, score)| (row, *score));
        let places = places.chain(std::iter::repeat((-1, f32::NEG_INFINITY))).take(k);
        for (row, score) in places {
            found.0.push(row);
            found.1.push(score);
        }
    }
    found
}

fn filtered(scores: &[f32], columns: usize, threshold: f64) -> Pairs {
    let mut pairs = Pairs::default();
    for (i, score) in scores.iter().enumerate() {
        if f64::from(*score) >= threshold {
            let (probe, reference) = (i / columns, i % columns);
            pairs.probe_rows.push(i64::try_from(probe).expect("few"));
            pairs.reference_rows.push(i64::try_from(reference).expect("few"));
            pairs.scores.push(*score);
        }
    }
    pairs
}

fn nearest_is_a_sorted_block(kernels: &Kernels) {
    nearest_of::<f32>(kernels);
    nearest_of::<i8>(kernels);
}

fn nearest_of<T: Rows>(kernels: &Kernels) {
    for len in lengths() {
        for (probe_count, count) in COUNTS {
            let probes = T::make(&ramp(len * probe_count, 0.5), len);
            let references = T::make(&ramp(len * count, 1.5), len);
            let scores = T::block(kernels, len, &probes, &references);
            for (k, threshold) in
                [(0, -1.0), (1, -1.0), (3, -1.0), (3, 0.6), (16, -2.0), (200, 0.1)]
            {
                let found = T::find(kernels, len, &probes, &references, k, threshold);
                let mut expected = sorted(&scores, count, k, threshold);
                if count == 0 {
                    expected =
                        (vec![-1; probe_count * k], vec![f32::NEG_INFINITY; probe_count * k]);
                }
                assert_eq!(
                    found, expected,
                    "{probe_count} x {count} of {len}, {k} from {threshold}"
                );
            }
        }
    }
}

fn above_is_a_filtered_block(kernels: &Kernels) {
    above_of::<f32>(kernels);
    above_of::<i8>(kernels);
}

fn above_of<T: Rows>(kernels: &Kernels) {
    for len in lengths() {
        for (probe_count, count) in COUNTS {
            let probes = T::make(&ramp(len * probe_count, 0.5), len);
            let references = T::make(&ramp(len * count, 1.5), len);
            let scores = T::block(kernels, len, &probes, &references);
            for threshold in [-1.0, 0.0, 0.7, 1.5] {
                let expected = filtered(&scores, count, threshold);
                let limit = expected.scores.len();
                let found = T::above(kernels, len, &probes, &references, threshold, limit);
                assert_eq!(found.as_ref(), Ok(&expected), "{probe_count} x {count} of {len}");
            }
        }
    }
}

/// A hundred times the same few rows: most scores have equals, across all groups.
fn equal_scores_come_in_the_order_of_the_rows(kernels: &Kernels) {
    let (len, kinds) = (16, 3);
    let values = integers(len * kinds, 4).repeat(100);
    for probe_count in [1, 5] {
        for k in [1, 2, 7, 99, 100, 101, 250] {
            let found = nearest_among::<f32>(kernels, len, probe_count, &values, k);
            assert_eq!(found, nearest_among::<i8>(kernels, len, probe_count, &values, k));
            for (i, rows) in found.chunks_exact(k).enumerate() {
                let equals = (0..100).map(|j| (i % kinds + j * kinds) as i64);
                assert!(equals.zip(rows).all(|(expected, row)| expected == *row), "{k}: {rows:?}");
            }
        }
    }
}

fn nearest_among<T: Rows>(
    kernels: &Kernels,
    len: usize,
    probe_count: usize,
    values: &[f32],
    k: usize,
) -> Vec<i64> {
    let rows = T::make(values, len);
    T::find(kernels, len, &rows[..len * probe_count], &rows, k, -1.0).0
}

fn integers_find_what_scalar_finds(kernels: &Kernels) {
    for len in lengths().skip(1) {
        for (probe_count, count) in COUNTS {
            // One element on: no load may need an aligned row.
            let (probes, references) =
                (integers(len * probe_count, 1), &integers(len * count + 1, 2)[1..]);
            let find = |kernels| f32::find(kernels, len, &probes, references, 5, 0.0);
            assert_eq!(find(kernels), find(scalar()), "{probe_count} x {count} of {len}");
            let (probes, references) = (i8::make(&probes, len), i8::make(references, len));
            let find = |kernels| i8::find(kernels, len, &probes, &references, 5, 0.0);
            assert_eq!(find(kernels), find(scalar()), "{probe_count} x {count} of {len}");
        }
    }
}

/// Rows whose squares overflow or underflow in f32 have right scores before they are selected.
fn rows_apart_are_found(kernels: &Kernels) {
    let (len, count) = (33, 150);
    let references = ramp(len * count, 2.5);
    for probe_count in [1, 5, 70] {
        let probes = references[..len * probe_count].to_vec();
        for (x, y) in [(1e-30, 1.0), (1.0, 1e-30), (1e30, 1.0), (1.0, 1e30), (1e30, 1e-30)] {
            let (mut probes, mut references) = (probes.clone(), references.clone());
            probes[..len].iter_mut().for_each(|v| *v *= x);
            references[..len].iter_mut().for_each(|v| *v *= y);
            references[149 * len..].iter_mut().for_each(|v| *v *= y);
            let scores = f32::block(kernels, len, &probes, &references);
            let found = f32::find(kernels, len, &probes, &references, 4, 0.0);
            assert_eq!(found, sorted(&scores, count, 4, 0.0), "times {x:e} and {y:e}");
            assert!(found.0[0] == 0 && found.1[0] > 0.999_999);
            let pairs = above(kernels, len, &probes, &references, 0.9, 1 << 20);
            assert_eq!(pairs, Ok(filtered(&scores, count, 0.9)));
        }
    }
}

fn thresholds_are_compared_in_f64(kernels: &Kernels) {
    let (probe, reference) = (ramp(17, 0.5), ramp(17, 0.9));
    let score = f64::from(f32::block(kernels, 17, &probe, &reference)[0]);
    let found = |threshold| {
        let pairs = above(kernels, 17, &probe, &reference, threshold, 1).expect("good values");
        let (rows, _) = f32::find(kernels, 17, &probe, &reference, 1, threshold);
        assert_eq!(rows[0] == 0, pairs.scores.len() == 1);
        pairs.scores.len()
    };
    assert_eq!([score.next_down(), score, score.next_up()].map(found), [1, 1, 0]);
    assert_eq!([-1e300, 1e300].map(found), [1, 0]);
    for threshold in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let operand = Operand::Threshold;
        let error = CoreError::NonFinite { operand, row: 0, index: 0 };
        let pairs = above(kernels, 17, &probe, &reference, threshold, 1);
        assert_eq!(pairs, Err(error.clone()));
        let out = Nearest { rows: &mut [], scores: &mut [] };
        let result = nearest(kernels, 17, &probe, &reference, 0, threshold, out);
        assert_eq!(result, Err(error));
    }
}

fn too_many_pairs_are_refused(kernels: &Kernels) {
    let rows = ramp(16 * 130, 0.5);
    let codes = i8::make(&rows, 16);
    for probes in [1, 2, 130] {
        let pairs = probes * 130;
        for limit in [0, 1, pairs - 1] {
            let error = CoreError::TooMany { operand: Operand::Threshold, limit };
            let found = above(kernels, 16, &rows[..16 * probes], &rows, -1.0, limit);
            assert_eq!(found, Err(error.clone()));
            let found = above_int8(kernels, 16, &codes[..16 * probes], &codes, -1.0, limit);
            assert_eq!(found, Err(error));
        }
        let found = above(kernels, 16, &rows[..16 * probes], &rows, -1.0, pairs);
        assert_eq!(found.expect("as many as allowed").scores.len(), pairs);
    }
}

fn culprits_are_named(kernels: &Kernels) {
    let (len, count) = (17, 140);
    let good = ramp(len * count, 0.5);
    let mut bad = good.clone();
    bad[139 * len + 3] = f32::NAN;
    let mut zero = i8::make(&good, len);
    zero[139 * len..].fill(0);
    let codes = i8::make(&good, len);
    for probes in [1, 2, 70] {
        let error = Err(CoreError::NonFinite { operand: Operand::References, row: 139, index: 3 });
        assert_eq!(above(kernels, len, &good[..probes * len], &bad, 0.9, 1 << 20), error);
        let error = Err(CoreError::ZeroNorm { operand: Operand::References, row: 139 });
        assert_eq!(above_int8(kernels, len, &codes[..probes * len], &zero, 0.9, 1 << 20), error);
    }
    let error = Err(CoreError::NonFinite { operand: Operand::Probes, row: 139, index: 3 });
    assert_eq!(above(kernels, len, &bad, &[], 0.9, 1), error);
    let error = Err(CoreError::ZeroNorm { operand: Operand::Probes, row: 139 });
    assert_eq!(above_int8(kernels, len, &zero, &[], 0.9, 1), error);
    let out = Nearest { rows: &mut [0; 2], scores: &mut [0.0; 3] };
    let error = CoreError::LengthMismatch { operand: Operand::Out, expected: 3, received: 2 };
    assert_eq!(nearest(kernels, len, &good[..len], &good, 3, 0.0, out), Err(error));
    let out = Nearest { rows: &mut [0; 3], scores: &mut [0.0; 2] };
    let error = CoreError::LengthMismatch { operand: Operand::Out, expected: 3, received: 2 };
    assert_eq!(nearest_int8(kernels, len, &codes[..len], &codes, 3, 0.0, out), Err(error));
}

fn random_searches_are_sorted_blocks(kernels: &Kernels) {
    random_search::<f32>(kernels);
    random_search::<i8>(kernels);
}

fn random_search<T: Rows>(kernels: &Kernels) {
    // Few dimensions and small integers: many equal scores.
    let shape = (1_usize..6, 1_usize..70, 1_usize..300);
    let rows = shape.prop_flat_map(|(len, probes, count)| {
        let rows = |count| prop::collection::vec(-2_i8..=2, len * count);
        (Just(len), rows(probes), rows(count))
    });
    proptest!(ProptestConfig::with_cases(64), |(
        (len, probes, references) in rows, k in 0_usize..40, threshold in -1.1_f64..1.1
    )| {
        let values = |rows: &[i8]| {
            let mut values: Vec<f32> = rows.iter().map(|x| f32::from(*x)).collect();
            // No row is all zeros.
            values.chunks_exact_mut(len).filter(|row| row.iter().all(|x| *x == 0.0)).for_each(|row| row[0] = 1.0);
            T::make(&values, len)
        };
        let (probes, references) = (values(&probes), values(&references));
        let scores = T::block(kernels, len, &probes, &references);
        let count = references.len() / len;
        let found = T::find(kernels, len, &probes, &references, k, threshold);
        prop_assert_eq!(found, sorted(&scores, count, k, threshold));
        let pairs = T::above(kernels, len, &probes, &references, threshold, scores.len());
        prop_assert_eq!(pairs, Ok(filtered(&scores, count, threshold)));
    });
}
