//! Blocks of pairs and int8 codes on every instruction set, against the scalar specification.

#![allow(clippy::float_cmp, reason = "sums of integers are exact, in any order")]

mod support;

use govid_core::{
    CoreError, Kernels, MAX_CODES, Operand, cosine, cosine_block, cosine_block_int8,
    cosine_many_int8,
};
use proptest::prelude::*;
use support::{LENGTHS, every_isa, integers, ramp, scalar};

/// They hug the tiles: up to 4 probes by 2, 3 or 4 references, one probe by twice as many.
const COUNTS: [usize; 8] = [0, 1, 2, 3, 4, 5, 7, 13];

every_isa! {
    blocks_of_integers_agree_exactly,
    scores_of_integers_are_the_same_to_the_bit,
    blocks_agree_with_pairs,
    tiny_and_huge_rows_of_blocks_are_right,
    culprits_in_blocks_are_named,
    codes_agree_exactly,
    extreme_codes_agree_exactly,
    scores_of_codes_are_the_same_to_the_bit,
    zero_rows_of_codes_are_named,
    random_blocks_agree,
    random_codes_agree_exactly,
    scores_of_extreme_codes_are_the_same_to_the_bit,
    random_blocks_of_codes_agree_to_the_bit,
}

/// Codes of the whole range, -128 among them, without a period.
fn codes(len: usize, seed: usize) -> Vec<i8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ seed as u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as i8
    };
    (0..len).map(next).collect()
}

fn block(kernels: &Kernels, probes: &[f32], references: &[f32], dimensions: usize) -> Vec<f32> {
    let pairs = probes.len() / dimensions * (references.len() / dimensions);
    let mut dots = vec![f32::NAN; pairs];
    kernels.block(probes, references, dimensions, &mut dots);
    dots
}

fn block_int8(kernels: &Kernels, probes: &[i8], references: &[i8], dimensions: usize) -> Vec<i32> {
    let pairs = probes.len() / dimensions * (references.len() / dimensions);
    let mut dots = vec![i32::MIN; pairs];
    kernels.block_int8(probes, references, dimensions, &mut dots);
    dots
}

/// 1 / norm of a probe that is longer than any here: no score is cut to 1.
const SMALL: f32 = 1.0 / (1 << 20) as f32;

/// Scores, to the bit, and sums of squares.
fn rows_int8(kernels: &Kernels, probe: &[i8], references: &[i8]) -> (Vec<u32>, Vec<i32>) {
    let count = references.len() / probe.len();
    let (mut scores, mut squares) = (vec![f32::NAN; count], vec![i32::MIN; count]);
    kernels.rows_int8(probe, SMALL, references, &mut scores, &mut squares);
    (scores.into_iter().map(f32::to_bits).collect(), squares)
}

fn blocks_of_integers_agree_exactly(kernels: &Kernels) {
    for len in &LENGTHS[1..] {
        for probe_count in COUNTS {
            for count in COUNTS {
                let probes = integers(len * probe_count, 1);
                // One element on: no load may need an aligned row.
                let references = &integers(len * count + 1, 2)[1..];
                assert_eq!(
                    block(kernels, &probes, references, *len),
                    block(scalar(), &probes, references, *len),
                    "{probe_count} probes, {count} references of length {len}"
                );
            }
        }
    }
}

/// From 12 probes on they may be packed, by 16: one to four such strips, a group more, and each rest
/// of six references.
fn scores_of_integers_are_the_same_to_the_bit(kernels: &Kernels) {
    for len in [1, 16, 17, 128, 129, 300] {
        let counts =
            [(11, 7), (12, 48), (16, 1), (17, 50), (33, 15), (49, 16), (64, 45), (130, 95)];
        for (probe_count, count) in counts {
            let mut probes = integers(len * probe_count, 1);
            let mut references = integers(len * count, 2);
            // No row is all zeros.
            probes.iter_mut().step_by(len).for_each(|x| *x = 8.0);
            references.iter_mut().step_by(len).for_each(|x| *x = -9.0);
            let scores = |kernels: &Kernels| {
                let mut scores = vec![f32::NAN; probe_count * count];
                cosine_block(kernels, len, &probes, &references, &mut scores).expect("good values");
                scores
            };
            let text = format!("{probe_count} probes, {count} references of length {len}");
            assert_eq!(scores(kernels), scores(scalar()), "{text}");
        }
    }
}

