//! The Python module `govid._core`: the only module that imports `pyo3`.
//!
//! Array arguments are checked by reading the array's own fields. rust-numpy's `PyReadonlyArray`
//! would add a look-up in a table of borrows to each argument, which costs as much as the
//! comparison itself and guards only against other Rust code.

mod face;

use std::mem::MaybeUninit;
use std::ops::{Range, RangeInclusive};
use std::{ptr, slice};

use numpy::npyffi::flags::{NPY_ARRAY_ALIGNED, NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_WRITEABLE};
use numpy::npyffi::{_PyArray_GET_ITEM_DATA, NPY_TYPES, PyArrayObject_fields};
use numpy::{
    PyArray1, PyArray2, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::create_exception;
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{CoreError as Error, Operand};
use crate::kernels::{Isa, Kernels};
use crate::search::{self, Nearest, Pairs};
use crate::{block, int8, normalize};

/// From this much work on the GIL is released: 4 MiB to read, about 0.09 ms of `cosine_many`.
///
/// Measured on Zen 4 beside a busy Python thread: once released, the GIL may come back only after
/// the interpreter's switch interval of 5 ms (90th percentile 5.2 ms for a call of 0.02 ms). A call
/// shorter than a fiftieth of that interval keeps other threads waiting less than it would wait.
const RELEASE_GIL_FROM: usize = 4 << 20;

create_exception!(
    govid._core,
    CoreError,
    PyValueError,
    "The numbers are wrong: lengths, NaN or infinity, or a zero norm; or a bad `GOVID_ISA`."
);

/// The one doorway out of the GIL. `bytes` says how long the work may take: the bytes it reads
/// from memory, or for a block of pairs what could be read meanwhile.
fn compute<T: Send>(
    py: Python<'_>,
    bytes: usize,
    work: impl FnOnce(&'static Kernels) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let work = || work(Kernels::active()?);
    let result = if bytes < RELEASE_GIL_FROM { work() } else { py.detach(work) };
    result.map_err(|error| raise(py, &error))
}

#[cold]
fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let raised = CoreError::new_err(error.to_string());
    let attributes = || {
        let fields = PyDict::new(py);
        for (name, value) in error.fields() {
            fields.set_item(name, value)?;
        }
        let exception = raised.value(py);
        exception.setattr("slug", error.slug())?;
        exception.setattr("fields", fields)?;
        exception.setattr("operand", error.operand().map(Operand::name))
    };
    match attributes() {
        Ok(()) => raised,
        Err(failure) => failure,
    }
}

/// What an array may hold.
trait Number: numpy::Element + Copy {
    const NAME: &'static str;
    const TYPE: NPY_TYPES;
}

macro_rules! numbers {
    ($($number:ty: $name:literal, $type:ident;)+) => {$(
        impl Number for $number {
            const NAME: &'static str = $name;
            const TYPE: NPY_TYPES = NPY_TYPES::$type;
        }
    )+};
}

numbers! {
    f32: "float32", NPY_FLOAT;
    f64: "float64", NPY_DOUBLE;
    i8: "int8", NPY_BYTE;
    u8: "uint8", NPY_UBYTE;
    i64: "int64", NPY_LONG;
}

/// An argument that is what it should be: a C-contiguous, aligned array of the right numbers.
struct Array<'a, T> {
    data: *mut T,
    shape: &'a [usize],
}

impl<'a, T: Number> Array<'a, T> {
    /// Checks an argument to read.
    #[inline]
    fn input(
        argument: &'a Bound<'_, PyAny>,
        operand: Operand,
        dimensions: RangeInclusive<usize>,
    ) -> PyResult<Self> {
        Self::checked(argument, operand, dimensions, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED)
    }

    /// Checks an argument to write.
    #[inline]
    fn output(
        argument: &'a Bound<'_, PyAny>,
        operand: Operand,
        dimensions: RangeInclusive<usize>,
    ) -> PyResult<Self> {
        let flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_WRITEABLE;
        Self::checked(argument, operand, dimensions, flags)
    }

