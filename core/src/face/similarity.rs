//! The rotation, scale and shift between two sets of points.

/// x and y.
pub type Point = [f64; 2];

/// `z -> turn z + shift`, in complex numbers: no reflection can be one, so a mirrored set of
/// landmarks is never silently flipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Cosine and sine of the rotation, times the scale.
    pub turn: Point,
    /// What is added.
    pub shift: Point,
}

impl Similarity {
    /// The one that brings `source` nearest to `target` by least squares; `None` where the points of
    /// `source` fall together or are not finite. Read as complex numbers, `turn` is a ratio of two
    /// sums. The shorter of the two ends both.
    pub fn between(source: &[Point], target: &[Point]) -> Option<Self> {
        let from = mean(source);
        let to = mean(target);
        let (mut spread, mut real, mut imaginary) = (0.0, 0.0, 0.0);
        for (z, w) in source.iter().zip(target) {
            let z = [z[0] - from[0], z[1] - from[1]];
            let w = [w[0] - to[0], w[1] - to[1]];
            spread += z[0] * z[0] + z[1] * z[1];
            real += z[0] * w[0] + z[1] * w[1];
            imaginary += z[0] * w[1] - z[1] * w[0];
        }
        // Squares of pixels. A NaN is not above it either.
        if !(spread > 1e-6 && spread.is_finite()) {
            return None;
        }
        let turn = [real / spread, imaginary / spread];
        let moved = Self { turn, shift: [0.0; 2] }.apply(from);
        Some(Self { turn, shift: [to[0] - moved[0], to[1] - moved[1]] })
    }

    /// Where a point goes.
    pub fn apply(&self, point: Point) -> Point {
        let [cosine, sine] = self.turn;
        [
            cosine * point[0] - sine * point[1] + self.shift[0],
            sine * point[0] + cosine * point[1] + self.shift[1],
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "a face has tens of points")]
fn mean(points: &[Point]) -> Point {
    let mut sum = [0.0; 2];
    for point in points {
        sum = [sum[0] + point[0], sum[1] + point[1]];
    }
    sum.map(|total| total / points.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOURCE: [Point; 3] = [[0.0, 0.0], [10.0, 0.0], [3.0, 7.0]];

    proptest! {
        #[test]
        fn it_is_found_again(turn in any::<[i8; 2]>(), shift in any::<[i16; 2]>()) {
            prop_assume!(turn != [0, 0]);
            let made = Similarity { turn: turn.map(f64::from), shift: shift.map(f64::from) };
            let found = Similarity::between(&SOURCE, &SOURCE.map(|z| made.apply(z))).unwrap();
            for point in SOURCE {
                let (expected, received) = (made.apply(point), found.apply(point));
                prop_assert!((expected[0] - received[0]).hypot(expected[1] - received[1]) < 1e-6);
            }
        }
    }

    #[test]
    fn points_that_fall_together_have_none() {
        assert_eq!(Similarity::between(&[[5.0, 5.0]; 3], &SOURCE), None);
        assert_eq!(Similarity::between(&[[f64::NAN; 2]; 3], &SOURCE), None);
        assert_eq!(Similarity::between(&[[0.0; 2], [f64::INFINITY; 2]], &SOURCE), None);
    }
}