/// More probes and references than the walk takes at once.
fn blocks_agree_with_pairs(kernels: &Kernels) {
    for (len, probe_count, count) in
        [(1, 70, 100), (129, 70, 53), (512, 67, 31), (1500, 30, 50), (40_000, 13, 14)]
    {
        let (probes, references) = (ramp(len * probe_count, 0.5), ramp(len * count, 1.5));
        let mut scores = vec![f32::NAN; probe_count * count];
        cosine_block(kernels, len, &probes, &references, &mut scores).expect("good values");
        let probes = probes.chunks_exact(len);
        for (probe, scores) in probes.zip(scores.chunks_exact(count)) {
            for (reference, score) in references.chunks_exact(len).zip(scores) {
                let single = cosine(scalar(), probe, reference).expect("good values");
                assert!((f64::from(*score) - single).abs() <= 2e-6, "length {len}");
                assert!((-1.0..=1.0).contains(score));
            }
        }
    }
}

fn tiny_and_huge_rows_of_blocks_are_right(kernels: &Kernels) {
    let len = 33;
    for (probe_count, count) in [(5, 15), (20, 60)] {
        let (probes, references) = (ramp(len * probe_count, 0.5), ramp(len * count, 2.5));
        let scores = |probes: &[f32], references: &[f32]| {
            let mut scores = vec![f32::NAN; probe_count * count];
            cosine_block(kernels, len, probes, references, &mut scores).expect("finite values");
            scores
        };
        let right = scores(&probes, &references);
        let scales = [1e-30, 1e-19, 1.0, 1e18, 1e30, 1e37];
        for (x, y) in scales.into_iter().flat_map(|x| scales.map(|y| (x, y))) {
            let (mut probes, mut references) = (probes.clone(), references.clone());
            probes[len..2 * len].iter_mut().for_each(|v| *v *= x);
            references[7 * len..9 * len].iter_mut().for_each(|v| *v *= y);
            for (score, right) in scores(&probes, &references).iter().zip(&right) {
                assert!(
                    (score - right).abs() <= 2e-6,
                    "times {x:e} and {y:e}: {score} not {right}"
                );
            }
        }
    }
}

fn culprits_in_blocks_are_named(kernels: &Kernels) {
    let (len, probe_count, count) = (17, 70, 60);
    let mut scores = vec![0.0; probe_count * count];
    let (probes, references) = (ramp(len * probe_count, 0.5), ramp(len * count, 1.5));
    let spoilt = |rows: &[f32], row: usize, index: usize, value: f32| {
        let mut rows = rows.to_vec();
        rows[row * len + index] = value;
        rows
    };
    for (row, index, value) in [(0, 0, f32::NAN), (69, 16, f32::INFINITY)] {
        let error = CoreError::NonFinite { operand: Operand::Probes, row, index };
        let bad = spoilt(&probes, row, index, value);
        assert_eq!(cosine_block(kernels, len, &bad, &references, &mut scores), Err(error));
    }
    for (row, index, value) in [(0, 16, f32::NAN), (59, 3, f32::NEG_INFINITY)] {
        let error = CoreError::NonFinite { operand: Operand::References, row, index };
        // Of two culprits the first one is named.
        let bad = spoilt(&spoilt(&references, 59, 9, f32::NAN), row, index, value);
        assert_eq!(cosine_block(kernels, len, &probes, &bad, &mut scores), Err(error));
    }
    let mut zero = references.clone();
    zero[13 * len..14 * len].fill(0.0);
    let error = CoreError::ZeroNorm { operand: Operand::References, row: 13 };
    assert_eq!(cosine_block(kernels, len, &probes, &zero, &mut scores), Err(error));
    let error = CoreError::ZeroNorm { operand: Operand::Probes, row: 13 };
    assert_eq!(cosine_block(kernels, len, &zero, &[], &mut []), Err(error));
}

