//! Grey pixels -> what a blur takes away, and the traces of a coder of blocks.

use crate::error::{CoreError, Operand};

/// JPEG codes blocks of so many pixels a side.
const BLOCK: usize = 8;

/// Standard deviations in levels of grey over the chosen pixels: of the picture, and of what a blur
/// along rows and a blur along columns take away from it.
///
/// `grey` has `width` pixels a row; `kernel` is the half of an odd, symmetric kernel from its middle
/// on; the picture goes on beyond its edges as its mirror image, which does not repeat the edge.
///
/// # Errors
/// `LengthMismatch`: the rows are not of one length, the kernel reaches across the picture, or a
/// place is beyond it.
pub fn blur_loss(
    grey: &[u8],
    width: usize,
    kernel: &[f32],
    places: &[i64],
) -> Result<[f64; 3], CoreError> {
    let height = grey.len().checked_div(width).unwrap_or(0);
    let reach = kernel.len().saturating_sub(1);
    if kernel.is_empty() || reach >= width.min(height) || width * height != grey.len() {
        return Err(mismatch(Operand::Picture, (reach + 1) * (reach + 1), grey.len()));
    }
    let picture: Vec<f32> = grey.iter().copied().map(f32::from).collect();
    let mut along_rows = vec![0.0; grey.len()];
    let mut along_columns = vec![0.0; grey.len()];
    let mut row = vec![0.0; width + 2 * reach];
    for y in 0..height {
        let whole = &picture[y * width..][..width];
        row[reach..reach + width].copy_from_slice(whole);
        for step in 1..=reach {
            row[reach - step] = whole[step];
            row[reach + width - 1 + step] = whole[width - 1 - step];
        }
        let lost = &mut along_rows[y * width..][..width];
        lose(lost, whole, kernel, |step| {
            (&row[reach - step..][..width], &row[reach + step..][..width])
        });
        let lost = &mut along_columns[y * width..][..width];
        lose(lost, whole, kernel, |step| {
            let above = y.abs_diff(step);
            let below = if y + step < height { y + step } else { 2 * (height - 1) - y - step };
            (&picture[above * width..][..width], &picture[below * width..][..width])
        });
    }
    Ok([
        deviation(&picture, places)?,
        deviation(&along_rows, places)?,
        deviation(&along_columns, places)?,
    ])
}