    #[inline]
    fn checked(
        argument: &'a Bound<'_, PyAny>,
        operand: Operand,
        dimensions: RangeInclusive<usize>,
        flags: i32,
    ) -> PyResult<Self> {
        if let Ok(array) = argument.cast::<PyUntypedArray>() {
            let fields = fields(array);
            let number = usize::try_from(fields.nd).unwrap_or(0);
            if holds::<T>(array) && dimensions.contains(&number) && fields.flags & flags == flags {
                // SAFETY: NumPy keeps `nd` lengths there, none negative; `dimensions` starts at 1.
                let shape = unsafe { slice::from_raw_parts(fields.dimensions.cast(), number) };
                return Ok(Self { data: fields.data.cast(), shape });
            }
        }
        Err(refuse::<T>(argument, operand, &dimensions, flags))
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Length of the last dimension: of a vector, or of each row.
    fn columns(&self) -> usize {
        self.shape[self.shape.len() - 1]
    }

    fn as_slice(&self) -> &'a [T] {
        // SAFETY: `checked` saw the type, aligned and contiguous; NumPy never has null data. That
        // no other thread writes meanwhile is the caller's contract, stated in `_core.pyi`.
        unsafe { slice::from_raw_parts(self.data, self.len()) }
    }

    /// The elements of a new array, which may not be written yet.
    fn as_memory(&mut self) -> &'a mut [MaybeUninit<T>] {
        // SAFETY: as in `as_mut_slice`, but for the values, which `MaybeUninit` does not promise.
        unsafe { slice::from_raw_parts_mut(self.data.cast(), self.len()) }
    }

    fn as_mut_slice(&mut self) -> &'a mut [T] {
        // SAFETY: as in `as_slice`, and `output` saw it writeable; the caller of this method made
        // sure that no other argument overlaps it.
        unsafe { slice::from_raw_parts_mut(self.data, self.len()) }
    }

    fn overlaps<U: Number>(&self, other: &Array<'_, U>) -> bool {
        let (mine, theirs) = (self.addresses(), other.addresses());
        mine.start < theirs.end && theirs.start < mine.end
    }

    fn addresses(&self) -> Range<usize> {
        self.data.addr()..self.data.addr() + self.len() * size_of::<T>()
    }
}

#[inline]
fn fields<'a>(array: &'a Bound<'_, PyUntypedArray>) -> &'a PyArrayObject_fields {
    // SAFETY: the cast to `PyUntypedArray` saw an ndarray, which `array` keeps alive.
    unsafe { &*_PyArray_GET_ITEM_DATA(array.as_array_ptr()) }
}

#[inline]
fn holds<T: Number>(array: &Bound<'_, PyUntypedArray>) -> bool {
    let dtype = array.dtype();
    dtype.num() == T::TYPE as i32 && dtype.is_native_byteorder() != Some(false)
}

/// A new array, its elements not written yet. Not `PyArray::zeros`, which releases the GIL from
/// 1 KiB on: a short call would have to wait for it.
fn new_array<'py, T: Number>(py: Python<'py>, shape: &[usize]) -> Bound<'py, PyArrayDyn<T>> {
    // SAFETY: the callers write every element, or drop the array, before anyone reads it.
    unsafe { PyArrayDyn::new(py, shape, false) }
}

/// A new array of zeros. Fresh memory from the system needs no zero written, but `PyArray::zeros`
/// releases the GIL (see `new_array`): only for so large an array that its scores release it, too.
fn zeros<'py>(py: Python<'py>, shape: &[usize]) -> Bound<'py, PyArrayDyn<f32>> {
    if shape.iter().product::<usize>() >= RELEASE_GIL_FROM {
        return PyArrayDyn::zeros(py, shape, false);
    }
    let array = new_array(py, shape);
    // SAFETY: nobody else has the array, and NumPy keeps so many aligned elements there, of a type
    // of which zero bytes are a value.
    unsafe { ptr::write_bytes(array.data(), 0, array.len()) };
    array
}

/// Says what was expected and what came.
#[cold]
fn refuse<T: Number>(
    argument: &Bound<'_, PyAny>,
    operand: Operand,
    dimensions: &RangeInclusive<usize>,
    flags: i32,
) -> PyErr {
    let received = match argument.cast::<PyUntypedArray>() {
        Err(_) => argument.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string()),
        Ok(array) => {
            let lacks = |flag| flags & flag & !fields(array).flags != 0;
            let mut text = format!("{} array of shape {:?}", array.dtype(), array.shape());
            for (flag, fault) in [
                (NPY_ARRAY_C_CONTIGUOUS, ", not C-contiguous"),
                (NPY_ARRAY_ALIGNED, ", not aligned"),
                (NPY_ARRAY_WRITEABLE, ", read-only"),
            ] {
                if lacks(flag) {
                    text.push_str(fault);
                }
            }
            text
        }
    };
    let writeable = if flags & NPY_ARRAY_WRITEABLE == 0 { "" } else { ", writeable" };
    let dimensions = match (dimensions.start(), dimensions.end()) {
        (first, last) if first == last => format!("{first}-D"),
        (first, last) if first + 1 < *last => format!("{first}-D to {last}-D"),
        (first, last) => format!("{first}-D or {last}-D"),
    };
    PyTypeError::new_err(format!(
        "{}: expected a {dimensions} C-contiguous{writeable} {} array, received {received}",
        operand.name(),
        T::NAME
    ))
}

