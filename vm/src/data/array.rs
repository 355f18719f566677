//! Tensors as files hold them: a type, a shape, and the values in row-major order.

use std::fmt;

/// The type of a file's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 0 or 1, a byte each.
    Bool,
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 16 bits.
    U16,
    /// Signed, 16 bits.
    I16,
    /// Unsigned, 32 bits.
    U32,
    /// Signed, 32 bits.
    I32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 64 bits.
    I64,
    /// IEEE half precision.
    F16,
    /// The upper half of IEEE single precision, as machine learning uses it.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

impl Dtype {
    /// Bytes of one element in a file.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
            Dtype::U16 | Dtype::I16 | Dtype::F16 | Dtype::BF16 => 2,
            Dtype::U32 | Dtype::I32 | Dtype::F32 => 4,
            Dtype::U64 | Dtype::I64 | Dtype::F64 => 8,
        }
    }

    /// Whether the elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        match self {
            Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64 => true,
            Dtype::Bool | Dtype::U8 | Dtype::I8 | Dtype::U16 | Dtype::I16 => false,
            Dtype::U32 | Dtype::I32 | Dtype::U64 | Dtype::I64 => false,
        }
    }
}

impl fmt::Display for Dtype {
    /// The name that Rust gives the type: `u8`, `f64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::Bool => "bool",
            Dtype::U8 => "u8",
            Dtype::I8 => "i8",
            Dtype::U16 => "u16",
            Dtype::I16 => "i16",
            Dtype::U32 => "u32",
            Dtype::I32 => "i32",
            Dtype::U64 => "u64",
            Dtype::I64 => "i64",
            Dtype::F16 => "f16",
            Dtype::BF16 => "bf16",
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
        })
    }
}

/// Values in memory. Bytes stay bytes, which matters for images; other narrow types are widened without loss.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// From [`Dtype::Bool`] (as 0 and 1) and [`Dtype::U8`].
    U8(Vec<u8>),
    /// From [`Dtype::I8`], [`Dtype::U16`], [`Dtype::I16`] and [`Dtype::I32`].
    I32(Vec<i32>),
    /// From [`Dtype::U32`], [`Dtype::I64`] and those of [`Dtype::U64`] that fit.
    I64(Vec<i64>),
    /// From [`Dtype::F16`], [`Dtype::BF16`] and [`Dtype::F32`].
    F32(Vec<f32>),
    /// From [`Dtype::F64`].
    F64(Vec<f64>),
}

/// Runs one expression for the vector inside, whatever its type.
macro_rules! each_type {
    ($values:expr, $vector:ident => $body:expr) => {
        match $values {
            Values::U8($vector) => $body,
            Values::I32($vector) => $body,
            Values::I64($vector) => $body,
            Values::F32($vector) => $body,
            Values::F64($vector) => $body,
        }
    };
}
pub(super) use each_type;

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        each_type!(self, v => v.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type that holds them in memory.
    pub fn dtype(&self) -> Dtype {
        match self {
            Values::U8(_) => Dtype::U8,
            Values::I32(_) => Dtype::I32,
            Values::I64(_) => Dtype::I64,
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
        }
    }

    /// Keeps the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        each_type!(self, v => v.truncate(len));
    }

    /// The elements of a tensor of this shape whose axes have these strides here, in row-major order.
    fn gather(&self, shape: &[usize], strides: &[usize]) -> Values {
        match self {
            Values::U8(v) => Values::U8(gathered(v, shape, strides)),
            Values::I32(v) => Values::I32(gathered(v, shape, strides)),
            Values::I64(v) => Values::I64(gathered(v, shape, strides)),
            Values::F32(v) => Values::F32(gathered(v, shape, strides)),
            Values::F64(v) => Values::F64(gathered(v, shape, strides)),
        }
    }

    /// One of them, to be shown to the user. The index must be below [`Values::len`].
    pub(super) fn text(&self, index: usize) -> String {
        each_type!(self, v => v[index].to_string())
    }

    /// The element as a double, rounded if it is a whole number beyond 2^53. The index must be below [`Values::len`].
    pub(super) fn float(&self, index: usize) -> f64 {
        each_type!(self, v => v[index].float())
    }
}

