//! Landmarks -> where the head points, as a camera far away sees it.

use crate::error::{CoreError, Operand};
use crate::face::similarity::Point;

type Vector = [f64; 3];
type Rotation = [Vector; 3];

/// After these the angles of 300 LFW photos move by less than 0.3 degrees; most end sooner.
const ROUNDS: usize = 8;
/// Radians and parts of the scale: a further step would move no angle by a tenth of a degree.
const SMALL_STEP: f64 = 1e-3;
/// Keeps a step finite where the points lie on a line.
const DAMPING: f64 = 1e-9;

/// A known head, and how to start from it.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Its points, their mean zero and the sum of their squares one.
    pub points: &'a [[f64; 3]],
    /// Their pseudo-inverse: three rows, a number a point.
    pub inverse: &'a [f64],
}

/// Degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Angles {
    /// Positive when the nose moves right in the picture.
    pub yaw: f64,
    /// Positive when the head goes down.
    pub pitch: f64,
    /// Positive when the head tilts clockwise as the picture is seen.
    pub roll: f64,
}

/// The angles that bring the head nearest to the points it is seen at: least squares over rotation,
/// scale and shift, by Gauss and Newton from the best affine map. `None` where the points fall
/// together or are not finite.
///
/// # Errors
/// `LengthMismatch`: the shape has another number of points.
pub fn head_pose(seen: &[Point], shape: Shape<'_>) -> Result<Option<Angles>, CoreError> {
    let count = shape.points.len();
    for (operand, received) in
        [(Operand::Points, seen.len()), (Operand::Inverse, shape.inverse.len() / 3)]
    {
        if received != count || !shape.inverse.len().is_multiple_of(3) {
            return Err(CoreError::LengthMismatch { operand, expected: count, received });
        }
    }
    let Some(seen) = centred(seen) else { return Ok(None) };
    let mut affine = [[0.0; 3]; 2];
    for (axis, row) in affine.iter_mut().enumerate() {
        for (number, weights) in row.iter_mut().zip(shape.inverse.chunks_exact(count)) {
            *number = weights.iter().zip(&seen).map(|(weight, point)| weight * point[axis]).sum();
        }
    }
    let mut rotation = nearest_rotation(affine);
    let mut scale = 1.0;
    for _ in 0..ROUNDS {
        let Some(step) = step(&seen, shape.points, &rotation, scale) else { break };
        rotation = product(&turn([step[0], step[1], step[2]]), &rotation);
        scale += step[3];
        if step.iter().all(|part| part.abs() < SMALL_STEP) {
            break;
        }
    }
    Ok(Some(angles(&rotation)))
}

/// The points about their mean, the sum of their squares one.
fn centred(points: &[Point]) -> Option<Vec<Point>> {
    #[expect(clippy::cast_precision_loss, reason = "a face has tens of points")]
    let count = points.len() as f64;
    let mean = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / count);
    let mut centred: Vec<Point> =
        points.iter().map(|point| [point[0] - mean[0], point[1] - mean[1]]).collect();
    let size = centred.iter().map(|[x, y]| x * x + y * y).sum::<f64>().sqrt();
    for point in &mut centred {
        *point = point.map(|part| part / size);
    }
    (size > 0.0 && size.is_finite()).then_some(centred)
}

