//! What an expression evaluates to while a program is lowered: a constant that the compiler knows, a run-time tensor of the intermediate
//! representation, or a structure of these.

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::diagnostics::Span;
use crate::ir::{ConstData, Type, ValueId};

/// The element type as the language sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Elem {
    /// Fixed point (constants: any fraction; public: doubles).
    Fix,
    /// Whole numbers.
    Int,
    /// Truth values.
    Bool,
}

impl Elem {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Elem::Fix => "fix",
            Elem::Int => "int",
            Elem::Bool => "bool",
        }
    }
}

/// A constant tensor. Truth values are 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Konst {
    pub(crate) elem: Elem,
    pub(crate) shape: Vec<usize>,
    /// One number for all elements, or all of them in row-major order.
    data: Arc<[BigRational]>,
}

impl Konst {
    pub(crate) fn splat(elem: Elem, shape: Vec<usize>, number: BigRational) -> Konst {
        Konst { elem, shape, data: Arc::new([number]) }
    }

    pub(crate) fn scalar(elem: Elem, number: BigRational) -> Konst {
        Konst::splat(elem, Vec::new(), number)
    }

    pub(crate) fn int(number: i64) -> Konst {
        Konst::scalar(Elem::Int, BigRational::from_integer(number.into()))
    }

    pub(crate) fn bool(value: bool) -> Konst {
        Konst::scalar(Elem::Bool, if value { BigRational::one() } else { BigRational::zero() })
    }

    /// Row-major numbers, as many as the shape has.
    pub(crate) fn dense(elem: Elem, shape: Vec<usize>, numbers: Vec<BigRational>) -> Konst {
        debug_assert_eq!(shape.iter().product::<usize>(), numbers.len());
        match numbers.as_slice() {
            [] => Konst::splat(elem, shape, BigRational::zero()),
            _ => Konst { elem, shape, data: numbers.into() },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn at(&self, index: usize) -> &BigRational {
        if self.data.len() == 1 { &self.data[0] } else { &self.data[index] }
    }

    /// The number that all elements are, if they are stored as one.
    pub(crate) fn as_splat(&self) -> Option<&BigRational> {
        if self.data.len() == 1 { Some(&self.data[0]) } else { None }
    }

    /// The number of a scalar (or of a tensor of one element).
    pub(crate) fn number(&self) -> Option<&BigRational> {
        if self.len() == 1 { Some(&self.data[0]) } else { None }
    }

    /// The numbers as the intermediate representation has them; it shares them.
    pub(crate) fn to_data(&self) -> ConstData {
        match self.as_splat() {
            Some(number) => ConstData::Splat(number.clone()),
            None => ConstData::Dense(Arc::clone(&self.data)),
        }
    }

    /// A whole number that fits.
    pub(crate) fn whole(&self) -> Option<i64> {
        self.number().filter(|n| n.is_integer()).and_then(|n| n.to_integer().to_i64())
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.as_splat().is_some_and(Zero::is_zero)
    }

    /// All elements. Of a shape that is stored as one number there may be billions: where the number is enough, `occurring` has it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &BigRational> {
        (0..self.len()).map(|i| self.at(i))
    }

    /// How many numbers are stored, and the length of the longest in bits, numerator and denominator together.
    pub(crate) fn weight(&self) -> (usize, u64) {
        let bits = self.data.iter().map(|n| n.numer().bits() + n.denom().bits()).max();
        (self.data.len(), bits.unwrap_or(0))
    }

    /// The numbers that occur: one if all elements are equal, however many there are.
    pub(crate) fn occurring(&self) -> impl Iterator<Item = &BigRational> {
        self.data.iter()
    }

    pub(crate) fn map(&self, elem: Elem, f: impl Fn(&BigRational) -> BigRational) -> Konst {
        Konst { elem, shape: self.shape.clone(), data: self.data.iter().map(f).collect() }
    }

    /// The same, where `f` may have no result for a number.
    pub(crate) fn try_map(
        &self,
        elem: Elem,
        f: impl Fn(&BigRational) -> Option<BigRational>,
    ) -> Option<Konst> {
        let data = self.data.iter().map(f).collect::<Option<_>>()?;
        Some(Konst { elem, shape: self.shape.clone(), data })
    }

    /// The same numbers as another element.
    pub(crate) fn into_elem(self, elem: Elem) -> Konst {
        Konst { elem, ..self }
    }

    /// The same elements in another shape.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Konst {
        Konst { elem: self.elem, shape, data: self.data.clone() }
    }