macro_rules! values_from {
    ($($variant:ident($type:ty)),+) => {$(
        impl From<Vec<$type>> for Values {
            fn from(values: Vec<$type>) -> Values {
                Values::$variant(values)
            }
        }
    )+};
}
values_from!(U8(u8), I32(i32), I64(i64), F32(f32), F64(f64));

/// What the five types in memory have in common.
pub(super) trait Number: Copy {
    /// As a double, rounded where it must be.
    fn float(self) -> f64;
    /// As a whole number, if it is one that fits.
    fn whole(self) -> Option<i64>;
}

macro_rules! whole_number {
    ($($type:ty),+) => {$(
        impl Number for $type {
            fn float(self) -> f64 {
                self as f64
            }
            fn whole(self) -> Option<i64> {
                Some(i64::from(self))
            }
        }
    )+};
}
whole_number!(u8, i32, i64);

impl Number for f64 {
    fn float(self) -> f64 {
        self
    }
    fn whole(self) -> Option<i64> {
        // -2^63 is a double and an i64; 2^63 is a double only.
        let fits = (-(2.0f64.powi(63))..2.0f64.powi(63)).contains(&self);
        (fits && self.trunc() == self).then_some(self as i64)
    }
}

impl Number for f32 {
    fn float(self) -> f64 {
        f64::from(self)
    }
    fn whole(self) -> Option<i64> {
        f64::from(self).whole()
    }
}

/// A tensor as a file holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    values: Values,
}

impl Array {
    /// A tensor of the values' own type.
    ///
    /// # Panics
    /// If the shape does not have as many elements as there are values: a mistake in the calling code.
    pub fn new(shape: impl Into<Vec<usize>>, values: impl Into<Values>) -> Array {
        let values = values.into();
        Array::with_dtype(values.dtype(), shape.into(), values)
    }

    /// The same for values that a file held in a narrower type.
    pub(super) fn with_dtype(dtype: Dtype, shape: Vec<usize>, values: Values) -> Array {
        assert_eq!(
            elements(&shape),
            Some(values.len()),
            "the shape has as many elements as there are values"
        );
        Array { dtype, shape, values }
    }

    /// A tensor of truth values.
    ///
    /// # Panics
    /// As [`Array::new`].
    pub fn of_bools(shape: impl Into<Vec<usize>>, values: &[bool]) -> Array {
        let bytes: Vec<u8> = values.iter().map(|&v| u8::from(v)).collect();
        Array::with_dtype(Dtype::Bool, shape.into(), Values::U8(bytes))
    }

    /// The type that the file had.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Sizes, the slowest axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in row-major order.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The values alone.
    pub fn into_values(self) -> Values {
        self.values
    }

    /// The tensor in single precision, if it is one of doubles; unless `rounded`, only if none of them loses anything.
    pub fn single(&self, rounded: bool) -> Option<Array> {
        let Values::F64(values) = &self.values else { return None };
        let fits = |&value: &f64| f64::from(value as f32) == value || value.is_nan();
        (rounded || values.iter().all(fits)).then(|| {
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            Array::new(self.shape.clone(), values)
        })
    }

    /// The same tensor with its axes in another order, as `numpy.transpose(self, axes)`.
    ///
    /// # Panics
    /// If `axes` are not all axes, once each: a mistake in the calling code.
    pub(super) fn transposed(self, axes: &[usize]) -> Array {
        assert!(axes.len() == self.shape.len() && (0..axes.len()).all(|axis| axes.contains(&axis)));
        if axes.is_sorted() {
            return self;
        }
        let mut strides = vec![1; axes.len()];
        for axis in (1..axes.len()).rev() {
            // Where a size is 0 there are no elements, and strides do not matter.
            strides[axis - 1] = self.shape[axis].saturating_mul(strides[axis]);
        }
        let shape: Vec<usize> = axes.iter().map(|&axis| self.shape[axis]).collect();
        let strides: Vec<usize> = axes.iter().map(|&axis| strides[axis]).collect();
        let values = self.values.gather(&shape, &strides);
        Array::with_dtype(self.dtype, shape, values)
    }