/// A new array with every row of `x` scaled to L2 norm 1.
#[pyfunction]
fn l2_normalize<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let source = Array::input(x, Operand::X, 1..=2)?;
    let result = new_array(py, source.shape);
    let mut target = Array::output(&result, Operand::Out, 1..=2)?;
    let columns = source.columns();
    let (rows, memory) = (source.as_slice(), target.as_memory());
    compute(py, size_of_val(rows), |kernels| {
        normalize::l2_normalize_to(kernels, rows, columns, memory)
    })?;
    Ok(result)
}

/// Scales every row of `x` to L2 norm 1, in place.
#[pyfunction]
fn l2_normalize_inplace(py: Python<'_>, x: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut array = Array::output(x, Operand::X, 1..=2)?;
    let columns = array.columns();
    let rows = array.as_mut_slice();
    compute(py, size_of_val(rows), |kernels| normalize::l2_normalize_rows(kernels, rows, columns))
}

/// Comparison score of two embeddings, in [-1, 1].
#[pyfunction]
fn cosine(py: Python<'_>, a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<f64> {
    let a = Array::input(a, Operand::A, 1..=1)?.as_slice();
    let b = Array::input(b, Operand::B, 1..=1)?.as_slice();
    compute(py, size_of_val(a), |kernels| crate::cosine::cosine(kernels, a, b))
}

/// Comparison scores of one probe against a block of references, in [-1, 1].
#[pyfunction]
#[pyo3(signature = (probe, references, out=None))]
fn cosine_many<'py>(
    py: Python<'py>,
    probe: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    compare(
        py,
        (probe, Operand::Probe),
        references,
        out,
        |kernels, _, probe, references, scores| {
            crate::cosine::cosine_many(kernels, probe, references, scores)
        },
    )
}

/// Comparison scores of each probe with each reference, in [-1, 1].
#[pyfunction]
#[pyo3(signature = (probes, references, out=None))]
fn cosine_block<'py>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    compare(py, (probes, Operand::Probes), references, out, block::cosine_block)
}

/// `cosine_many` of int8 codes.
#[pyfunction]
#[pyo3(signature = (probe, references, out=None))]
fn cosine_many_int8<'py>(
    py: Python<'py>,
    probe: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    compare(
        py,
        (probe, Operand::Probe),
        references,
        out,
        |kernels, _, probe, references, scores| {
            int8::cosine_many_int8(kernels, probe, references, scores)
        },
    )
}

/// `cosine_block` of int8 codes.
#[pyfunction]
#[pyo3(signature = (probes, references, out=None))]
fn cosine_block_int8<'py>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    compare(py, (probes, Operand::Probes), references, out, int8::cosine_block_int8)
}

/// Checks the arrays of a comparison of one probe, or several, with a block of references, and
/// fills `out`, or a new array, with their scores. `work` gets kernels, dimensions, probes,
/// references, scores.
fn compare<'py, T: Number + Sync>(
    py: Python<'py>,
    (probes, operand): (&Bound<'py, PyAny>, Operand),
    references: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
    work: impl FnOnce(&Kernels, usize, &[T], &[T], &mut [f32]) -> Result<(), Error> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let number = if operand == Operand::Probe { 1 } else { 2 };
    let (probes, references) = operands::<T>(py, (probes, operand), references)?;
    let dimensions = probes.columns();
    // (references) for one probe, (probes, references) for several.
    let rows = [probes.shape[0], references.shape[0]];
    let shape = &rows[2 - number..];
    let result = match out {
        Some(out) => out.clone(),
        None => zeros(py, shape).into_any(),
    };
    let mut scores = Array::output(&result, Operand::Out, number..=number)?;
    for (expected, received) in shape.iter().zip(scores.shape) {
        same_length(py, Operand::Out, *expected, *received)?;
    }
    for (input, operand) in [(&probes, operand), (&references, Operand::References)] {
        if scores.overlaps(input) {
            return Err(raise(py, &Error::Overlap { operand }));
        }
    }
    let bytes = if number == 1 {
        size_of_val(references.as_slice())
    } else {
        work_of(&probes, &references)
    };
    let (probes, references) = (probes.as_slice(), references.as_slice());
    let scores = scores.as_mut_slice();
    compute(py, bytes, |kernels| work(kernels, dimensions, probes, references, scores))?;
    Ok(result)
}