    /// Elements picked by a map from result indices to source indices.
    pub(crate) fn picked(&self, shape: Vec<usize>, source: impl Fn(&[usize]) -> usize) -> Konst {
        if self.data.len() == 1 {
            return Konst { elem: self.elem, shape, data: self.data.clone() };
        }
        let numbers = indices(&shape).map(|i| self.at(source(&i)).clone()).collect();
        Konst::dense(self.elem, shape, numbers)
    }
}

/// All indices of a shape in row-major order.
pub(crate) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let len: usize = shape.iter().product();
    (0..len).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for (i, size) in shape.iter().enumerate().rev() {
            index[i] = flat % size;
            flat /= size;
        }
        index
    })
}

/// The row-major position of an index.
pub(crate) fn flat(shape: &[usize], index: &[usize]) -> usize {
    shape.iter().zip(index).fold(0, |at, (size, i)| at * size + i)
}

/// A run-time tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) id: ValueId,
    pub(crate) ty: Type,
    pub(crate) elem: Elem,
    /// Where a secret came from: an input, a model, randomness.
    pub(crate) since: Option<Span>,
}

impl Tensor {
    pub(crate) fn secret(&self) -> bool {
        self.ty.is_secret()
    }
}

/// An instance of a model's type: its definition and what its parameters are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelType {
    pub(crate) item: ItemId,
    pub(crate) name: Rc<str>,
    pub(crate) args: Vec<Value>,
}

/// A model: a record of named values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) ty: Rc<ModelType>,
    pub(crate) fields: IndexMap<Rc<str>, Value>,
}

/// An item of a module: module and position in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ItemId {
    pub(crate) module: usize,
    pub(crate) item: usize,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Known to the compiler.
    Const(Konst),
    /// A text, known to the compiler.
    Text(Rc<str>),
    /// Known when the program runs, or secret.
    Tensor(Tensor),
    /// A model.
    Record(Rc<Record>),
    /// Several values.
    Tuple(Rc<[Value]>),
    /// A type of models, as an argument of a model.
    ModelType(Rc<ModelType>),
    /// A function by its name.
    Function(ItemId),
    /// What `batches(n, size)` goes through: rows in random order.
    Batches { rows: usize, size: usize },
    /// What `fields(p)` goes through.
    Fields(Rc<Record>),
    /// What a statement returns.
    Unit,
    /// `_`
    Hole,
    /// Something was wrong and has been reported.
    Error,
}

impl Value {
    pub(crate) fn int(number: usize) -> Value {
        Value::Const(Konst::int(number as i64))
    }

    pub(crate) fn tuple(values: Vec<Value>) -> Value {
        Value::Tuple(values.into())
    }

    pub(crate) fn is_error(&self) -> bool {
        match self {
            Value::Error => true,
            Value::Tuple(values) => values.iter().any(Value::is_error),
            Value::Record(r) => r.fields.values().any(Value::is_error),
            Value::Const(_)
            | Value::Text(_)
            | Value::Tensor(_)
            | Value::ModelType(_)
            | Value::Function(_) => false,
            Value::Batches { .. } | Value::Fields(_) | Value::Unit | Value::Hole => false,
        }
    }

    /// Shape of a tensor or constant.
    pub(crate) fn shape(&self) -> Option<&[usize]> {
        match self {
            Value::Const(k) => Some(&k.shape),
            Value::Tensor(t) => Some(&t.ty.shape),
            _ => None,
        }
    }

    /// Element of a tensor or constant.
    pub(crate) fn elem(&self) -> Option<Elem> {
        match self {
            Value::Const(k) => Some(k.elem),
            Value::Tensor(t) => Some(t.elem),
            _ => None,
        }
    }

    /// Whether anything in it is secret.
    pub(crate) fn secret(&self) -> bool {
        self.secret_since().is_some()
    }

    /// Where the first secret in it came from (`Some(None)`: unknown).
    pub(crate) fn secret_since(&self) -> Option<Option<Span>> {
        match self {
            Value::Tensor(t) => t.secret().then_some(t.since),
            Value::Tuple(values) => values.iter().find_map(Value::secret_since),
            Value::Record(r) | Value::Fields(r) => r.fields.values().find_map(Value::secret_since),
            Value::Const(_) | Value::Text(_) | Value::ModelType(_) | Value::Function(_) => None,
            Value::Batches { .. } | Value::Unit | Value::Hole | Value::Error => None,
        }
    }