fn codes_agree_exactly(kernels: &Kernels) {
    for len in &LENGTHS[1..] {
        for count in COUNTS {
            let (probes, references) = (codes(len * 5, 1), codes(len * count + 1, 2));
            let references = &references[1..];
            let text = format!("{count} rows of length {len}");
            for probe_count in 1..=5 {
                let probes = &probes[..len * probe_count];
                assert_eq!(
                    block_int8(kernels, probes, references, *len),
                    block_int8(scalar(), probes, references, *len),
                    "{text}"
                );
            }
            let sums = rows_int8(kernels, &probes[..*len], references);
            assert_eq!(sums, rows_int8(scalar(), &probes[..*len], references), "{text}");
        }
    }
}

/// What might saturate or overflow does not, up to the longest row.
fn extreme_codes_agree_exactly(kernels: &Kernels) {
    for len in [1, 32, 33, 64, 513, MAX_CODES] {
        for (x, y) in [(127, 127), (-127, 127), (-128, -128), (-128, 127), (127, -128)] {
            let (probe, references) = (vec![x; len], vec![y; len * 5]);
            let length = i32::try_from(len).expect("a small number");
            let dot = i32::from(x) * i32::from(y) * length;
            let square = i32::from(y) * i32::from(y) * length;
            let score = dot as f32 * SMALL * (1.0 / (square as f32).sqrt());
            let found = rows_int8(kernels, &probe, &references);
            let right = (vec![score.to_bits(); 5], vec![square; 5]);
            assert_eq!(found, right, "{x} and {y}, length {len}");
            assert_eq!(block_int8(kernels, &probe, &references, len), [dot; 5]);
        }
    }
}

fn scores_of_codes_are_the_same_to_the_bit(kernels: &Kernels) {
    for (len, probe_count, count) in [(1, 2, 300), (128, 70, 260), (129, 300, 60), (513, 3, 140)] {
        let (mut probes, mut references) = (codes(len * probe_count, 3), codes(len * count, 4));
        // No row is all zeros.
        probes.iter_mut().step_by(len).for_each(|code| *code |= 1);
        references.iter_mut().step_by(len).for_each(|code| *code |= 1);
        let mut scores = vec![f32::NAN; probe_count * count];
        cosine_block_int8(kernels, len, &probes, &references, &mut scores).expect("good codes");
        for (probe, scores) in probes.chunks_exact(len).zip(scores.chunks_exact(count)) {
            for kernels in [kernels, scalar()] {
                let mut many = vec![f32::NAN; count];
                cosine_many_int8(kernels, probe, &references, &mut many).expect("good codes");
                assert_eq!(many, scores, "length {len}");
            }
        }
    }
}

/// Each pair by itself, from sums that the specification makes.
fn assert_scores_of_codes(kernels: &Kernels, probes: &[i8], references: &[i8], len: usize) {
    let count = references.len() / len;
    let mut scores = vec![f32::NAN; probes.len() / len * count];
    cosine_block_int8(kernels, len, probes, references, &mut scores).expect("good codes");
    let inverse = |row: &[i8]| 1.0 / (block_int8(scalar(), row, row, len)[0] as f32).sqrt();
    let inverses: Vec<f32> = references.chunks_exact(len).map(inverse).collect();
    for (i, probe) in probes.chunks_exact(len).enumerate() {
        let dots = block_int8(scalar(), probe, references, len);
        let expected: Vec<f32> = (dots.iter().zip(&inverses))
            .map(|(dot, other)| (*dot as f32 * inverse(probe) * other).clamp(-1.0, 1.0))
            .collect();
        let text = format!("probe {i} of {}, {count} references, length {len}", probes.len() / len);
        assert_eq!(scores[i * count..][..count], expected, "{text}");
    }
}

