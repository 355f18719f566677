//! NumPy's arrays as the library's tensors and back. On the way in every element is copied once, whatever the array's strides;
//! on the way out none is.

use std::cell::Cell;

use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use tern_vm::data::{Array, Dtype, Values};

use crate::failed;

/// A tensor from an array. `kind` is the name of NumPy's type, or `float16` and `bfloat16` of arrays of their bits; with ` swapped` behind it, the
/// bytes of each number stand in the other order.
pub(crate) fn tensor(array: &Bound<'_, PyAny>, kind: &str) -> PyResult<Array> {
    let (kind, swapped) = kind.strip_suffix(" swapped").map_or((kind, false), |kind| (kind, true));
    match kind {
        "bool" => {
            let array = array.cast::<PyArrayDyn<bool>>()?.readonly();
            Ok(Array::of_bools(array.shape(), &copied(&array, |value| value)))
        }
        "uint8" => converted(array, swapped, |value: u8| value),
        "int8" => converted(array, swapped, |value: i8| i32::from(value)),
        "uint16" => converted(array, swapped, |value: u16| i32::from(value)),
        "int16" => converted(array, swapped, |value: i16| i32::from(value)),
        "int32" => converted(array, swapped, |value: i32| value),
        "uint32" => converted(array, swapped, |value: u32| i64::from(value)),
        "int64" => converted(array, swapped, |value: i64| value),
        "uint64" => unsigned(array, swapped),
        "float16" => converted(array, swapped, |bits: u16| half::f16::from_bits(bits).to_f32()),
        "bfloat16" => converted(array, swapped, |bits: u16| half::bf16::from_bits(bits).to_f32()),
        "float32" => converted(array, swapped, |value: f32| value),
        "float64" => converted(array, swapped, |value: f64| value),
        other => Err(PyTypeError::new_err(format!("numbers of the type {other} cannot be used"))),
    }
}

/// Numbers of more than one byte, which may stand in either order.
trait Bytes: Element + Copy {
    fn swapped(self) -> Self;
}

macro_rules! whole_numbers {
    ($($type:ty),+) => {$(
        impl Bytes for $type {
            fn swapped(self) -> Self {
                self.swap_bytes()
            }
        }
    )+};
}
whole_numbers!(u8, i8, u16, i16, u32, i32, u64, i64);

impl Bytes for f32 {
    fn swapped(self) -> f32 {
        f32::from_bits(self.to_bits().swap_bytes())
    }
}

impl Bytes for f64 {
    fn swapped(self) -> f64 {
        f64::from_bits(self.to_bits().swap_bytes())
    }
}

fn converted<T: Bytes, V>(
    array: &Bound<'_, PyAny>,
    swapped: bool,
    convert: impl Fn(T) -> V,
) -> PyResult<Array>
where
    Vec<V>: Into<Values>,
{
    let array = array.cast::<PyArrayDyn<T>>()?.readonly();
    let values = match swapped {
        true => copied(&array, |value| convert(value.swapped())),
        false => copied(&array, convert),
    };
    Ok(Array::new(array.shape(), values))
}

/// The elements in row-major order.
fn copied<T: Element + Copy, V>(array: &PyReadonlyArrayDyn<'_, T>, convert: impl Fn(T) -> V) -> Vec<V> {
    match array.as_slice() {
        // of an array by columns the slice has another order
        Ok(slice) if array.is_c_contiguous() => slice.iter().copied().map(convert).collect(),
        Ok(_) | Err(_) => array.as_array().iter().copied().map(convert).collect(),
    }
}

/// In one pass, which remembers whether a value did not fit.
fn unsigned(array: &Bound<'_, PyAny>, swapped: bool) -> PyResult<Array> {
    let large = Cell::new(false);
    let signed = |value: u64| {
        i64::try_from(value).unwrap_or_else(|_| {
            large.set(true);
            0
        })
    };
    let tensor = converted(array, swapped, signed)?;
    if large.get() {
        return Err(failed::data(array.py(), "a value does not fit 64 bits with a sign"));
    }
    Ok(tensor)
}

/// An array of a tensor's own, of the type that a file of it would have.
pub(crate) fn array(py: Python<'_>, tensor: Array) -> PyResult<Bound<'_, PyAny>> {
    let (shape, is_bool) = (tensor.shape().to_vec(), tensor.dtype() == Dtype::Bool);
    let flat = match tensor.into_values() {
        Values::U8(values) if is_bool => {
            let values: Vec<bool> = values.into_iter().map(|value| value != 0).collect();
            PyArray1::from_vec(py, values).into_any()
        }
        Values::U8(values) => PyArray1::from_vec(py, values).into_any(),
        Values::I32(values) => PyArray1::from_vec(py, values).into_any(),
        Values::I64(values) => PyArray1::from_vec(py, values).into_any(),
        Values::F32(values) => PyArray1::from_vec(py, values).into_any(),
        Values::F64(values) => PyArray1::from_vec(py, values).into_any(),
    };
    flat.call_method1("reshape", (shape,))
}
