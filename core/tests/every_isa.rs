//! The same properties on every instruction set, against the scalar specification.

#![allow(clippy::float_cmp, reason = "sums of small integers are exact, in any order")]

mod support;

use govid_core::{CoreError, Kernels, Operand, cosine, cosine_many, l2_normalize_rows};
use proptest::prelude::*;
use support::{LENGTHS, every_isa, integers, ramp, scalar};

/// Row counts that hug groups of 4 and the block of 128.
const ROW_COUNTS: [usize; 8] = [0, 1, 3, 5, 127, 128, 129, 257];

/// f32 sums of up to 513 terms in 4 or more lanes, against f64.
const TOLERANCE: f64 = 2e-6;

fn close(a: f64, b: f64, scale: f64) -> bool {
    (a - b).abs() <= TOLERANCE * scale
}

/// To the bit: scores and sums of squares.
fn rows(kernels: &Kernels, probe: &[f32], references: &[f32]) -> (Vec<u32>, Vec<u64>) {
    let count = references.len() / probe.len();
    let (mut scores, mut squares) = (vec![f32::NAN; count], vec![f64::NAN; count]);
    kernels.rows(probe, 0.125, references, &mut scores, &mut squares);
    let scores = scores.into_iter().map(f32::to_bits).collect();
    (scores, squares.into_iter().map(f64::to_bits).collect())
}

/// Pairs of vectors whose lengths hug the vector widths.
fn pairs() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    let length = prop_oneof![prop::sample::select(&LENGTHS[..]), 0_usize..600];
    length.prop_flat_map(|len| {
        let vector = || prop::collection::vec(-1e3_f32..1e3, len);
        (vector(), vector())
    })
}

every_isa! {
    integers_agree_exactly,
    unaligned_slices_agree,
    rows_agree_with_pairs,
    a_row_scores_alike_wherever_it_stands,
    tiny_and_huge_vectors_are_right,
    culprits_are_named_wherever_they_stand,
    normalising_twice_changes_nothing,
    scale_touches_every_element_and_no_other,
    random_vectors_agree,
    random_vectors_are_normalised,
}

fn integers_agree_exactly(kernels: &Kernels) {
    for len in LENGTHS {
        let (a, b) = (integers(len, 1), integers(len, 2));
        assert_eq!(kernels.pair(&a, &b), scalar().pair(&a, &b), "length {len}");
        assert_eq!(kernels.square_sum(&a), scalar().square_sum(&a), "length {len}");
    }
    for len in &LENGTHS[1..] {
        let probe = integers(*len, 1);
        for count in ROW_COUNTS {
            let block = integers(len * count, 3);
            assert_eq!(
                rows(kernels, &probe, &block),
                rows(scalar(), &probe, &block),
                "length {len}, {count} rows"
            );
        }
    }
}

fn unaligned_slices_agree(kernels: &Kernels) {
    let (a, b) = (integers(600, 1), integers(600, 2));
    for len in LENGTHS {
        for offset in 0..16 {
            let (a, b) = (&a[offset..offset + len], &b[16 - offset..16 - offset + len]);
            assert_eq!(kernels.pair(a, b), scalar().pair(a, b), "length {len}, offset {offset}");
        }
    }
}

fn rows_agree_with_pairs(kernels: &Kernels) {
    for len in &LENGTHS[1..] {
        for count in ROW_COUNTS {
            let (probe, block) = (ramp(*len, 0.5), ramp(len * count, 1.5));
            let mut scores = vec![f32::NAN; count];
            cosine_many(kernels, &probe, &block, &mut scores).expect("good values");
            for (row, score) in block.chunks_exact(*len).zip(&scores) {
                let single = cosine(scalar(), &probe, row).expect("good values");
                assert!(close(f64::from(*score), single, 1.0), "length {len}, {count} rows");
            }
        }
    }
}

/// Alone, in a four, among those left over, in any block, off a vector's boundary, or beside rows
/// that go another way: to the bit.
fn a_row_scores_alike_wherever_it_stands(kernels: &Kernels) {
    let many = |probe: &[f32], references: &[f32]| {
        let mut scores = vec![f32::NAN; references.len() / probe.len()];
        cosine_many(kernels, probe, references, &mut scores).expect("good values");
        scores
    };
    for len in [1, 17, 127, 128, 129, 513] {
        let probe = ramp(len, 0.5);
        let mut memory = ramp(len * 263 + 3, 1.5);
        for (row, scale) in [(1, 1e-30), (6, 1e30), (130, 1e-19), (259, 1e18)] {
            for x in &mut memory[3 + row * len..][..len] {
                *x *= scale;
            }
        }
        let alone: Vec<f32> =
            memory[3..].chunks_exact(len).flat_map(|row| many(&probe, row)).collect();
        for (first, last) in [(0, 263), (1, 263), (2, 130), (3, 10), (5, 8), (6, 7)] {
            let references = &memory[3 + first * len..3 + last * len];
            assert_eq!(many(&probe, references), alone[first..last], "length {len}, from {first}");
        }
    }
}