/// The rotation whose first two rows are nearest to those given: `(A A^T)^(-1/2) A`, with the square
/// root of a matrix of two by two in closed form, and what stands upright on both.
fn nearest_rotation(rows: [Vector; 2]) -> Rotation {
    let (p, q, r) = (dot(&rows[0], &rows[0]), dot(&rows[0], &rows[1]), dot(&rows[1], &rows[1]));
    let root = (p * r - q * q).max(0.0).sqrt();
    // The root is the product of the two stretches, and this is their sum: squashed onto a line, rows
    // have no nearest rotation, and any will do to start from.
    let stretch = (p + r + 2.0 * root).sqrt();
    if root <= 1e-12 * stretch * stretch || stretch == 0.0 {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let part = |weight: f64, other: f64| {
        let combined = |axis: usize| weight * rows[0][axis] + other * rows[1][axis];
        [0, 1, 2].map(|axis| combined(axis) / (root * stretch))
    };
    let (first, second) = (part(r + root, -q), part(-q, p + root));
    [first, second, cross(&first, &second)]
}

/// The small turn about x, y and z, and the change of the scale, that bring the head nearer.
fn step(seen: &[Point], points: &[Vector], rotation: &Rotation, scale: f64) -> Option<[f64; 4]> {
    let mut normal = [[0.0; 4]; 4];
    let mut wanted = [0.0; 4];
    for (seen, point) in seen.iter().zip(points) {
        let [x, y, z] = [0, 1, 2].map(|axis| dot(&rotation[axis], point));
        // How the picture of this point moves with each of the four.
        let slopes = [[0.0, -z * scale], [z * scale, 0.0], [-y * scale, x * scale], [x, y]];
        let missing = [seen[0] - scale * x, seen[1] - scale * y];
        for (row, slope) in slopes.iter().enumerate() {
            wanted[row] += slope[0] * missing[0] + slope[1] * missing[1];
            for (column, other) in slopes.iter().enumerate() {
                normal[row][column] += slope[0] * other[0] + slope[1] * other[1];
            }
        }
    }
    for (index, row) in normal.iter_mut().enumerate() {
        row[index] += DAMPING;
    }
    solve(normal, wanted)
}

/// Gaussian elimination with the largest pivot of each column.
fn solve(mut matrix: [[f64; 4]; 4], mut wanted: [f64; 4]) -> Option<[f64; 4]> {
    for column in 0..4 {
        let pivot = (column..4)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        matrix.swap(column, pivot);
        wanted.swap(column, pivot);
        let pivot = matrix[column];
        if pivot[column] == 0.0 {
            return None;
        }
        for row in column + 1..4 {
            let factor = matrix[row][column] / pivot[column];
            for (number, above) in matrix[row].iter_mut().zip(pivot) {
                *number -= factor * above;
            }
            wanted[row] -= factor * wanted[column];
        }
    }
    for row in (0..4).rev() {
        let known: f64 = (row + 1..4).map(|column| matrix[row][column] * wanted[column]).sum();
        wanted[row] = (wanted[row] - known) / matrix[row][row];
    }
    wanted.iter().all(|part| part.is_finite()).then_some(wanted)
}

/// The rotation about an axis by its length in radians (Rodrigues).
fn turn(axis: Vector) -> Rotation {
    let angle = dot(&axis, &axis).sqrt();
    if angle < f64::EPSILON {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let [x, y, z] = axis.map(|part| part / angle);
    let (sine, cosine) = angle.sin_cos();
    let rest = 1.0 - cosine;
    [
        [cosine + rest * x * x, rest * x * y - sine * z, rest * x * z + sine * y],
        [rest * x * y + sine * z, cosine + rest * y * y, rest * y * z - sine * x],
        [rest * x * z - sine * y, rest * y * z + sine * x, cosine + rest * z * z],
    ]
}

/// Turn, then nod, then tilt: rotation = roll(z) yaw(y) pitch(x), the order of OFIQ's `utils.cpp`.
fn angles(rotation: &Rotation) -> Angles {
    Angles {
        yaw: rotation[2][0].clamp(-1.0, 1.0).asin().to_degrees(),
        pitch: rotation[2][1].atan2(rotation[2][2]).to_degrees(),
        roll: rotation[1][0].atan2(rotation[0][0]).to_degrees(),
    }
}

fn product(left: &Rotation, right: &Rotation) -> Rotation {
    left.map(|row| {
        [0, 1, 2].map(|column| (0..3).map(|index| row[index] * right[index][column]).sum())
    })
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn cross(a: &Vector, b: &Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The corners of a tetrahedron: centred, of unit size, and their own pseudo-inverse, turned.
    fn tetrahedron() -> ([Vector; 4], Vec<f64>) {
        let unit = 1.0 / 12_f64.sqrt();
        let points = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
            .map(|corner| corner.map(|part| f64::from(part) * unit));
        let inverse = (0..3).flat_map(|axis| points.map(|point| 3.0 * point[axis])).collect();
        (points, inverse)
    }

    proptest! {
        #[test]
        fn the_angles_of_a_projected_head_come_back(
            yaw in -80.0..80.0_f64, pitch in -80.0..80.0_f64, roll in -179.0..179.0_f64,
            scale in 0.1..100.0_f64, shift in -1000.0..1000.0_f64,
        ) {
            let (points, inverse) = tetrahedron();
            let about = |axis: usize, degrees: f64| {
                let mut vector = [0.0; 3];
                vector[axis] = degrees.to_radians();
                turn(vector)
            };
            // `angles` reads yaw as minus the turn about y.
            let rotation = product(&about(2, roll), &product(&about(1, -yaw), &about(0, pitch)));
            let seen = points.map(|p| [0, 1].map(|axis| scale * dot(&rotation[axis], &p) + shift));
            let shape = Shape { points: &points, inverse: &inverse };
            let found = head_pose(&seen, shape).unwrap().unwrap();
            prop_assert!((found.yaw - yaw).abs() < 0.01, "{found:?}");
            prop_assert!((found.pitch - pitch).abs() < 0.01, "{found:?}");
            prop_assert!((found.roll - roll).abs() < 0.01, "{found:?}");
        }

        #[test]
        fn any_points_give_finite_angles_or_none(
            seen in any::<[[f32; 2]; 4]>(), flat in any::<bool>()
        ) {
            let (points, inverse) = tetrahedron();
            let seen = seen.map(|[x, y]| [f64::from(x), if flat { 0.0 } else { f64::from(y) }]);
            let shape = Shape { points: &points, inverse: &inverse };
            if let Some(found) = head_pose(&seen, shape).unwrap() {
                prop_assert!(found.yaw.is_finite() && found.pitch.is_finite() && found.roll.is_finite());
            }
        }
    }

    #[test]
    fn points_that_fall_together_and_other_lengths_have_no_pose() {
        let (points, inverse) = tetrahedron();
        let shape = Shape { points: &points, inverse: &inverse };
        assert_eq!(head_pose(&[[7.0, 7.0]; 4], shape), Ok(None));
        assert_eq!(head_pose(&[[f64::NAN, 7.0]; 4], shape), Ok(None));
        assert!(head_pose(&[[7.0, 8.0]; 3], shape).is_err());
        assert!(
            head_pose(&[[7.0, 8.0]; 4], Shape { points: &points, inverse: &[1.0; 11] }).is_err()
        );
    }
}