    /// Rows from `start` up to `end`. Both must be at most the first size.
    pub(super) fn rows(mut self, start: usize, end: usize) -> Array {
        let row: usize = self.shape[1..].iter().product();
        self.values.truncate(end * row);
        each_type!(&mut self.values, v => drop(v.drain(..start * row)));
        self.shape[0] = end - start;
        self
    }
}

/// Walks the result in row-major order, keeping the place in the source as an odometer.
fn gathered<T: Copy>(source: &[T], shape: &[usize], strides: &[usize]) -> Vec<T> {
    let mut index = vec![0; shape.len()];
    let mut place = 0;
    let mut result = Vec::with_capacity(source.len());
    for _ in 0..source.len() {
        result.push(source[place]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    result
}

impl fmt::Display for Array {
    /// Type and shape: `u8[60000, 28, 28]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, shape_text(&self.shape))
    }
}

/// The product of the sizes; `None` if it does not fit, and also where only a size of 0 makes it fit.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { product })
}

/// A shape as programs write it: `[60000, 784]`, and nothing for a single number.
pub(super) fn shape_text(shape: &[usize]) -> String {
    if shape.is_empty() { String::new() } else { format!("{shape:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_among_doubles() {
        for (value, whole) in [
            (0.0, Some(0)),
            (-0.0, Some(0)),
            (7.0, Some(7)),
            (7.5, None),
            (-(2.0f64.powi(63)), Some(i64::MIN)),
            (2.0f64.powi(63), None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (f64::MIN_POSITIVE, None),
        ] {
            assert_eq!(value.whole(), whole, "{value}");
        }
    }

    #[test]
    fn a_product_that_does_not_fit_is_noticed() {
        assert_eq!(elements(&[]), Some(1));
        assert_eq!(elements(&[3, 0, 5]), Some(0));
        assert_eq!(elements(&[usize::MAX, 2]), None);
        assert_eq!(elements(&[0, usize::MAX, 2]), None);
    }

    #[test]
    fn single_precision_where_nothing_is_lost() {
        let (short, long) = (Array::new([2], vec![0.5, -3.25]), Array::new([2], vec![0.5, 0.1]));
        assert_eq!(short.single(false), Some(Array::new([2], vec![0.5f32, -3.25])));
        assert_eq!(long.single(false), None);
        assert_eq!(long.single(true), Some(Array::new([2], vec![0.5f32, 0.1])));
        assert_eq!(Array::new([1], vec![1i64]).single(true), None);
    }

    #[test]
    fn axes_in_another_order() {
        // numpy.arange(6).reshape(1, 2, 3).transpose(2, 0, 1)
        let array = Array::new([1, 2, 3], vec![0u8, 1, 2, 3, 4, 5]).transposed(&[2, 0, 1]);
        assert_eq!(array, Array::new([3, 1, 2], vec![0u8, 3, 1, 4, 2, 5]));
        assert_eq!(array.rows(1, 3), Array::new([2, 1, 2], vec![1u8, 4, 2, 5]));
        let empty = Array::new([2, 0, 5], Vec::<f32>::new()).transposed(&[1, 2, 0]);
        assert_eq!(empty.shape(), [0, 5, 2]);
    }

    #[test]
    fn display() {
        assert_eq!(Array::new([2, 1], vec![1u8, 2]).to_string(), "u8[2, 1]");
        assert_eq!(Array::new([], vec![1.5f64]).to_string(), "f64");
    }
}
