//! What is said of a function of the language, and how it is written down.
//!
//! Each module of functions has a table of [`Builtin`]s, written with [`builtins!`]: comment, name, parameters, result and lowering of each
//! function stand together, and everything else (the names that programs see, `tern doc`, the checks of arguments, the signature in
//! messages) is made from them.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::Args;
use crate::lower::Lowerer;
use crate::lower::expr::Want;
use crate::lower::value::Value;

/// A function of the language.
#[derive(Debug)]
pub struct Builtin {
    /// As programs write it: `sum`, `random::uniform`.
    pub name: &'static str,
    /// What it gives, for which arguments, and why it is as it is.
    pub doc: &'static str,
    /// In order.
    pub params: &'static [Param],
    /// The type of its result.
    pub result: &'static str,
    /// What becomes of models.
    pub(super) models: Models,
    pub(super) lower: Lower,
}

/// A parameter of a function of the language.
#[derive(Debug)]
pub struct Param {
    /// By which it can be given.
    pub name: &'static str,
    /// What it may be given.
    pub takes: Takes,
    /// What it is if it is not given; a parameter without a default must be given.
    pub default: Option<&'static str>,
}

/// What a parameter takes, with the shape as signatures write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A tensor of numbers.
    Num(&'static str),
    /// A tensor of truth values.
    Bool(&'static str),
    /// A tensor of either.
    Tensor(&'static str),
    /// Constant numbers.
    ConstNum(&'static str),
    /// Constant whole numbers.
    ConstInt(&'static str),
    /// A constant truth value.
    ConstBool(&'static str),
    /// A text.
    Text(&'static str),
    /// A model.
    Model(&'static str),
    /// Tensors, models and tuples of them.
    Any(&'static str),
    /// As many positional arguments as are given, as one tuple.
    Parts(&'static str),
}

/// What a function makes of models among its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Models {
    /// It is applied field by field; everything else is given to each field.
    FieldByField,
    /// They are given to it as they are.
    Whole,
}

/// How a call becomes a value.
pub(super) type Lower = for<'l, 'a, 'g> fn(&'l mut Lowerer<'a>, &'g Args, Option<&'g Want>) -> Value;

/// Rows of a table: `/// comment`, then `each` if models go field by field, the name, the parameters, the result, the lowering.
macro_rules! builtins {
    ($(
        $(#[doc = $line:literal])+
        $models:ident $name:literal
        ($($param:ident: $takes:ident($shape:literal) $(= $default:literal)?),* $(,)?) -> $result:literal
        = $lower:expr;
    )+) => {
        pub(super) const FUNCTIONS: &[$crate::lower::builtin::table::Builtin] = &[$(
            $crate::lower::builtin::table::Builtin {
                name: $name,
                doc: concat!($($line, "\n"),+),
                params: &[$(
                    $crate::lower::builtin::table::Param {
                        name: stringify!($param),
                        takes: $crate::lower::builtin::table::Takes::$takes($shape),
                        default: $crate::lower::builtin::table::builtins!(@default $($default)?),
                    }
                ),*],
                result: $result,
                models: $crate::lower::builtin::table::builtins!(@models $models),
                lower: $lower,
            }
        ),+];
    };
    (@default $default:literal) => { Some($default) };
    (@default) => { None };
    (@models each) => { $crate::lower::builtin::table::Models::FieldByField };
    (@models whole) => { $crate::lower::builtin::table::Models::Whole };
}
pub(super) use builtins;

/// The subjects of the functions, in the order of the reference.
pub const SUBJECTS: &[(&str, &[Builtin])] = &[
    ("Arithmetic", super::elementary::FUNCTIONS),
    ("Sums, products and shapes", super::reductions::FUNCTIONS),
    ("Movement of elements", super::movement::FUNCTIONS),
    ("Windows and named axes", super::windows::FUNCTIONS),
    ("Tensors filled with something", super::filled::FUNCTIONS),
    ("Secrets, their bits, batches and derivatives", super::secrets::FUNCTIONS),
    ("Metrics, looking on, and arguments", super::effects::FUNCTIONS),
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Builtin>> =
    LazyLock::new(|| SUBJECTS.iter().flat_map(|(_, list)| *list).map(|f| (f.name, f)).collect());

/// The function of this name.
pub(in crate::lower) fn find(name: &str) -> Option<&'static Builtin> {
    BY_NAME.get(name).copied()
}

/// The names of all functions.
pub(in crate::lower) fn names() -> impl Iterator<Item = &'static str> {
    BY_NAME.keys().copied()
}

impl Builtin {
    /// How it would be declared in the language: `sum(x: num[..s], const axis: int = …) -> num[..t]`.
    pub fn signature(&self) -> String {
        let params: Vec<String> = self.params.iter().map(Param::to_string).collect();
        format!("{}({}) -> {}", self.name, params.join(", "), self.result)
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, elem, shape) = match self.takes {
            Takes::Num(shape) => ("", "num", shape),
            Takes::Bool(shape) => ("", "bool", shape),
            Takes::Tensor(shape) => ("", "tensor", shape),
            Takes::ConstNum(shape) => ("const ", "num", shape),
            Takes::ConstInt(shape) => ("const ", "int", shape),
            Takes::ConstBool(shape) => ("const ", "bool", shape),
            Takes::Text(shape) => ("", "str", shape),
            Takes::Model(shape) => ("", "model", shape),
            Takes::Any(shape) => ("", "any", shape),
            Takes::Parts(shape) => ("..", "tensor", shape),
        };
        write!(f, "{stage}{}: {elem}{shape}", self.name)?;
        self.default.map_or(Ok(()), |default| write!(f, " = {default}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_one_row_and_its_optional_parameters_last() {
        let all: Vec<&Builtin> = SUBJECTS.iter().flat_map(|(_, list)| *list).collect();
        assert_eq!(all.len(), BY_NAME.len(), "a name stands twice");
        for f in all {
            assert!(f.doc.trim().ends_with('.'), "{}", f.name);
            let optional: Vec<bool> = f.params.iter().map(|p| p.default.is_some()).collect();
            assert!(optional.is_sorted(), "{}", f.signature());
        }
    }
}