fn tiny_and_huge_vectors_are_right(kernels: &Kernels) {
    for len in &LENGTHS[1..] {
        let (a, b) = (ramp(*len, 0.5), ramp(*len, 2.5));
        let right = cosine(scalar(), &a, &b).expect("good values");
        for (x, y) in
            [(1e-30, 1.0), (1.0, 1e-30), (1e30, 1.0), (1.0, 1e30), (1e30, 1e-30), (1e-19, 1e18)]
        {
            let a: Vec<f32> = a.iter().map(|v| v * x).collect();
            let b: Vec<f32> = b.iter().map(|v| v * y).collect();
            let score = cosine(kernels, &a, &b).expect("finite values");
            assert!(close(score, right, 1.0), "length {len}, times {x:e} and {y:e}");
            let mut many = [f32::NAN; 1];
            cosine_many(kernels, &a, &b, &mut many).expect("finite values");
            assert!(close(many[0].into(), right, 1.0), "length {len}, times {x:e} and {y:e}");
            let mut unit = a.clone();
            l2_normalize_rows(kernels, &mut unit, *len).expect("finite values");
            assert!(close(scalar().square_sum(&unit), 1.0, 1.0), "length {len}, times {x:e}");
        }
    }
}

fn culprits_are_named_wherever_they_stand(kernels: &Kernels) {
    let mut scores = [0.0; 37];
    for len in [1, 17, 64, 127] {
        for index in 0..len {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let good = ramp(len, 0.5);
                let mut bad = good.clone();
                bad[index] = value;
                let non_finite = |operand, row| Err(CoreError::NonFinite { operand, row, index });
                assert_eq!(cosine(kernels, &bad, &good), non_finite(Operand::A, 0).map(|()| 0.0));
                assert_eq!(cosine(kernels, &good, &bad), non_finite(Operand::B, 0).map(|()| 0.0));
                let row = index % scores.len();
                let mut block = good.repeat(scores.len());
                block[row * len..][..len].copy_from_slice(&bad);
                assert_eq!(
                    cosine_many(kernels, &good, &block, &mut scores),
                    non_finite(Operand::References, row)
                );
                assert_eq!(
                    l2_normalize_rows(kernels, &mut block, len),
                    non_finite(Operand::X, row)
                );
                assert_eq!(
                    cosine_many(kernels, &bad, &block, &mut scores),
                    non_finite(Operand::Probe, 0)
                );
            }
        }
    }
    let (good, zero) = (ramp(64, 0.5), vec![0.0; 64]);
    let zero_norm = |operand, row| CoreError::ZeroNorm { operand, row };
    assert_eq!(cosine(kernels, &zero, &good), Err(zero_norm(Operand::A, 0)));
    assert_eq!(cosine(kernels, &good, &zero), Err(zero_norm(Operand::B, 0)));
    let mut block = [good.clone(), zero.clone()].concat();
    assert_eq!(
        cosine_many(kernels, &good, &block, &mut scores[..2]),
        Err(zero_norm(Operand::References, 1))
    );
    assert_eq!(l2_normalize_rows(kernels, &mut block, 64), Err(zero_norm(Operand::X, 1)));
}

fn normalising_twice_changes_nothing(kernels: &Kernels) {
    for len in LENGTHS[1..].iter().copied().chain([1000, 4096, 50_000]) {
        let mut once = ramp(len, 0.5);
        l2_normalize_rows(kernels, &mut once, len).expect("good values");
        let mut twice = once.clone();
        l2_normalize_rows(kernels, &mut twice, len).expect("good values");
        assert_eq!(once, twice, "length {len}");
    }
}

fn scale_touches_every_element_and_no_other(kernels: &Kernels) {
    for len in LENGTHS {
        let original = integers(len + 32, 1);
        let mut scaled = original.clone();
        kernels.scale(&mut scaled[16..16 + len], 2.0);
        let expected: Vec<f32> = (original.iter().enumerate())
            .map(|(i, x)| if (16..16 + len).contains(&i) { x * 2.0 } else { *x })
            .collect();
        assert_eq!(scaled, expected, "length {len}");
    }
}

fn random_vectors_agree(kernels: &Kernels) {
    proptest!(|((a, b) in pairs())| {
        let (mine, theirs) = (kernels.pair(&a, &b), scalar().pair(&a, &b));
        prop_assert!(close(mine.aa, theirs.aa, theirs.aa));
        prop_assert!(close(mine.bb, theirs.bb, theirs.bb));
        prop_assert!(close(mine.dot, theirs.dot, (theirs.aa * theirs.bb).sqrt()));
        match (cosine(kernels, &a, &b), cosine(scalar(), &a, &b)) {
            (Ok(mine), Ok(theirs)) => {
                prop_assert!(close(mine, theirs, 1.0));
                prop_assert!((-1.0..=1.0).contains(&mine));
            }
            (mine, theirs) => prop_assert_eq!(mine, theirs),
        }
    });
}

fn random_vectors_are_normalised(kernels: &Kernels) {
    proptest!(|((a, _) in pairs())| {
        let mut unit = a.clone();
        match l2_normalize_rows(kernels, &mut unit, a.len()) {
            Ok(()) => {
                prop_assert!(close(scalar().square_sum(&unit), 1.0, 1.0));
                let score = cosine(scalar(), &a, &unit).expect("good values");
                prop_assert!(close(score, 1.0, 1.0));
                let mut twice = unit.clone();
                l2_normalize_rows(kernels, &mut twice, a.len()).expect("good values");
                prop_assert_eq!(unit, twice);
            }
            Err(CoreError::Empty { .. } | CoreError::ZeroNorm { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
    });
}
