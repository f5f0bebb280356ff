//! Lengths that do not fit, on the instruction set of this CPU.

#![allow(clippy::float_cmp, reason = "the values are exact")]

use govid_core::{
    CoreError, Isa, Kernels, MAX_CODES, Operand, cosine, cosine_block, cosine_block_int8,
    cosine_many, cosine_many_int8, l2_normalize, l2_normalize_rows,
};

fn active() -> &'static Kernels {
    Kernels::active().expect("a sane environment")
}

#[test]
fn empty_vectors_are_refused() {
    assert_eq!(cosine(active(), &[], &[]), Err(CoreError::Empty { operand: Operand::A }));
    assert_eq!(l2_normalize(active(), &mut []), Err(CoreError::Empty { operand: Operand::X }));
    let probe = Operand::Probe;
    assert_eq!(cosine_many(active(), &[], &[], &mut []), Err(CoreError::Empty { operand: probe }));
}

#[test]
fn different_lengths_are_refused() {
    let operand = Operand::B;
    let mismatch = CoreError::LengthMismatch { operand, expected: 2, received: 1 };
    assert_eq!(cosine(active(), &[1.0, 2.0], &[1.0]), Err(mismatch));
    let operand = Operand::References;
    let mismatch = CoreError::LengthMismatch { operand, expected: 4, received: 3 };
    assert_eq!(cosine_many(active(), &[1.0, 2.0], &[1.0; 3], &mut [0.0; 2]), Err(mismatch));
    let operand = Operand::X;
    let mismatch = CoreError::LengthMismatch { operand, expected: 4, received: 5 };
    assert_eq!(l2_normalize_rows(active(), &mut [1.0; 5], 2), Err(mismatch));
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    let mismatch = |operand, expected, received| {
        Err(CoreError::LengthMismatch { operand, expected, received })
    };
    let block = |probes: &[f32], references: &[f32], out: &mut [f32]| {
        cosine_block(active(), 2, probes, references, out)
    };
    let int8 = |probes: &[i8], references: &[i8], out: &mut [f32]| {
        cosine_block_int8(active(), 2, probes, references, out)
    };
    assert_eq!(block(&[1.0; 3], &[1.0; 4], &mut [0.0; 2]), mismatch(Operand::Probes, 2, 3));
    assert_eq!(int8(&[1; 3], &[1; 4], &mut [0.0; 2]), mismatch(Operand::Probes, 2, 3));
    assert_eq!(block(&[1.0; 2], &[1.0; 5], &mut [0.0; 2]), mismatch(Operand::References, 4, 5));
    assert_eq!(int8(&[1; 2], &[1; 5], &mut [0.0; 2]), mismatch(Operand::References, 4, 5));
    assert_eq!(block(&[1.0; 4], &[1.0; 6], &mut [0.0; 5]), mismatch(Operand::Out, 6, 5));
    assert_eq!(int8(&[1; 4], &[1; 6], &mut [0.0; 5]), mismatch(Operand::Out, 6, 5));
    let empty = Err(CoreError::Empty { operand: Operand::Probes });
    assert_eq!(cosine_block(active(), 0, &[], &[], &mut []), empty);
    assert_eq!(cosine_block_int8(active(), 0, &[], &[], &mut []), empty);
    assert_eq!(block(&[], &[1.0; 2], &mut []), Ok(()));
    assert_eq!(int8(&[1; 2], &[], &mut []), Ok(()));
}

#[test]
fn codes_that_do_not_fit_are_refused() {
    let many = |probe: &[i8], references: &[i8], out: &mut [f32]| {
        cosine_many_int8(active(), probe, references, out)
    };
    assert_eq!(many(&[], &[], &mut []), Err(CoreError::Empty { operand: Operand::Probe }));
    let operand = Operand::References;
    let mismatch = CoreError::LengthMismatch { operand, expected: 4, received: 3 };
    assert_eq!(many(&[1, 2], &[1; 3], &mut [0.0; 2]), Err(mismatch));
    let (limit, received) = (MAX_CODES, MAX_CODES + 1);
    let codes = vec![1; received];
    let too_long = |operand| Err(CoreError::TooLong { operand, limit, received });
    assert_eq!(many(&codes, &[], &mut []), too_long(Operand::Probe));
    let block = cosine_block_int8(active(), received, &codes, &[], &mut []);
    assert_eq!(block, too_long(Operand::Probes));
    assert_eq!(many(&codes[1..], &codes[1..], &mut [0.0]), Ok(()));
}

#[test]
fn no_references_give_no_scores() {
    assert_eq!(cosine_many(active(), &[1.0, 2.0], &[], &mut []), Ok(()));
}

#[test]
fn parallel_vectors_score_exactly_one_or_minus_one() {
    assert_eq!(cosine(active(), &[3.0, 4.0], &[3.0, 4.0]), Ok(1.0));
    assert_eq!(cosine(active(), &[3.0, 4.0], &[-3.0, -4.0]), Ok(-1.0));
    let mut vector = [3.0, 4.0];
    l2_normalize(active(), &mut vector).expect("good values");
    assert_eq!(vector, [0.6, 0.8]);
}

#[test]
fn rows_before_a_culprit_are_normalised_and_those_after_untouched() {
    let mut matrix = [3.0, 4.0, 0.0, 0.0, 3.0, 4.0];
    let error = CoreError::ZeroNorm { operand: Operand::X, row: 1 };
    assert_eq!(l2_normalize_rows(active(), &mut matrix, 2), Err(error));
    assert_eq!(matrix, [0.6, 0.8, 0.0, 0.0, 3.0, 4.0]);
}

#[test]
fn an_instruction_set_is_named_or_refused() {
    for isa in Isa::ALL {
        assert_eq!(Isa::named(isa.name()), Ok(isa));
    }
    let error = Isa::named("mmx").expect_err("unknown");
    assert_eq!(error, CoreError::UnknownIsa { received: "mmx".into() });
    assert!(error.to_string().contains("scalar, neon, avx2, avxvnni, avx512, avx512vnni, amx"));
    assert!(active().isa().is_available());
}
