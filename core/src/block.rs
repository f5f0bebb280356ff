//! Many probes against many references.
//!
//! A group of references stays in the first cache while a larger group of probes, which stays in
//! the second one, goes over it: memory is read once for so many probes.

use crate::check::{exact_square_sum, trusted};
use crate::cosine::cosine;
use crate::error::{CoreError, Operand};
use crate::kernels::Kernels;

/// Bytes of a group of references: with the few probes of a tile, a first cache.
const REFERENCE_BYTES: usize = 24 << 10;

/// Bytes of a group of probes: a quarter of a second cache.
const PROBE_BYTES: usize = 128 << 10;

/// What the tiles of every instruction set divide.
const WHOLE_TILES: usize = 12;

/// Comparison scores of each probe with each reference, in [-1, 1]: a row of `out` for each probe.
/// Both matrices are stored row after row, `dimensions` elements each.
///
/// On an error the contents of `out` are unspecified. Without probes, no reference is checked.
///
/// # Errors
/// `Empty`, `LengthMismatch`, `NonFinite`, `ZeroNorm`.
pub fn cosine_block(
    kernels: &Kernels,
    dimensions: usize,
    probes: &[f32],
    references: &[f32],
    out: &mut [f32],
) -> Result<(), CoreError> {
    check_lengths(dimensions, probes, references, out)?;
    // Rows of finite values whose sums in f32 cannot be trusted.
    let mut apart = Vec::new();
    let invert_norms = |operand, first: usize, rows: &[f32], inverse_norms: &mut [f32]| {
        for (i, (row, inverse)) in rows.chunks_exact(dimensions).zip(inverse_norms).enumerate() {
            let square_sum = kernels.square_sum(row);
            if !trusted(square_sum) {
                exact_square_sum(row, operand, first + i)?;
                apart.push((operand, first + i));
            }
            *inverse = (1.0 / square_sum.sqrt()) as f32;
        }
        Ok(())
    };
    let multiply = |probes: &[f32], references: &[f32], dots: &mut [f32]| {
        kernels.block(probes, references, dimensions, dots);
    };
    fill(dimensions, probes, references, out, invert_norms, multiply, |dot| dot)?;

    let columns = references.len() / dimensions;
    for (operand, number) in apart {
        let row = number * dimensions..(number + 1) * dimensions;
        if operand == Operand::Probes {
            let probe = &probes[row];
            for (j, reference) in references.chunks_exact(dimensions).enumerate() {
                out[number * columns + j] = cosine(kernels, probe, reference)? as f32;
            }
        } else {
            let reference = &references[row];
            for (i, probe) in probes.chunks_exact(dimensions).enumerate() {
                out[i * columns + number] = cosine(kernels, probe, reference)? as f32;
            }
        }
    }
    Ok(())
}

/// The dimensions are not 0, the rows are whole and `out` has a place for each pair.
pub(crate) fn check_lengths<T>(
    dimensions: usize,
    probes: &[T],
    references: &[T],
    out: &[f32],
) -> Result<(), CoreError> {
    if dimensions == 0 {
        return Err(CoreError::Empty { operand: Operand::Probes });
    }
    let whole = |len: usize| len - len % dimensions;
    // Saturation cannot hide a mismatch: no slice of f32 has usize::MAX elements.
    let pairs = (probes.len() / dimensions).saturating_mul(references.len() / dimensions);
    for (operand, expected, received) in [
        (Operand::Probes, whole(probes.len()), probes.len()),
        (Operand::References, whole(references.len()), references.len()),
        (Operand::Out, pairs, out.len()),
    ] {
        if expected != received {
            return Err(CoreError::LengthMismatch { operand, expected, received });
        }
    }
    Ok(())
}

/// The walk over the groups. `invert_norms` gets an operand, the number of its first row, the rows,
/// and writes 1 / norm for each of them, once; `multiply` is a block kernel.
pub(crate) fn fill<T, S: Copy + Default>(
    dimensions: usize,
    probes: &[T],
    references: &[T],
    out: &mut [f32],
    mut invert_norms: impl FnMut(Operand, usize, &[T], &mut [f32]) -> Result<(), CoreError>,
    multiply: impl Fn(&[T], &[T], &mut [S]),
    to_f32: impl Fn(S) -> f32,
) -> Result<(), CoreError> {
    let mut probe_inverses = vec![0.0; probes.len() / dimensions];
    invert_norms(Operand::Probes, 0, probes, &mut probe_inverses)?;
    let columns = references.len() / dimensions;
    let mut reference_inverses = vec![0.0; columns];

    let row_bytes = dimensions * size_of::<T>();
    let probes_at_once = (PROBE_BYTES / row_bytes).clamp(1, 64);
    let references_at_once = (REFERENCE_BYTES / row_bytes / WHOLE_TILES).clamp(1, 4) * WHOLE_TILES;
    let mut dots = vec![S::default(); probes_at_once * references_at_once];
    for (i, probes) in probes.chunks(probes_at_once * dimensions).enumerate() {
        let first_probe = i * probes_at_once;
        for (j, references) in references.chunks(references_at_once * dimensions).enumerate() {
            let first = j * references_at_once;
            let count = references.len() / dimensions;
            let reference_inverses = &mut reference_inverses[first..][..count];
            if i == 0 {
                invert_norms(Operand::References, first, references, reference_inverses)?;
            }
            let dots = &mut dots[..probes.len() / dimensions * count];
            multiply(probes, references, dots);
            for (probe, dots) in dots.chunks_exact(count).enumerate() {
                let probe = first_probe + probe;
                let scores = &mut out[probe * columns + first..][..count];
                for ((score, dot), inverse) in scores.iter_mut().zip(dots).zip(&*reference_inverses)
                {
                    *score = to_score(to_f32(*dot), probe_inverses[probe], *inverse);
                }
            }
        }
    }
    Ok(())
}

/// Rounding may carry parallel vectors a hair past 1.
#[inline]
pub(crate) fn to_score(dot: f32, probe_inverse: f32, reference_inverse: f32) -> f32 {
    (dot * probe_inverse * reference_inverse).clamp(-1.0, 1.0)
}