/// Checks the two inputs of a comparison against each other.
fn operands<'a, T: Number>(
    py: Python<'_>,
    (probes, operand): (&'a Bound<'_, PyAny>, Operand),
    references: &'a Bound<'_, PyAny>,
) -> PyResult<(Array<'a, T>, Array<'a, T>)> {
    let number = if operand == Operand::Probe { 1 } else { 2 };
    let probes = Array::<T>::input(probes, operand, number..=number)?;
    let references = Array::<T>::input(references, Operand::References, 2..=2)?;
    let dimensions = probes.columns();
    if dimensions == 0 {
        return Err(raise(py, &Error::Empty { operand }));
    }
    same_length(py, Operand::References, dimensions, references.columns())?;
    Ok((probes, references))
}

/// Rows and scores of the best `k` references of each probe.
type NearestArrays<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>);

/// The `k` best references of each probe.
#[pyfunction]
#[pyo3(
    signature = (probes, references, k, threshold=-1.0),
    text_signature = "(probes, references, k, threshold=-1.0)"
)]
fn nearest<'py>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    k: usize,
    threshold: f64,
) -> PyResult<NearestArrays<'py>> {
    let work = |kernels: &Kernels, dimensions, probes: &[f32], references: &[f32], out: Nearest| {
        search::nearest(kernels, dimensions, probes, references, k, threshold, out)
    };
    find_nearest(py, probes, references, k, work)
}

/// `nearest` of int8 codes.
#[pyfunction]
#[pyo3(
    signature = (probes, references, k, threshold=-1.0),
    text_signature = "(probes, references, k, threshold=-1.0)"
)]
fn nearest_int8<'py>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    k: usize,
    threshold: f64,
) -> PyResult<NearestArrays<'py>> {
    let work = |kernels: &Kernels, dimensions, probes: &[i8], references: &[i8], out: Nearest| {
        search::nearest_int8(kernels, dimensions, probes, references, k, threshold, out)
    };
    find_nearest(py, probes, references, k, work)
}

fn find_nearest<'py, T: Number + Sync>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    k: usize,
    work: impl FnOnce(&Kernels, usize, &[T], &[T], Nearest) -> Result<(), Error> + Send,
) -> PyResult<NearestArrays<'py>> {
    let (probes, references) = operands::<T>(py, (probes, Operand::Probes), references)?;
    let (count, dimensions, bytes) =
        (probes.shape[0], probes.columns(), work_of(&probes, &references));
    let places = count.saturating_mul(k);
    let (mut rows, mut scores) = (memory(places)?, memory(places)?);
    let (probes, references) = (probes.as_slice(), references.as_slice());
    let (rows, scores) = compute(py, bytes, move |kernels| {
        rows.resize(places, -1);
        scores.resize(places, 0.0);
        let out = Nearest { rows: &mut rows, scores: &mut scores };
        work(kernels, dimensions, probes, references, out)?;
        Ok((rows, scores))
    })?;
    let rows = PyArray1::from_vec(py, rows).reshape([count, k])?;
    Ok((rows, PyArray1::from_vec(py, scores).reshape([count, k])?))
}

/// Probes' rows, references' rows and scores of pairs.
type PairArrays<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>);

/// All pairs that reach a threshold.
#[pyfunction]
fn above<'py>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    threshold: f64,
    limit: usize,
) -> PyResult<PairArrays<'py>> {
    let work = |kernels: &Kernels, dimensions, probes: &[f32], references: &[f32]| {
        search::above(kernels, dimensions, probes, references, threshold, limit)
    };
    find_above(py, probes, references, work)
}

/// `above` of int8 codes.
#[pyfunction]
fn above_int8<'py>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    threshold: f64,
    limit: usize,
) -> PyResult<PairArrays<'py>> {
    let work = |kernels: &Kernels, dimensions, probes: &[i8], references: &[i8]| {
        search::above_int8(kernels, dimensions, probes, references, threshold, limit)
    };
    find_above(py, probes, references, work)
}