/// A row less its blur: `pair` gives the two rows so many steps to either side of it.
fn lose<'a>(
    lost: &mut [f32],
    whole: &[f32],
    kernel: &[f32],
    pair: impl Fn(usize) -> (&'a [f32], &'a [f32]),
) {
    for (lost, value) in lost.iter_mut().zip(whole) {
        *lost = value - kernel[0] * value;
    }
    for (step, weight) in kernel.iter().enumerate().skip(1) {
        let (before, after) = pair(step);
        for ((lost, before), after) in lost.iter_mut().zip(before).zip(after) {
            *lost -= weight * (before + after);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a picture has far less than 2^52 pixels")]
fn deviation(values: &[f32], places: &[i64]) -> Result<f64, CoreError> {
    let (mut sum, mut squares) = (0.0, 0.0);
    for &place in places {
        let value = usize::try_from(place).ok().and_then(|place| values.get(place));
        let value = f64::from(*value.ok_or_else(|| mismatch(Operand::Places, values.len(), 0))?);
        sum += value;
        squares += value * value;
    }
    let count = places.len().max(1) as f64;
    let mean = sum / count;
    Ok((squares / count - mean * mean).max(0.0).sqrt())
}

/// How much more neighbours differ at every eighth column than beside it, over the mean difference,
/// and the same of the rows. Wherever the edges of the blocks lie, they are found.
///
/// # Errors
/// `LengthMismatch`: the rows are not of one length, or a side is shorter than three blocks.
pub fn block_steps(grey: &[u8], width: usize) -> Result<[f64; 2], CoreError> {
    let height = grey.len().checked_div(width).unwrap_or(0);
    if width.min(height) < 3 * BLOCK || width * height != grey.len() {
        return Err(mismatch(Operand::Picture, 9 * BLOCK * BLOCK, grey.len()));
    }
    let mut columns = vec![0_u32; width - 1];
    let mut rows = Vec::with_capacity(height - 1);
    for (y, row) in grey.chunks_exact(width).enumerate() {
        for (sum, pair) in columns.iter_mut().zip(row.windows(2)) {
            *sum += u32::from(pair[0].abs_diff(pair[1]));
        }
        if let Some(next) = grey.get((y + 1) * width..(y + 2) * width) {
            rows.push(row.iter().zip(next).map(|(a, b)| u32::from(a.abs_diff(*b))).sum());
        }
    }
    Ok([steps(&columns, height), steps(&rows, width)])
}

/// The strongest of the eight places an edge of blocks can have. `sums` are of `count` differences.
#[expect(clippy::cast_precision_loss, reason = "a patch has a few thousand pixels")]
fn steps(sums: &[u32], count: usize) -> f64 {
    let means: Vec<f64> = sums.iter().map(|sum| f64::from(*sum) / count as f64).collect();
    let (mut excess, mut number) = ([0.0; BLOCK], [0.0_f64; BLOCK]);
    for (place, three) in means.windows(3).enumerate() {
        excess[place % BLOCK] += three[1] - f64::midpoint(three[0], three[2]);
        number[place % BLOCK] += 1.0;
    }
    let strongest = (0..BLOCK).map(|phase| excess[phase] / number[phase]).fold(0.0, f64::max);
    // One level of grey keeps a flat patch from dividing by nothing.
    strongest / (means.iter().sum::<f64>() / means.len() as f64 + 1.0)
}

const fn mismatch(operand: Operand, expected: usize, received: usize) -> CoreError {
    CoreError::LengthMismatch { operand, expected, received }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KERNEL: [f32; 3] = [0.4, 0.2, 0.1];

    /// The blur by its definition, pixel by pixel.
    fn by_definition(grey: &[u8], width: usize, along_rows: bool) -> Vec<f64> {
        let height = grey.len() / width;
        let mirror = |place: i64, side: usize| {
            let last = i64::try_from(side).unwrap() - 1;
            usize::try_from(last - (last - place.abs()).abs()).unwrap()
        };
        (0..grey.len())
            .map(|place| {
                let (x, y) = (place % width, place / width);
                let mut lost = f64::from(grey[place]);
                for step in -2_i64..=2 {
                    let (dx, dy) = if along_rows { (step, 0) } else { (0, step) };
                    let x = mirror(i64::try_from(x).unwrap() + dx, width);
                    let y = mirror(i64::try_from(y).unwrap() + dy, height);
                    let weight = KERNEL[usize::try_from(step.abs()).unwrap()];
                    lost -= f64::from(weight) * f64::from(grey[y * width + x]);
                }
                lost
            })
            .collect()
    }

    fn spread(values: &[f64]) -> f64 {
        let count = f64::from(u32::try_from(values.len()).unwrap());
        let mean = values.iter().sum::<f64>() / count;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt()
    }

    proptest! {
        #[test]
        fn a_blur_takes_away_what_its_definition_says(
            width in 3_usize..9, grey in proptest::collection::vec(any::<u8>(), 72)
        ) {
            let grey = &grey[..grey.len() / width * width];
            let places: Vec<i64> = (0..i64::try_from(grey.len()).unwrap()).collect();
            let found = blur_loss(grey, width, &KERNEL, &places).unwrap();
            let whole: Vec<f64> = grey.iter().map(|v| f64::from(*v)).collect();
            prop_assert!((found[0] - spread(&whole)).abs() < 1e-2);
            prop_assert!((found[1] - spread(&by_definition(grey, width, true))).abs() < 1e-2);
            prop_assert!((found[2] - spread(&by_definition(grey, width, false))).abs() < 1e-2);
        }
    }

    #[test]
    fn the_edges_of_blocks_are_found_wherever_they_lie() {
        for offset in 0..BLOCK {
            let level = |x: usize| u8::from((x + offset) / BLOCK % 2 == 1) * 80;
            let columns: Vec<u8> = (0..48 * 48).map(|place| level(place % 48)).collect();
            let rows: Vec<u8> = (0..48 * 48).map(|place| level(place / 48)).collect();
            let [found, none] = block_steps(&columns, 48).unwrap();
            assert!(found > 5.0 && none.abs() < 1e-9);
            let [none, other] = block_steps(&rows, 48).unwrap();
            assert!((found - other).abs() < 1e-9 && none.abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(block_steps(&[0; 23 * 40], 23).is_err());
        assert!(block_steps(&[0; 100], 0).is_err());
        assert!(block_steps(&[0; 24 * 24 + 1], 24).is_err());
        assert!(blur_loss(&[0; 10], 0, &KERNEL, &[]).is_err());
        assert!(blur_loss(&[0; 10], 5, &KERNEL, &[]).is_err());
        assert!(blur_loss(&[0; 9], 3, &[], &[0]).is_err());
        assert!(blur_loss(&[0; 9], 3, &KERNEL, &[9]).is_err());
        assert!(blur_loss(&[0; 9], 3, &KERNEL, &[-1]).is_err());
    }
}
