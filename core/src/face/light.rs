//! Crop -> how much of the face has which luminance.

/// Levels of linear luminance, and of each colour of a pixel.
pub const LEVELS: usize = 256;

/// How many of the chosen pixels have each level of luminance, rounded to the nearest.
///
/// `crop` holds pixels of red, green and blue; `parts` what each level of each of them adds to the
/// luminance, from 0 to 255 in all; `places` the pixels that count. Those beyond the crop do not.
pub fn luminance_histogram(
    crop: &[[u8; 3]],
    parts: &[[f32; LEVELS]; 3],
    places: &[i64],
) -> [u32; LEVELS] {
    let mut levels = [0; LEVELS];
    for &place in places {
        let Some(pixel) = usize::try_from(place).ok().and_then(|place| crop.get(place)) else {
            continue;
        };
        let [red, green, blue] = pixel.map(usize::from);
        let luminance = parts[0][red] + parts[1][green] + parts[2][blue];
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates"
        )]
        let level = (luminance + 0.5) as u8;
        levels[usize::from(level)] += 1;
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "levels are small")]
    fn chosen_pixels_are_counted_at_their_level() {
        let whole: [f32; LEVELS] = std::array::from_fn(|level| level as f32 / 3.0);
        let crop = [[30, 60, 90], [255, 255, 255], [0, 0, 1]];
        let levels = luminance_histogram(&crop, &[whole; 3], &[0, 1, 1, 2, 3, -1]);
        assert_eq!((levels[60], levels[255], levels[0]), (1, 2, 1));
        assert_eq!(levels.iter().sum::<u32>(), 4);
    }
}
