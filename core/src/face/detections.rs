//! `YuNet`'s outputs -> faces in pixels of the picture (Wu, Peng, Yu 2023, "`YuNet`: A Tiny
//! Millisecond-level Face Detector").

use crate::error::{CoreError, Operand};

/// Sides in pixels of the cells of the three heads.
pub const STRIDES: [usize; 3] = [8, 16, 32];
/// Numbers of a detection: score; x, y, width and height of its box; x and y of five landmarks.
pub const DETECTION: usize = 15;
const POINTS: usize = 5;

/// What the network says of each cell of one stride, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// Likelihood of a face, one a cell.
    pub class: &'a [f32],
    /// Likelihood of an object, one a cell.
    pub object: &'a [f32],
    /// Shift of the centre in cells, and logarithm of width and height in cells: four a cell.
    pub bounds: &'a [f32],
    /// Shifts of the landmarks in cells, x and y: ten a cell.
    pub points: &'a [f32],
}

/// How the network's input shows the picture.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Width and height of the input in pixels, each a multiple of the largest stride.
    pub sides: [usize; 2],
    /// Pixels of the picture for each pixel of the input, along x and y.
    pub stretch: [f32; 2],
}

/// Faces of at least `min_score`, best first, in pixels of the picture. Of those that share more
/// than `max_overlap` of the area they cover together, the best alone stays. A face that is not
/// finite is none.
///
/// # Errors
/// `LengthMismatch`: an output has not the length that the view asks for.
pub fn detections(
    heads: &[Heads<'_>; STRIDES.len()],
    view: View,
    min_score: f32,
    max_overlap: f64,
) -> Result<Vec<[f32; DETECTION]>, CoreError> {
    let mut found = Vec::new();
    for (heads, stride) in heads.iter().zip(STRIDES) {
        let (columns, rows) = (view.sides[0] / stride, view.sides[1] / stride);
        let cells = columns * rows;
        check(heads, cells)?;
        for cell in 0..cells {
            let score =
                (heads.class[cell].clamp(0.0, 1.0) * heads.object[cell].clamp(0.0, 1.0)).sqrt();
            if score >= min_score {
                let corner = [cell % columns * stride, cell / columns * stride];
                let face = detection(heads, cell, score, corner, stride, view.stretch);
                if face.iter().all(|number| number.is_finite()) {
                    found.push(face);
                }
            }
        }
    }
    Ok(without_overlaps(found, max_overlap))
}

fn check(heads: &Heads<'_>, cells: usize) -> Result<(), CoreError> {
    for (numbers, expected) in [
        (heads.class, cells),
        (heads.object, cells),
        (heads.bounds, 4 * cells),
        (heads.points, 2 * POINTS * cells),
    ] {
        if numbers.len() != expected {
            return Err(CoreError::LengthMismatch {
                operand: Operand::Heads,
                expected,
                received: numbers.len(),
            });
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sides of pictures are far below 2^24")]
fn detection(
    heads: &Heads<'_>,
    cell: usize,
    score: f32,
    corner: [usize; 2],
    stride: usize,
    stretch: [f32; 2],
) -> [f32; DETECTION] {
    let stride = stride as f32;
    let bounds = &heads.bounds[4 * cell..][..4];
    let points = &heads.points[2 * POINTS * cell..][..2 * POINTS];
    let mut face = [score; DETECTION];
    for axis in 0..2 {
        let corner = corner[axis] as f32;
        // Centres of pixels, not their corners, lie on whole numbers.
        let shift = (stretch[axis] - 1.0) / 2.0;
        let size = bounds[2 + axis].exp() * stride;
        let start = bounds[axis] * stride + corner - size / 2.0;
        face[1 + axis] = start * stretch[axis] + shift;
        face[3 + axis] = size * stretch[axis];
        for point in 0..POINTS {
            let place = points[2 * point + axis] * stride + corner;
            face[5 + 2 * point + axis] = place * stretch[axis] + shift;
        }
    }
    face
}

/// Non-maximum suppression: the best of each group that overlaps, best first.
fn without_overlaps(mut found: Vec<[f32; DETECTION]>, limit: f64) -> Vec<[f32; DETECTION]> {
    found.sort_by(|a, b| b[0].total_cmp(&a[0]));
    let mut kept: Vec<[f32; DETECTION]> = Vec::new();
    for face in found {
        if kept.iter().all(|better| overlap(&face, better) <= limit) {
            kept.push(face);
        }
    }
    kept
}

/// Shared area over covered area, in [0, 1].
fn overlap(a: &[f32; DETECTION], b: &[f32; DETECTION]) -> f64 {
    let mut shared = 1.0;
    for axis in 1..3 {
        let start = f64::from(a[axis].max(b[axis]));
        let end = (f64::from(a[axis]) + f64::from(a[axis + 2]))
            .min(f64::from(b[axis]) + f64::from(b[axis + 2]));
        shared *= (end - start).max(0.0);
    }
    let covered = area(a) + area(b) - shared;
    // Two boxes without area are one point to a comparison of areas.
    if covered > 0.0 { shared / covered } else { 1.0 }
}

fn area(face: &[f32; DETECTION]) -> f64 {
    f64::from(face[3]) * f64::from(face[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(score: f32, x: f32) -> [f32; DETECTION] {
        let mut face = [0.0; DETECTION];
        face[..5].copy_from_slice(&[score, x, 0.0, 10.0, 10.0]);
        face
    }

    #[test]
    fn the_best_of_each_overlapping_group_is_kept() {
        let found = vec![face(0.7, 1.0), face(0.9, 0.0), face(0.8, 30.0), face(0.6, 31.0)];
        let kept = without_overlaps(found, 0.3);
        assert_eq!(kept, [face(0.9, 0.0), face(0.8, 30.0)]);
        assert!(without_overlaps(Vec::new(), 0.3).is_empty());
    }

    #[test]
    fn boxes_that_share_less_than_the_limit_both_stay() {
        let found = vec![face(0.9, 0.0), face(0.8, 6.0)];
        assert_eq!(without_overlaps(found.clone(), 0.3), found);
        assert_eq!(without_overlaps(found, 0.2).len(), 1);
    }

    #[test]
    fn a_face_of_the_network_lies_where_its_cell_is() {
        let sides = [64, 32];
        let class: Vec<Vec<f32>> = STRIDES.iter().map(|s| vec![0.0; 64 / s * (32 / s)]).collect();
        let mut object = class.clone();
        let mut scores = class.clone();
        // Column 1 of row 1 of the cells of 16 pixels.
        (scores[1][5], object[1][5]) = (1.0, 0.81);
        let zeros: Vec<f32> = vec![0.0; 10 * 32];
        let heads = std::array::from_fn(|i| {
            let cells = class[i].len();
            Heads {
                class: &scores[i],
                object: &object[i],
                bounds: &zeros[..4 * cells],
                points: &zeros[..10 * cells],
            }
        });
        let view = View { sides, stretch: [2.0, 3.0] };
        let found = detections(&heads, view, 0.5, 0.3).unwrap();
        let place = [16.0 * 2.0 + 0.5, 16.0 * 3.0 + 1.0];
        let mut expected = [0.9, 8.0 * 2.0 + 0.5, 8.0 * 3.0 + 1.0, 32.0, 48.0].to_vec();
        expected.extend(place.repeat(POINTS));
        for (received, expected) in found[0].iter().zip(&expected) {
            assert!((received - expected).abs() < 1e-5);
        }
        assert_eq!(found.len(), 1);
        assert!(detections(&heads, view, 0.95, 0.3).unwrap().is_empty());
    }

    #[test]
    fn an_output_of_another_length_and_a_face_that_is_not_finite_are_refused() {
        let (ones, huge) = ([1.0; 160], [f32::INFINITY; 160]);
        let heads = |cells: [usize; 3], bounds| {
            cells.map(|n| Heads {
                class: &ones[..n],
                object: &ones[..n],
                bounds: &<[f32; 160]>::as_slice(bounds)[..4 * n],
                points: &ones[..10 * n],
            })
        };
        let view = View { sides: [32, 32], stretch: [1.0; 2] };
        assert!(detections(&heads([16, 4, 1], &huge), view, 0.5, 0.3).unwrap().is_empty());
        let error = detections(&heads([16, 4, 2], &ones), view, 0.5, 0.3).unwrap_err();
        assert_eq!(error.slug(), "length-mismatch");
        assert_eq!(error.operand(), Some(Operand::Heads));
    }
}