fn find_above<'py, T: Number + Sync>(
    py: Python<'py>,
    probes: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    work: impl FnOnce(&Kernels, usize, &[T], &[T]) -> Result<Pairs, Error> + Send,
) -> PyResult<PairArrays<'py>> {
    let (probes, references) = operands::<T>(py, (probes, Operand::Probes), references)?;
    let (dimensions, bytes) = (probes.columns(), work_of(&probes, &references));
    let (probes, references) = (probes.as_slice(), references.as_slice());
    let pairs = compute(py, bytes, |kernels| work(kernels, dimensions, probes, references))?;
    Ok((
        PyArray1::from_vec(py, pairs.probe_rows),
        PyArray1::from_vec(py, pairs.reference_rows),
        PyArray1::from_vec(py, pairs.scores),
    ))
}

/// What `compute` wants to know of a block of pairs.
fn work_of<T: Number>(probes: &Array<'_, T>, references: &Array<'_, T>) -> usize {
    references.len().saturating_mul(size_of::<T>().max(probes.shape[0]))
}

/// Room for so many elements; a `MemoryError` if there is none.
fn memory<T>(count: usize) -> PyResult<Vec<T>> {
    let mut memory = Vec::new();
    match memory.try_reserve_exact(count) {
        Ok(()) => Ok(memory),
        Err(error) => Err(PyMemoryError::new_err(error.to_string())),
    }
}

/// Codes of every row of `x`, as a new array.
#[pyfunction]
fn quantize<'py>(py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<i8>>> {
    let source = Array::input(x, Operand::X, 1..=2)?;
    let result = new_array(py, source.shape);
    let mut target = Array::output(&result, Operand::Out, 1..=2)?;
    let columns = source.columns();
    let (rows, memory) = (source.as_slice(), target.as_memory());
    compute(py, size_of_val(rows), |_| crate::quantize::quantize_to(rows, columns, memory))?;
    Ok(result)
}

/// The instruction set in use.
#[pyfunction]
fn isa(py: Python<'_>) -> PyResult<&'static str> {
    Kernels::active().map(|kernels| kernels.isa().name()).map_err(|error| raise(py, &error))
}

/// The instruction sets this CPU can use, slowest first.
#[pyfunction]
fn available_isas() -> Vec<&'static str> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available()).map(Isa::name).collect()
}

fn same_length(py: Python<'_>, operand: Operand, expected: usize, received: usize) -> PyResult<()> {
    if expected == received {
        return Ok(());
    }
    Err(raise(py, &Error::LengthMismatch { operand, expected, received }))
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("CoreError", module.py().get_type::<CoreError>())?;
    module.add_function(wrap_pyfunction!(l2_normalize, module)?)?;
    module.add_function(wrap_pyfunction!(l2_normalize_inplace, module)?)?;
    module.add_function(wrap_pyfunction!(cosine, module)?)?;
    module.add_function(wrap_pyfunction!(cosine_many, module)?)?;
    module.add_function(wrap_pyfunction!(cosine_block, module)?)?;
    module.add_function(wrap_pyfunction!(quantize, module)?)?;
    module.add_function(wrap_pyfunction!(cosine_many_int8, module)?)?;
    module.add_function(wrap_pyfunction!(cosine_block_int8, module)?)?;
    module.add_function(wrap_pyfunction!(nearest, module)?)?;
    module.add_function(wrap_pyfunction!(nearest_int8, module)?)?;
    module.add_function(wrap_pyfunction!(above, module)?)?;
    module.add_function(wrap_pyfunction!(above_int8, module)?)?;
    module.add_function(wrap_pyfunction!(face::detections, module)?)?;
    module.add_function(wrap_pyfunction!(face::similarity, module)?)?;
    module.add_function(wrap_pyfunction!(face::head_pose, module)?)?;
    module.add_function(wrap_pyfunction!(face::luminance_histogram, module)?)?;
    module.add_function(wrap_pyfunction!(face::blur_loss, module)?)?;
    module.add_function(wrap_pyfunction!(face::block_steps, module)?)?;
    module.add_function(wrap_pyfunction!(isa, module)?)?;
    module.add_function(wrap_pyfunction!(available_isas, module)?)?;
    Ok(())
}