/// Whatever number of probes and references chooses the kernel.
fn scores_of_extreme_codes_are_the_same_to_the_bit(kernels: &Kernels) {
    for len in [1, 63, 64, 129, 513] {
        for (x, y) in [(127, 127), (-127, 127), (-128, -128), (-128, 127), (127, -128)] {
            for count in [1, 4, 17] {
                // Parallel rows: a score that rounding carried past 1 is cut.
                assert_scores_of_codes(kernels, &vec![x; len * count], &vec![y; len * 50], len);
            }
        }
    }
    let (x, y) = (vec![-128; MAX_CODES * 12], vec![-128; MAX_CODES * 2]);
    assert_scores_of_codes(kernels, &x, &y, MAX_CODES);
}

fn random_blocks_of_codes_agree_to_the_bit(kernels: &Kernels) {
    let counts = (1_usize..300, prop_oneof![1_usize..20, 40_usize..120]);
    proptest!(ProptestConfig::with_cases(40), |((probes, references) in counts, len in 1_usize..140, seed in 1_usize..99)| {
        let (mut rows, mut others) = (codes(len * probes, seed), codes(len * references, seed + 100));
        rows.iter_mut().step_by(len).chain(others.iter_mut().step_by(len)).for_each(|code| *code |= 1);
        assert_scores_of_codes(kernels, &rows, &others, len);
    });
}

fn zero_rows_of_codes_are_named(kernels: &Kernels) {
    let (len, count) = (16, 200);
    let mut scores = vec![0.0; 2 * count];
    let (good, zero) = (vec![1; len * count], vec![0; len]);
    let mut bad = good.clone();
    bad[150 * len..151 * len].fill(0);
    let zero_norm = |operand, row| Err(CoreError::ZeroNorm { operand, row });
    let (one, two) = (&good[..len], &good[..2 * len]);
    let many = |probe: &[i8], references: &[i8], out: &mut [f32]| {
        cosine_many_int8(kernels, probe, references, out)
    };
    assert_eq!(many(one, &bad, &mut scores[..count]), zero_norm(Operand::References, 150));
    assert_eq!(many(&zero, &[], &mut []), zero_norm(Operand::Probe, 0));
    let block = |probes: &[i8], references: &[i8], out: &mut [f32]| {
        cosine_block_int8(kernels, len, probes, references, out)
    };
    assert_eq!(block(two, &bad, &mut scores), zero_norm(Operand::References, 150));
    assert_eq!(block(&bad, &[], &mut []), zero_norm(Operand::Probes, 150));
}

/// Some rows of one length.
fn rows<T>(number: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = (usize, [Vec<T>; 2])>
where
    T: std::fmt::Debug,
{
    let length = prop_oneof![prop::sample::select(&LENGTHS[1..]), 1_usize..600];
    (length, 1_usize..6, 1_usize..9).prop_flat_map(move |(len, probes, references)| {
        let rows = |count| prop::collection::vec(number.clone(), len * count);
        (Just(len), [rows(probes), rows(references)])
    })
}

fn random_blocks_agree(kernels: &Kernels) {
    proptest!(|((len, [probes, references]) in rows(-1e3_f32..1e3))| {
        // A bound, not an estimate: each product is rounded at most once for each of the up to
        // len / 4 sums of its lane, and a few times when the lanes are added up.
        let roundings = (len / 4 + 8) as f64 * f64::from(f32::EPSILON) / 2.0;
        let dots = block(kernels, &probes, &references, len);
        let count = references.len() / len;
        for (probe, dots) in probes.chunks_exact(len).zip(dots.chunks_exact(count)) {
            for (reference, dot) in references.chunks_exact(len).zip(dots) {
                let products = probe.iter().zip(reference).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let (exact, magnitude) =
                    products.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()));
                prop_assert!((f64::from(*dot) - exact).abs() <= roundings * magnitude);
            }
        }
    });
}

fn random_codes_agree_exactly(kernels: &Kernels) {
    proptest!(|((len, [probes, references]) in rows(any::<i8>()))| {
        prop_assert_eq!(
            block_int8(kernels, &probes, &references, len),
            block_int8(scalar(), &probes, &references, len)
        );
        let probe = &probes[..len];
        prop_assert_eq!(
            rows_int8(kernels, probe, &references),
            rows_int8(scalar(), probe, &references)
        );
    });
}
