//! Python's way to `crate::face`. None of it takes long enough to release the GIL.

use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use super::{Array, Number, new_array, raise, same_length};
use crate::error::{CoreError as Error, Operand};
use crate::face::{self, DETECTION, Heads, LEVELS, Point, STRIDES, Shape, Similarity, View};

/// Faces from the outputs of a detector.
#[expect(clippy::needless_pass_by_value, reason = "pyo3 makes a list of its own")]
#[pyfunction]
#[pyo3(text_signature = "(heads, sides, stretch, min_score, max_overlap)")]
pub(super) fn detections<'py>(
    py: Python<'py>,
    heads: Vec<Bound<'py, PyAny>>,
    sides: [usize; 2],
    stretch: [f32; 2],
    min_score: f32,
    max_overlap: f64,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    same_length(py, Operand::Heads, 4 * STRIDES.len(), heads.len())?;
    let outputs = heads
        .iter()
        .map(|output| Ok(Array::<f32>::input(output, Operand::Heads, 1..=3)?.as_slice()))
        .collect::<PyResult<Vec<_>>>()?;
    let count = STRIDES.len();
    let heads = std::array::from_fn(|stride| Heads {
        class: outputs[stride],
        object: outputs[count + stride],
        bounds: outputs[2 * count + stride],
        points: outputs[3 * count + stride],
    });
    let found = face::detections(&heads, View { sides, stretch }, min_score, max_overlap)
        .map_err(|error| raise(py, &error))?;
    let rows = found.len();
    PyArray1::from_vec(py, found.into_flattened()).reshape([rows, DETECTION])
}

/// The (2, 3) matrix of the similarity that brings `source` nearest to `target`.
#[pyfunction]
pub(super) fn similarity<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (source, target) = (
        rows::<f64, 2>(py, source, Operand::Points)?,
        rows::<f64, 2>(py, target, Operand::Points)?,
    );
    same_length(py, Operand::Points, target.len(), source.len())?;
    let Some(Similarity { turn: [cosine, sine], shift }) = Similarity::between(source, target)
    else {
        return Err(raise(py, &Error::ZeroNorm { operand: Operand::Points, row: 0 }));
    };
    let matrix = vec![cosine, -sine, shift[0], sine, cosine, shift[1]];
    PyArray1::from_vec(py, matrix).reshape([2, 3])
}

/// Yaw, pitch and roll in degrees; None where the points fall together.
#[pyfunction]
pub(super) fn head_pose(
    py: Python<'_>,
    points: &Bound<'_, PyAny>,
    shape: &Bound<'_, PyAny>,
    inverse: &Bound<'_, PyAny>,
) -> PyResult<Option<(f64, f64, f64)>> {
    let seen: &[Point] = rows::<f64, 2>(py, points, Operand::Points)?;
    let shape = Shape {
        points: rows::<f64, 3>(py, shape, Operand::Points)?,
        inverse: Array::<f64>::input(inverse, Operand::Inverse, 2..=2)?.as_slice(),
    };
    let found = face::head_pose(seen, shape).map_err(|error| raise(py, &error))?;
    Ok(found.map(|angles| (angles.yaw, angles.pitch, angles.roll)))
}

/// How many of the chosen pixels have each level of luminance.
#[pyfunction]
pub(super) fn luminance_histogram<'py>(
    py: Python<'py>,
    picture: &Bound<'py, PyAny>,
    parts: &Bound<'py, PyAny>,
    places: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let picture = Array::<u8>::input(picture, Operand::Picture, 3..=3)?;
    same_length(py, Operand::Picture, 3, picture.columns())?;
    let parts = rows::<f32, LEVELS>(py, parts, Operand::Parts)?;
    let Ok(parts) = <&[[f32; LEVELS]; 3]>::try_from(parts) else {
        return Err(raise(
            py,
            &Error::LengthMismatch { operand: Operand::Parts, expected: 3, received: parts.len() },
        ));
    };
    let places = Array::<i64>::input(places, Operand::Places, 1..=1)?.as_slice();
    let levels = face::luminance_histogram(picture.as_slice().as_chunks::<3>().0, parts, places);
    let result = new_array::<i64>(py, &[LEVELS]);
    let mut target = Array::<i64>::output(&result, Operand::Out, 1..=1)?;
    for (place, level) in target.as_memory().iter_mut().zip(levels) {
        place.write(i64::from(level));
    }
    Ok(result.into_any())
}

/// Standard deviations of the chosen pixels: of the picture, and of what blurs take away.
#[pyfunction]
pub(super) fn blur_loss(
    py: Python<'_>,
    picture: &Bound<'_, PyAny>,
    kernel: &Bound<'_, PyAny>,
    places: &Bound<'_, PyAny>,
) -> PyResult<(f64, f64, f64)> {
    let picture = Array::<u8>::input(picture, Operand::Picture, 2..=2)?;
    let kernel = Array::<f32>::input(kernel, Operand::Kernel, 1..=1)?.as_slice();
    let places = Array::<i64>::input(places, Operand::Places, 1..=1)?.as_slice();
    face::blur_loss(picture.as_slice(), picture.columns(), kernel, places)
        .map(|[whole, rows, columns]| (whole, rows, columns))
        .map_err(|error| raise(py, &error))
}

/// How much more neighbours differ at the edges of blocks than beside them.
#[pyfunction]
pub(super) fn block_steps(py: Python<'_>, picture: &Bound<'_, PyAny>) -> PyResult<(f64, f64)> {
    let picture = Array::<u8>::input(picture, Operand::Picture, 2..=2)?;
    face::block_steps(picture.as_slice(), picture.columns())
        .map(|[columns, rows]| (columns, rows))
        .map_err(|error| raise(py, &error))
}

/// The rows of a matrix of `N` columns.
fn rows<'a, T: Number, const N: usize>(
    py: Python<'_>,
    argument: &'a Bound<'_, PyAny>,
    operand: Operand,
) -> PyResult<&'a [[T; N]]> {
    let array = Array::<T>::input(argument, operand, 2..=2)?;
    same_length(py, operand, N, array.columns())?;
    Ok(array.as_slice().as_chunks::<N>().0)
}
