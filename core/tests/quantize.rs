//! Codes are what `quantize_rows` promises.

use govid_core::{CoreError, Operand, quantize_rows};
use proptest::prelude::*;

fn quantize(row: &[f32]) -> Vec<i8> {
    let mut codes = vec![i8::MIN; row.len()];
    quantize_rows(row, row.len(), &mut codes).expect("good values");
    codes
}

#[test]
fn the_largest_magnitude_becomes_127_and_halves_go_to_even() {
    assert_eq!(quantize(&[1.0, -1.0, 0.0, 0.25]), [127, -127, 0, 32]);
    assert_eq!(quantize(&[254.0, 1.0, 3.0, -1.0, -3.0]), [127, 0, 2, 0, -2]);
    assert_eq!(quantize(&[-0.0, f32::MAX, f32::MIN]), [0, 127, -127]);
    // Subnormal, as the largest and beside it.
    assert_eq!(quantize(&[1e-45, -1e-44]), [18, -127]);
    assert_eq!(quantize(&[1e-45, 1.0]), [0, 127]);
}

#[test]
fn each_row_has_its_own_scale() {
    let mut codes = [0; 4];
    quantize_rows(&[1.0, 0.5, 1e30, -1e30], 2, &mut codes).expect("good values");
    assert_eq!(codes, [127, 64, 127, -127]);
}

#[test]
fn culprits_are_named() {
    let operand = Operand::X;
    let mut codes = [0; 6];
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let matrix = [1.0, 2.0, 3.0, value, 0.0, 0.0];
        let error = CoreError::NonFinite { operand, row: 1, index: 1 };
        assert_eq!(quantize_rows(&matrix, 2, &mut codes), Err(error));
    }
    let matrix = [1.0, 2.0, 0.0, -0.0, 1.0, 1.0];
    let error = CoreError::ZeroNorm { operand, row: 1 };
    assert_eq!(quantize_rows(&matrix, 2, &mut codes), Err(error));
    assert_eq!(quantize_rows(&matrix, 0, &mut codes), Err(CoreError::Empty { operand }));
    let error = CoreError::LengthMismatch { operand, expected: 4, received: 6 };
    assert_eq!(quantize_rows(&matrix, 4, &mut codes), Err(error));
    let error = CoreError::LengthMismatch { operand: Operand::Out, expected: 6, received: 5 };
    assert_eq!(quantize_rows(&matrix, 2, &mut codes[..5]), Err(error));
}

proptest! {
    #[test]
    fn codes_are_rounded_products(row in prop::collection::vec(-1e3_f32..1e3, 1..600)) {
        let largest = row.iter().fold(0.0, |largest: f64, x| largest.max(f64::from(x.abs())));
        prop_assume!(largest > 0.0);
        for (code, x) in quantize(&row).into_iter().zip(&row) {
            let exact = 127.0 / largest * f64::from(*x);
            prop_assert_eq!(i32::from(code), exact.round_ties_even() as i32);
        }
    }
}