    /// What it is, for messages: `secret fix[128, 10]`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Value::Const(k) if k.shape.is_empty() => match k.elem {
                Elem::Bool => String::from(if k.is_zero() { "false" } else { "true" }),
                Elem::Fix | Elem::Int => show_number(&k.data[0]),
            },
            Value::Const(k) => format!("constant {}{}", k.elem.name(), show_shape(&k.shape)),
            Value::Text(t) => format!("\"{t}\""),
            Value::Tensor(t) => {
                let stage = if t.secret() { "secret" } else { "public" };
                let shape = if t.ty.shape.is_empty() { String::new() } else { show_shape(&t.ty.shape) };
                format!("{stage} {}{shape}", t.elem.name())
            }
            Value::Record(r) => show_model(&r.ty),
            Value::Tuple(values) => {
                format!("({})", values.iter().map(Value::describe).collect::<Vec<_>>().join(", "))
            }
            Value::ModelType(ty) => format!("the model {}", show_model(ty)),
            Value::Function(_) => "a function".into(),
            Value::Batches { .. } => "batches of rows".into(),
            Value::Fields(_) => "the fields of a model".into(),
            Value::Unit => "nothing".into(),
            Value::Hole => "_".into(),
            Value::Error => "an error".into(),
        }
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> usize {
        match self {
            Value::Record(r) => r.fields.values().map(Value::size).sum(),
            Value::Tuple(values) => values.iter().map(Value::size).sum(),
            Value::Const(_) | Value::Text(_) | Value::Tensor(_) | Value::ModelType(_) => 1,
            Value::Function(_) | Value::Batches { .. } | Value::Fields(_) => 1,
            Value::Unit | Value::Hole | Value::Error => 1,
        }
    }

    /// The tensors of a structure in order; `None` where something is not a tensor or constant.
    pub(crate) fn leaves(&self) -> Vec<Value> {
        match self {
            Value::Record(r) => r.fields.values().flat_map(Value::leaves).collect(),
            Value::Tuple(values) => values.iter().flat_map(Value::leaves).collect(),
            other => vec![other.clone()],
        }
    }

    /// The same structure with other leaves, taken in order.
    pub(crate) fn with_leaves(&self, leaves: &mut impl Iterator<Item = Value>) -> Value {
        match self {
            Value::Record(r) => {
                let fields = r.fields.iter().map(|(n, v)| (n.clone(), v.with_leaves(leaves))).collect();
                Value::Record(Rc::new(Record { ty: r.ty.clone(), fields }))
            }
            Value::Tuple(values) => Value::tuple(values.iter().map(|v| v.with_leaves(leaves)).collect()),
            _ => leaves.next().unwrap_or(Value::Error),
        }
    }
}

/// `[128, 10]`
pub(crate) fn show_shape(shape: &[usize]) -> String {
    format!("[{}]", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
}

/// `Dense(784, 128)`
pub(crate) fn show_model(ty: &ModelType) -> String {
    match ty.args.as_slice() {
        [] => ty.name.to_string(),
        args => {
            let args: Vec<String> = args
                .iter()
                .map(|a| match a {
                    Value::ModelType(m) => show_model(m),
                    other => other.describe(),
                })
                .collect();
            format!("{}({})", ty.name, args.join(", "))
        }
    }
}

/// Beyond 2^±LONG the digits of a number tell nobody anything.
const LONG: i64 = 256;

/// A number as a person would write it: whole, a short decimal, or a fraction.
pub(crate) fn show_number(n: &BigRational) -> String {
    let bits = n.numer().bits() as i64 - n.denom().bits() as i64;
    if bits.abs() > LONG {
        return format!("about {}2^{bits}", if n.is_negative() { "-" } else { "" });
    }
    if n.is_integer() {
        return n.to_integer().to_string();
    }
    let scaled = n * BigRational::from_integer(BigInt::from(1_000_000));
    if scaled.is_integer() || n.denom().bits() > 24 {
        let value = n.to_f64().unwrap_or(f64::NAN);
        return format!("{value}");
    }
    let sign = if n.is_negative() { "-" } else { "" };
    format!("{sign}{} / {}", n.numer().abs(), n.denom())
}
